"""`lp-ft`: a linear probe to convergence, then everything at a low rate."""

from __future__ import annotations

from typing import Unpack

from unfreeze.errors import PlanError
from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy, share_epochs

__all__ = ["STRATEGY", "lp_ft"]

LOW = 0.05  # of the probe's rate, for all layers, the head included


def lp_ft(layers: Layers, *, epochs: int = 10, lr: float = 1e-3, **options: Unpack[PhaseOptions]) -> Plan:
    """Train the head for half of the epochs, then all layers at a twentieth of its rate.

    Kumar et al. 2022: a head that is already good hardly distorts the features below it, so this keeps
    fine-tuning's accuracy on pictures like the training ones and the probe's on shifted ones.

    Raises:
        PlanError: fewer than two epochs, or a setting is out of range.
    """
    if epochs < 2:  # noqa: PLR2004 - a probe and a tuning
        raise PlanError(f'"lp-ft" has two phases and needs at least 2 epochs, but got {epochs}. Take "full" for one.')
    probe, tune = share_epochs(epochs, n_phases=2)
    phases = (
        Phase("head", probe, ("head",), lr, **options),
        Phase("all layers", tune, ("all",), lr * LOW, **options),
    )
    return Plan(layers, phases)


STRATEGY = Strategy("lp-ft", "images that will differ from the training ones later: probe, then tune gently", lp_ft)
