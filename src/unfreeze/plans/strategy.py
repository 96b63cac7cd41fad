"""What a strategy is: a named function that writes a plan for a network's layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unfreeze.errors import PlanError
from unfreeze.plans.plan import Plan

__all__ = ["Strategy", "share_epochs"]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to fine-tune; a module of `unfreeze.plans.strategies` that has a `STRATEGY` is found by itself.

    Attributes:
        name: As on the command line, `lp-ft`.
        summary: One line: what it is for.
        write: `write(layers, *, epochs=10, lr=1e-3, **options)` returns the plan; `lr` is the head's peak
            rate.
    """

    name: str
    summary: str
    write: Callable[..., Plan]


def share_epochs(epochs: int, *, n_phases: int) -> tuple[int, ...]:
    """Divide epochs over at most `n_phases` phases, as evenly as can be; the first get what is left over.

    >>> share_epochs(10, n_phases=3), share_epochs(2, n_phases=3)
    ((4, 3, 3), (1, 1))

    Raises:
        PlanError: there is not one epoch, or not one phase.
    """
    if epochs < 1:
        raise PlanError(f"epochs must be at least 1, but got {epochs}.")
    if n_phases < 1:
        raise PlanError(f"n_phases must be at least 1, but got {n_phases}.")
    n_phases = min(n_phases, epochs)
    each, left_over = divmod(epochs, n_phases)
    return tuple(each + (index < left_over) for index in range(n_phases))
