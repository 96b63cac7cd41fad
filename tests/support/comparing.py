"""Real comparisons of tiny networks, and a watcher that keeps what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import unfreeze as uf
from unfreeze.comparison import CellInfo, CellResult, SilentComparison
from unfreeze.training import StepInfo

__all__ = ["TINY", "Recording", "compared"]

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "batch_size": 8, "augment": "none"}
WAYS = ["head", "full"]


class Recording(SilentComparison):
    """Keeps what it is told, and interrupts as Ctrl-C does at the step of the given number."""

    def __init__(self, *, interrupt_at: int | None = None) -> None:
        self.cells: list[CellInfo] = []
        self.results: list[CellResult] = []
        self.notes: list[str] = []
        self._left = interrupt_at

    def cell(self, info: CellInfo) -> None:
        self.cells.append(info)

    def cell_done(self, result: CellResult) -> None:
        self.results.append(result)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, info: StepInfo) -> None:
        if self._left is not None and info.step:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt


def compared(data: Path, out: Path, **changes: Any) -> uf.Comparison:
    return uf.compare(data, out=out, **{"strategies": WAYS, "epochs": 2, **TINY, **changes})
