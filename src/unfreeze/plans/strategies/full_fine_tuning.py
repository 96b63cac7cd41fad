"""`full`: every layer trains from the first step."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "full"]

BODY = 0.1  # of the head's rate, for pretrained weights


def full(layers: Layers, *, epochs: int = 10, lr: float = 1e-3, **options: Unpack[PhaseOptions]) -> Plan:
    """Train everything, the pretrained layers at a tenth of the new head's rate.

    Kornblith et al. 2019: fine-tuned accuracy follows ImageNet accuracy (r = 0.96). Kumar et al. 2022:
    better than a linear probe on pictures like the training ones, worse on shifted ones.

    Raises:
        PlanError: a setting is out of range.
    """
    return Plan(layers, (Phase("all layers", epochs, ("all",), lr * BODY, rates={"head": lr}, **options),))


STRATEGY = Strategy("full", "many images: every layer trains, at a tenth of the head's rate", full)
