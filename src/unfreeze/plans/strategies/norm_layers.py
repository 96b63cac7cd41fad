"""`norm-only`: the scales and shifts of all norm layers train, with the head."""

from __future__ import annotations

from typing import Unpack

from unfreeze.errors import PlanError
from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "norm_only"]


def norm_only(layers: Layers, *, epochs: int = 10, lr: float = 1e-3, **options: Unpack[PhaseOptions]) -> Plan:
    """Train the scale and shift of every norm layer, at the head's rate, and the head.

    A fraction of a percent of the weights; on seven medical sets near full fine-tuning. Norm layers use
    their stored statistics unless `norm="train"`. Nothing is computed once: the gradient passes through the
    whole network.

    Raises:
        PlanError: the network has no norm layers, or a setting is out of range.
    """
    if not any(leaf.kind == "norm" for leaf in layers.leaves):
        raise PlanError(f'"norm-only" needs norm layers, but {layers.model} has none. Take "head" instead.')
    if options.get("norm") == "frozen":
        raise PlanError('"norm-only" trains norm layers, but norm is "frozen". Take norm "eval" or "train".')
    return Plan(layers, (Phase("norm layers", epochs, ("kind:norm", "head"), lr, **options),))


STRATEGY = Strategy(
    "norm-only", "images of another look: norm layers and head adapt, a fraction of the weights", norm_only
)
