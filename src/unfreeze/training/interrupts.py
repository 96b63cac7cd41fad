"""SIGINT and SIGTERM, or the end of a budget, as a wish: a training finishes its step, saves, and ends."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Interrupt"]


class Interrupt:
    """Note the first SIGINT or SIGTERM instead of dying of it; a second SIGINT interrupts at once.

    Outside the main thread, where Python delivers no signals, it notes nothing.

    Args:
        deadline: on the monotonic clock; from then on an end is asked for without any signal.
    """

    def __init__(self, *, deadline: float | None = None) -> None:
        self._noted = False
        self._deadline = deadline
        self._before: dict[signal.Signals, object] = {}

    @property
    def asked(self) -> bool:
        """Whether an end is wanted."""
        return self._noted or (self._deadline is not None and time.monotonic() >= self._deadline)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._noted = True
