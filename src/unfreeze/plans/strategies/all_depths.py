"""`head2toe`: the network stays as it is, and a linear head reads the outputs of all its stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import PhaseOptions, PlanSettings
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategies.linear_probe import head
from unfreeze.plans.strategy import Strategy

__all__ = ["STRATEGY", "head2toe"]


def head2toe(layers: Layers, *, epochs: int = 10, lr: float | None = None, **options: Unpack[PhaseOptions]) -> Plan:
    """Train nothing but a head, on the pooled outputs of every stage beside the final features.

    Evci et al. 2022 (Head2Toe): what a network has learned for other pictures lies at other depths, and a linear
    layer on all of them comes near fine-tuning for the price of one pass. Features of so many scales are standardised
    and fitted by L-BFGS, each epoch at another strength of the L2 penalty, unless another solver is given.

    The plan's settings say `features = "stages"`: build the network with that.

    Raises:
        PlanError: a setting is out of range.
    """
    chosen: PhaseOptions = {"solver": "lbfgs", **options}
    plan = head(layers, epochs=epochs, lr=lr, **chosen)
    return replace(plan, settings=PlanSettings(features="stages"))


STRATEGY = Strategy("head2toe", "little data unlike the pretraining images: a linear head reads every depth", head2toe)
