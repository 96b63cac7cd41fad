"""Strategies: functions that write plans, one file each; a file with a `STRATEGY` is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unfreeze.errors import PlanError, SelectorError, did_you_mean
from unfreeze.layers import Layers
from unfreeze.plans.phase import PlanSettings
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategies.all_depths import head2toe
from unfreeze.plans.strategies.by_selector import selected
from unfreeze.plans.strategies.full_fine_tuning import full
from unfreeze.plans.strategies.gradual_rates import gradual_layerwise
from unfreeze.plans.strategies.gradual_unfreezing import gradual
from unfreeze.plans.strategies.layerwise_rates import layerwise
from unfreeze.plans.strategies.linear_probe import head
from unfreeze.plans.strategies.norm_layers import norm_only
from unfreeze.plans.strategies.probe_then_tune import lp_ft
from unfreeze.plans.strategy import Strategy

__all__ = [
    "STRATEGIES",
    "full",
    "gradual",
    "gradual_layerwise",
    "head",
    "head2toe",
    "layerwise",
    "lp_ft",
    "make_plan",
    "norm_only",
    "selected",
]


def _discover() -> Mapping[str, Strategy]:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    strategies = [module.STRATEGY for module in modules if hasattr(module, "STRATEGY")]
    return {strategy.name: strategy for strategy in sorted(strategies, key=lambda each: each.name)}


STRATEGIES: Mapping[str, Strategy] = _discover()


def make_plan(
    name: str,
    layers: Layers,
    *,
    epochs: int = 10,
    lr: float | None = None,
    settings: PlanSettings | None = None,
    **options: Any,
) -> Plan:
    """Write the plan of a strategy, by its name or by any selector.

    Args:
        name: A key of `STRATEGIES`, or a selector: the head trains first, then what it selects.
        layers: The network's layers.
        epochs: Epochs of all phases together.
        lr: The head's peak rate; all others scale with it. None: the strategy's own.
        settings: What else the plan says, as the model's name.
        **options: Passed to the strategy: `PhaseOptions`, and its own, as `n_phases` of `gradual`.

    Raises:
        PlanError: the name is neither a strategy nor a selector that matches, or a setting is out of range.
    """
    if lr is not None:
        options["lr"] = lr
    if name in STRATEGIES:
        plan = STRATEGIES[name].write(layers, epochs=epochs, **options)
    else:
        try:
            plan = selected(layers, name, epochs=epochs, **options)
        except SelectorError as error:
            raise PlanError(
                f'"{name}" is neither a strategy nor a selector of {layers.model}.'
                f"{did_you_mean(name, STRATEGIES)} Strategies are: {', '.join(STRATEGIES)}. "
                f"As a selector: {error}"
            ) from None
    return plan if settings is None else replace(plan, settings=settings)
