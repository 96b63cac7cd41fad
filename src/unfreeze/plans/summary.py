"""What a plan means before anything trains: one row per phase."""

from __future__ import annotations

from dataclasses import dataclass

from unfreeze.layers import Layers, Leaf
from unfreeze.plans.phase import NormMode, Schedule, Solver
from unfreeze.plans.plan import Plan
from unfreeze.records import Share

__all__ = ["PhaseSummary", "summarise"]

N_BYTES = 4  # of one fp32 number
STATES: dict[Solver, int] = {
    "adamw": 2,
    "sgd": 1,
    "lbfgs": 40,
}  # numbers kept per trained weight: two moments, momentum, or ten pairs (step, difference of gradients) in float64


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One phase of a plan, as `unfreeze plan` shows it.

    Attributes:
        name: The phase's name.
        epochs: Epochs planned.
        train: What trains, as the fewest names.
        first_group: The layer group nearest to the input that trains in part or whole.
        last_group: The same, nearest to the output.
        n_groups: Layer groups that train in part or whole.
        n_trained: Weights that train.
        n_parameters: Weights of the network.
        min_lr: The lowest peak rate; 0 where the solver has none.
        max_lr: The highest peak rate.
        norm: The norm mode of what trains.
        schedule: How rates run.
        solver: What trains: an optimizer's steps, or L-BFGS.
        select_features: The share of its features that a fitted head keeps; None: all.
        cached_share: Share of a forward pass's multiply-adds before the first layer that trains, which can
            be computed once; None where multiply-adds were not measured.
        n_bytes: An estimate of the memory that a training step needs, in bytes of fp32: all weights, the
            gradients and optimizer state of the trained ones, and a batch of outputs from the first trained
            layer on.
    """

    name: str
    epochs: int
    train: tuple[str, ...]
    first_group: str
    last_group: str
    n_groups: int
    n_trained: int
    n_parameters: int
    min_lr: float
    max_lr: float
    norm: NormMode
    schedule: Schedule
    solver: Solver
    select_features: Share | None
    cached_share: float | None
    n_bytes: int


def summarise(plan: Plan, *, batch_size: int = 32) -> tuple[PhaseSummary, ...]:
    """Return what each phase of a plan trains, and what it costs."""
    return tuple(_summarise_phase(plan, index, batch_size) for index in range(len(plan.phases)))


def _summarise_phase(plan: Plan, index: int, batch_size: int) -> PhaseSummary:
    layers, phase, trained, lrs = plan.layers, plan.phases[index], plan.trained(index), plan.peak_lrs(index)
    groups = [g.name for g in layers.groups if any(leaf.name in trained for leaf in g.leaves)]
    n_trained = sum(p.n_elements for leaf in layers.leaves if leaf.name in trained for p in leaf.parameters)
    prefix, suffix = _split(layers, trained)
    n_macs = sum(leaf.macs for leaf in layers.leaves)
    n_weights = layers.n_parameters + n_trained * (1 + STATES[phase.solver])
    n_outputs = batch_size * sum(leaf.n_activations for leaf in suffix)
    return PhaseSummary(
        name=phase.name,
        epochs=phase.epochs,
        train=phase.train,
        first_group=groups[0],
        last_group=groups[-1],
        n_groups=len(groups),
        n_trained=n_trained,
        n_parameters=layers.n_parameters,
        min_lr=min(lrs.values()),
        max_lr=max(lrs.values()),
        norm=phase.norm,
        schedule=phase.schedule,
        solver=phase.solver,
        select_features=phase.select_features,
        cached_share=sum(leaf.macs for leaf in prefix) / n_macs if n_macs else None,
        n_bytes=N_BYTES * (n_weights + n_outputs),
    )


def _split(layers: Layers, trained: frozenset[str]) -> tuple[list[Leaf], list[Leaf]]:
    """Split the leaves, by first use, at the first one that trains."""
    by_name = {leaf.name: leaf for leaf in layers.leaves}
    ordered = [by_name[name] for name in layers.order]
    first = next(i for i, leaf in enumerate(ordered) if leaf.name in trained)
    return ordered[:first], ordered[first:]
