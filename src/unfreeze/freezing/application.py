"""Applies a plan to a model: the only place that writes `requires_grad`, module modes and rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from unfreeze.errors import PlanError
from unfreeze.freezing.modes import module_modes
from unfreeze.freezing.naming import parameters_by_name
from unfreeze.freezing.optimizer import check_groups, set_rates
from unfreeze.plans import Plan, PlanState, Position

__all__ = ["Applied", "apply_plan", "apply_rates"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply_plan` has made true.

    Attributes:
        state: What trains, and at which rates.
        position: Phase, and step in it.
        phase_started: Whether this is a phase's first step. Wrap the model in DDP again, and compile it
            again: both keep what they saw of `requires_grad`.
    """

    state: PlanState
    position: Position
    phase_started: bool


def apply_plan(
    model: nn.Module,
    plan: Plan,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    step: int,
    steps_per_epoch: int,
    phase_epochs: Sequence[int] = (),
) -> Applied:
    """Make a model and its optimizer what the plan says for one step.

    Call it after `model.train()` and before forward.

    Frozen parameters get no gradient, and lose one that they had; frozen modules, and norm layers unless
    the phase trains their statistics, run in inference mode, dropout and stochastic depth among them;
    groups of frozen parameters have rate and weight decay 0. Nothing is remembered between calls, and a
    second call changes nothing: to resume, call it with the step.

    Args:
        model: The network, also wrapped (DataParallel, DDP, torch.compile).
        plan: A plan for its layers.
        optimizer: Made from `param_groups(model, plan)`; None leaves rates alone, as a phase must whose solver takes
            no steps.
        step: Optimizer steps since the training began.
        steps_per_epoch: Optimizer steps in one epoch.
        phase_epochs: Epochs that the finished phases really took, where they stopped early.

    Raises:
        PlanError: the step lies beyond the plan, model or optimizer are not what the plan was written for, or no
            optimizer's step can train the phase.
    """
    position = plan.position(step, steps_per_epoch=steps_per_epoch, phase_epochs=phase_epochs)
    state = plan.state(position, steps_per_epoch=steps_per_epoch)
    parameters = parameters_by_name(model, plan.layers)
    phase = plan.phases[position.phase]
    if optimizer is not None and not phase.takes_steps:
        raise PlanError(
            f'Phase "{phase.name}" is fitted by "{phase.solver}", which `unfreeze train` does by itself: the steps of '
            'an optimizer cannot. In a loop of your own give the phase solver = "adamw" and a rate.'
        )
    if optimizer is not None:
        check_groups(optimizer, plan, parameters)  # everything is checked before anything is written
    _write_gradients(parameters, plan, state)
    modes = module_modes(model, plan.layers, selected=plan.selected(position.phase), norm=state.norm)
    for module, training in modes:
        if module.training != training:
            module.training = training
    if optimizer is not None:
        set_rates(optimizer, plan, state)
    return Applied(state, position, phase_started=position.step == 0)


def apply_rates(
    plan: Plan,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    steps_per_epoch: int,
    phase_epochs: Sequence[int] = (),
) -> PlanState:
    """Write one step's rates into the optimizer, and nothing else: all that changes from step to step in a phase.

    For a loop that calls `apply_plan` whenever a phase begins and whenever modes may have changed (`model.train()`,
    `model.eval()`), this is what is left to do before the other steps. The arguments are those of `apply_plan`.

    Raises:
        PlanError: the step lies beyond the plan.
    """
    position = plan.position(step, steps_per_epoch=steps_per_epoch, phase_epochs=phase_epochs)
    state = plan.state(position, steps_per_epoch=steps_per_epoch)
    set_rates(optimizer, plan, state)
    return state


def _write_gradients(parameters: dict[str, nn.Parameter], plan: Plan, state: PlanState) -> None:
    leaves = plan.layers.leaf_by_parameter
    for name, parameter in parameters.items():
        trains = leaves[name] in state.trained_leaves
        if parameter.requires_grad != trains:
            parameter.requires_grad_(trains)
        if not trains:
            parameter.grad = None  # a zero gradient with weight decay or momentum would still move the weights
