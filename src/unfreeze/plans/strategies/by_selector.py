"""Any selector as a strategy: the head first, then what it selects."""

from __future__ import annotations

from typing import Unpack

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase, PhaseOptions
from unfreeze.plans.plan import Plan
from unfreeze.plans.strategy import share_epochs

__all__ = ["selected"]

BODY = 0.1  # of the head's rate, for what is unfrozen
PROBE = 3  # the head alone takes a third of the epochs


def selected(
    layers: Layers,
    selector: str,
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    **options: Unpack[PhaseOptions],
) -> Plan:
    """Train the head for a third of the epochs, then it and what the selector means at a tenth of its rate.

    With `last:12` on ResNet-50 this is the classic recipe "head at 1e-3, then the last 20 layers at 1e-4".
    The head always trains along. With one epoch there is no time for two phases: the selection trains at
    once, the head at `lr`. A selector of the head alone is one phase.

    Raises:
        SelectorError: the selector is malformed or matches nothing.
        PlanError: a setting is out of range.
    """
    head, chosen = layers.select("head"), layers.select(selector)
    if chosen <= head:
        return Plan(layers, (Phase("head", epochs, (selector,), lr, **options),))
    train = (selector, "head")
    if epochs == 1:
        return Plan(layers, (Phase(selector, 1, train, lr * BODY, rates={"head": lr}, **options),))
    tune = sum(share_epochs(epochs, n_phases=PROBE)[1:])
    phases = (
        Phase("head", epochs - tune, ("head",), lr, **options),
        Phase(selector, tune, train, lr * BODY, **options),
    )
    return Plan(layers, phases)
