"""`gradual`: the head first, then stage by stage downwards at falling rates."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import Strategy, share_epochs

__all__ = ["STRATEGY", "gradual"]

FIRST = 0.1  # of the head's rate, when pretrained layers first train
FALL = 1 / 2.6  # from one unfreezing to the next


def gradual(
    layers: Layers,
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    n_phases: int = 3,
    **options: Unpack[PhaseOptions],
) -> Plan:
    """Train the head alone, then unfreeze one stage more in each phase, from the output towards the input.

    The head learns at `lr`; the first unfrozen stage, with the head, at a tenth of that, as the classic
    recipe does; each later phase at 1/2.6 of the one before (ULMFiT, Howard & Ruder 2018). With fewer
    epochs or stages than `n_phases`, there are fewer phases: one epoch trains the head alone.

    Raises:
        PlanError: a setting is out of range.
    """
    n_stages = len(layers.stages) - 1
    shares = share_epochs(epochs, n_phases=min(n_phases, n_stages + 1))
    phases = [Phase("head", shares[0], ("head",), lr, **options)]
    for depth, share in enumerate(shares[1:], start=1):
        lowest = layers.stages[-1 - depth].name
        rate = lr * FIRST * FALL ** (depth - 1)
        phases.append(Phase(f"from {lowest}", share, (f"stages:{depth}",), rate, **options))
    return Plan(layers, tuple(phases))


STRATEGY = Strategy("gradual", "more images, or images like the pretraining ones: head, then stage by stage", gradual)
