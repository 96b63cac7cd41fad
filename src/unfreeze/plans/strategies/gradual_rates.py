"""`gradual-layerwise`: stage by stage downwards, each stage at its own rate, as ULMFiT."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy, share_epochs

__all__ = ["STRATEGY", "gradual_layerwise"]

FIRST = 0.1  # of the head's rate, for the stage just below it
FALL = 1 / 2.6  # from a stage to the one below it


def gradual_layerwise(
    layers: Layers,
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    n_phases: int | None = None,
    **options: Unpack[PhaseOptions],
) -> Plan:
    """Unfreeze one stage more in each phase down to the input, every stage at 1/2.6 of the rate above it.

    ULMFiT (Howard & Ruder 2018): gradual unfreezing together with discriminative rates, lr(l-1) = lr(l) /
    2.6. The stage just below the head starts at a tenth of the head's rate, as in `gradual`; a stage keeps
    its rate once it is unfrozen. A phase for every stage unless `n_phases` says fewer, and fewer where the
    epochs do not suffice.

    Raises:
        PlanError: a setting is out of range.
    """
    most = len(layers.stages)
    shares = share_epochs(epochs, n_phases=most if n_phases is None else min(n_phases, most))
    phases = [Phase("head", shares[0], ("head",), lr, **options)]
    rates: dict[str, float] = {}
    for depth, share in enumerate(shares[1:], start=1):
        stage = layers.stages[-1 - depth]
        rates = rates | dict.fromkeys(layers.names_for(stage.leaf_names), lr * FIRST * FALL ** (depth - 1))
        phases.append(Phase(f"from {stage.name}", share, (f"stages:{depth}",), lr, rates=rates, **options))
    return Plan(layers, tuple(phases))


STRATEGY = Strategy(
    "gradual-layerwise",
    "gradual down to the input, the deeper a stage the slower it learns",
    gradual_layerwise,
)
