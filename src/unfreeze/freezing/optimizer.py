"""A plan's parameter groups, for any torch optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from unfreeze.errors import PlanError
from unfreeze.freezing.naming import parameters_by_name
from unfreeze.layers import unwrap
from unfreeze.plans import Plan, PlanState

__all__ = ["check_groups", "param_groups", "set_rates"]


def param_groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Return the groups for an optimizer: all that will ever train, from the start, with absolute rates.

    All groups are there from the first phase on, so that schedulers, `state_dict` and a resume always fit;
    what never trains is in none. Each has `params`, `name`, and the first phase's `lr` and `weight_decay`,
    both 0 where it is frozen then or the phase has no rates; `apply_plan` sets them again at every step.

    Raises:
        PlanError: the model's parameters are not those of the plan's layers.
    """
    parameters = parameters_by_name(model, plan.layers)
    decay = plan.phases[0].weight_decay
    return [
        {
            "params": [parameters[unwrap(name)] for name in group.parameters],
            "name": group.name,
            "lr": group.lrs[0] or 0.0,
            "weight_decay": decay if group.decays and group.lrs[0] else 0.0,
        }
        for group in plan.param_groups
    ]


def check_groups(optimizer: torch.optim.Optimizer, plan: Plan, parameters: dict[str, nn.Parameter]) -> None:
    """Check that an optimizer holds the plan's groups, made of this model's own tensors.

    Raises:
        PlanError: a group is missing, or holds tensors that the model no longer has, as after a module was
            replaced.
    """
    held = {group.get("name"): group for group in optimizer.param_groups}
    for group in plan.param_groups:
        if group.name not in held:
            raise PlanError(
                f'The optimizer has no parameter group "{group.name}" of the plan. '
                "Make it from param_groups(model, plan)."
            )
        expected = [parameters[unwrap(name)] for name in group.parameters]
        got = held[group.name]["params"]
        if len(expected) != len(got) or any(a is not b for a, b in zip(expected, got, strict=True)):
            raise PlanError(
                f'The optimizer\'s group "{group.name}" holds other tensors than the model has now: a module '
                "was replaced, or the model copied, after the optimizer was made. Make it again from "
                "param_groups(model, plan)."
            )


def set_rates(optimizer: torch.optim.Optimizer, plan: Plan, state: PlanState) -> None:
    """Write the rates and weight decays of one position into an optimizer's groups, found by their names."""
    held = {group.get("name"): group for group in optimizer.param_groups}
    for group, lr, weight_decay in zip(plan.param_groups, state.lrs, state.weight_decays, strict=True):
        target = held[group.name]
        if isinstance(target["lr"], torch.Tensor):  # compiled and capturable optimizers read the tensor itself
            target["lr"].fill_(lr)
        else:
            target["lr"] = lr
        target["weight_decay"] = weight_decay
