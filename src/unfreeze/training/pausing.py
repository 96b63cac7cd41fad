"""Checkpoints in time: now and then, and when the user wants an end."""

from __future__ import annotations

import time

from unfreeze.errors import InterruptedRunError
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.state import TrainingState

__all__ = ["Pauses"]

SECONDS_BETWEEN_CHECKPOINTS = 30.0  # what a killed process loses at most


class Pauses:
    """Says when a training saves its state.

    Args:
        state: what is saved.
        interrupt: tells when the user wants an end.
    """

    def __init__(self, state: TrainingState, interrupt: Interrupt) -> None:
        self._state, self._interrupt = state, interrupt
        self._saved_at = time.monotonic()

    @property
    def asked(self) -> bool:
        """Whether the user wants an end."""
        return self._interrupt.asked

    def if_due(self) -> None:
        """Save a checkpoint now and then, and when an interrupt asks for an end.

        Raises:
            InterruptedRunError: an interrupt asks for one; the checkpoint has been written.
        """
        if self._interrupt.asked or time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self.save()
        if self._interrupt.asked:
            raise InterruptedRunError("Interrupted; the checkpoint is kept.")

    def save(self) -> None:
        """Write the checkpoint, and note when."""
        self._state.save()
        self._saved_at = time.monotonic()
