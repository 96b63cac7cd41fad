"""`head`: the network stays as it is, and only the classifier learns."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "head"]


def head(layers: Layers, *, epochs: int = 10, lr: float = 1e-3, **options: Unpack[PhaseOptions]) -> Plan:
    """Train the head alone: a linear probe, or a small MLP where the head has a hidden layer.

    The network is a fixed feature extractor. Kornblith et al. 2019: ImageNet accuracy predicts what this
    reaches (r = 0.99).

    Raises:
        PlanError: a setting is out of range.
    """
    return Plan(layers, (Phase("head", epochs, ("head",), lr, **options),))


STRATEGY = Strategy("head", "few images, or images unlike the pretraining ones: only the head learns", head)
