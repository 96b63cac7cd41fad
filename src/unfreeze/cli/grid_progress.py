"""The progress of a comparison on stderr: a line for each training, and while one is under way, where it is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from unfreeze.cli.progress import REFRESHES_PER_SECOND, bar, live_or_plain
from unfreeze.cli.wording import time_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import RenderableType
    from rich.live import Live

    from unfreeze.comparison import CellInfo, CellResult, ComparisonProgress
    from unfreeze.training import EpochInfo, PhaseInfo, StepInfo

__all__ = ["LiveGridProgress", "PlainGridProgress", "cell_text", "result_text", "watching_grid"]


def watching_grid() -> AbstractContextManager[ComparisonProgress]:
    """Return what gives what a comparison reports to."""
    return live_or_plain(LiveGridProgress, PlainGridProgress)


def cell_text(info: CellInfo) -> str:
    """Return which training it is."""
    fold = "" if info.fold is None else f", fold {info.fold + 1} of {info.n_folds}"
    return f"{info.number}/{info.n_cells}  {info.row}, seed {info.seed}{fold}"


def result_text(result: CellResult) -> str:
    """Return how a training ended, in one line."""
    ended = f"failed: {result.error}"
    if result.error is None:
        value = "not known" if result.value is None else f"{result.value:.3f}"
        ended = f"{result.metric} {value} on validation, {time_text(result.seconds)}"
    after = result.cell.seconds_after
    left = f"  (about {time_text(after)} left)" if after else ""  # nor after the last one
    return f"  {cell_text(result.cell)}: {ended}{left}"


class PlainGridProgress:
    """One line for each training and note; what happens within a training is not worth a line."""

    def __init__(self) -> None:
        self._cell: CellInfo | None = None
        self._notes: set[str] = set()

    def stage(self, text: str) -> None:
        """Print that pictures are read; the stages of single trainings are passed over."""
        if self._cell is None:
            _line(text)

    def scanned(self, n: int, total: int) -> None:
        """Print that all pictures have been read."""
        if n == total:
            _line(f"  {n} pictures read")

    def prefix(self, n: int, total: int) -> None:
        """Print that the frozen layers have been computed."""
        if n == total:
            _line(f"    frozen layers computed once for {n} views")

    def phase(self, info: PhaseInfo) -> None:
        """Print nothing."""

    def step(self, info: StepInfo) -> None:
        """Print nothing."""

    def epoch(self, info: EpochInfo) -> None:
        """Print nothing."""

    def note(self, text: str) -> None:
        """Print what the user should know, once: trainings of one row all note the same."""
        if text not in self._notes:
            self._notes.add(text)
            _line(f"note: {text}")

    def cell(self, info: CellInfo) -> None:
        """Print nothing: the line that tells how it ended follows."""
        self._cell = info

    def cell_done(self, result: CellResult) -> None:
        """Print how a training ended."""
        self._cell = None
        _line(result_text(result))


class LiveGridProgress:
    """Two bars that are redrawn, for the grid and for the training under way, below a line for each finished training.

    Args:
        live: the running display.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._drawn_at = 0.0
        self._cell: CellInfo | None = None
        self._notes: set[str] = set()

    def stage(self, text: str) -> None:
        """Show which part of the work is under way."""
        self._draw(Text(f"{text} …"))

    def scanned(self, n: int, total: int) -> None:
        """Move the bar along the pictures."""
        self._draw(bar(n, total, f"reading pictures {n}/{total}"))

    def phase(self, info: PhaseInfo) -> None:
        """Show the phase."""
        self._draw(Text(f'phase {info.index + 1} of {info.n_phases} "{info.name}" …'))

    def prefix(self, n: int, total: int) -> None:
        """Move the bar along the views that the frozen layers are computed for."""
        self._draw(bar(n, total, f"computing the frozen layers once {n}/{total}"))

    def step(self, info: StepInfo) -> None:
        """Move the bar along the phase's steps; those between two refreshes would not be seen."""
        if time.monotonic() - self._drawn_at < 1 / REFRESHES_PER_SECOND and info.step < info.n_steps:
            return
        left = "" if info.seconds_left is None else f"  {time_text(info.seconds_left)} left of this training"
        text = f"step {info.step}/{info.n_steps}  epoch {info.epoch + 1}  loss {info.loss:.3f}{left}"
        self._draw(bar(info.step, info.n_steps, text))

    def epoch(self, info: EpochInfo) -> None:
        """Show nothing: the steps of the next epoch follow at once."""

    def note(self, text: str) -> None:
        """Say what the user should know, once: trainings of one row all note the same."""
        if text not in self._notes:
            self._notes.add(text)
            self._live.console.print(Text(f"note: {text}", style="yellow"))

    def cell(self, info: CellInfo) -> None:
        """Move the grid's bar."""
        self._cell = info
        self._draw(Text("beginning …"))

    def cell_done(self, result: CellResult) -> None:
        """Say how a training ended."""
        style = "" if result.error is None else "red"
        self._live.console.print(Text(result_text(result), style=style))

    def _draw(self, within: RenderableType) -> None:
        self._drawn_at = time.monotonic()
        if self._cell is None:
            self._live.update(within)
            return
        after = self._cell.seconds_after
        left = "" if after is None else f"  about {time_text(after)} after this one"
        grid = bar(self._cell.n_before, self._cell.n_cells, f"{cell_text(self._cell)}{left}")
        self._live.update(Group(grid, within))


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
