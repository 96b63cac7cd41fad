"""`layerwise`: everything trains, each layer group at its own rate."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "layerwise"]


def layerwise(
    layers: Layers,
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    layer_decay: float = 0.75,
    **options: Unpack[PhaseOptions],
) -> Plan:
    """Train everything, a layer group at lr x layer_decay ^ (layer groups between it and the head).

    ELECTRA (Clark et al. 2020) decays by 0.8 to 0.9, BEiT and MAE (Bao et al. 2021, He et al. 2022) by 0.65
    to 0.75. On ResNet-50's 18 layer groups 0.75 gives the classic three tiers: early layers about 1e-5,
    middle ones 1e-4, the head 1e-3.

    Raises:
        PlanError: a setting is out of range.
    """
    return Plan(layers, (Phase("all layers", epochs, ("all",), lr, layer_decay=layer_decay, **options),))


STRATEGY = Strategy("layerwise", "a middling number of images: all layers train, the deeper the slower", layerwise)
