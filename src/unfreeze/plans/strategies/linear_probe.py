"""`head`: the network stays as it is, and only the classifier learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "head"]


LR = 1e-3  # where none is given, and the solver has one


def head(layers: Layers, *, epochs: int = 10, lr: float | None = None, **options: Unpack[PhaseOptions]) -> Plan:
    """Train the head alone: a linear probe, or a small MLP where the head has a hidden layer.

    The network is a fixed feature extractor. Kornblith et al. 2019: ImageNet accuracy predicts what this
    reaches (r = 0.99). With `solver="lbfgs"` a linear head is fitted to all images at once, each epoch at another
    strength of the L2 penalty, and there is no rate; else `lr` is 1e-3 unless it is given.

    Raises:
        PlanError: a setting is out of range.
    """
    phase = Phase("head", epochs, ("head",), lr, **options)
    return Plan(layers, (replace(phase, lr=LR) if lr is None and phase.takes_steps else phase,))


STRATEGY = Strategy("head", "few images, or images unlike the pretraining ones: only the head learns", head)
