"""Where a training stands in its plan: pure functions of the plan and the cursor."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from unfreeze.plans import Phase, Plan
from unfreeze.training.checkpoint import Cursor

__all__ = [
    "Where",
    "epochs_of_phase",
    "last_phase",
    "n_epochs_done",
    "n_epochs_in_all",
    "phase_is_over",
    "phase_of",
    "seconds_left",
    "where",
]

STEPS_BEFORE_ESTIMATE = 5


class Where(TypedDict):
    """A place in a plan, as `apply_plan` asks for it."""

    step: int
    steps_per_epoch: int
    phase_epochs: tuple[int, ...]


def phase_of(plan: Plan, cursor: Cursor) -> Phase:
    """Return the phase under way."""
    return plan.phases[cursor.phase]


def where(cursor: Cursor, *, steps_per_epoch: int) -> Where:
    """Return where the training stands, as `apply_plan` asks for it."""
    return {
        "step": sum(cursor.phase_epochs) * steps_per_epoch + cursor.step,
        "steps_per_epoch": steps_per_epoch,
        "phase_epochs": cursor.phase_epochs,
    }


def last_phase(cursor: Cursor) -> Cursor:
    """Return where the last phase began, for a training whose phases are all finished."""
    return msgspec.structs.replace(cursor, phase=cursor.phase - 1, phase_epochs=cursor.phase_epochs[:-1], step=0)


def phase_is_over(plan: Plan, cursor: Cursor, *, steps_per_epoch: int) -> bool:
    """Say whether the phase has had its epochs, or has stopped improving."""
    phase = phase_of(plan, cursor)
    n_epochs, within = divmod(cursor.step, steps_per_epoch)
    stopped = phase.patience is not None and cursor.n_bad_epochs >= phase.patience
    return within == 0 and (n_epochs >= phase.epochs or stopped)


def epochs_of_phase(plan: Plan, cursor: Cursor) -> range:
    """Return all epochs planned for the phase, also those that a resumed training has behind it."""
    begun = sum(cursor.phase_epochs)
    return range(begun, begun + phase_of(plan, cursor).epochs)


def n_epochs_done(cursor: Cursor, *, steps_per_epoch: int) -> int:
    """Return the number of finished epochs, over all phases."""
    return sum(cursor.phase_epochs) + cursor.step // steps_per_epoch


def n_epochs_in_all(plan: Plan, cursor: Cursor) -> int:
    """Return the epochs of the whole training: those that finished phases took, and those planned from here on."""
    return sum(cursor.phase_epochs) + sum(phase.epochs for phase in plan.phases[cursor.phase :])


def seconds_left(plan: Plan, cursor: Cursor, *, steps_per_epoch: int) -> float | None:
    """Estimate the time to the plan's end from the steps so far; None while they are too few."""
    done = sum(cursor.phase_epochs) * steps_per_epoch + cursor.step
    left = sum(phase.epochs for phase in plan.phases[cursor.phase :]) * steps_per_epoch - cursor.step
    return cursor.seconds / done * left if done >= STEPS_BEFORE_ESTIMATE else None
