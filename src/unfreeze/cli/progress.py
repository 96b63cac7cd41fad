"""The progress of a training on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unfreeze.cli.wording import count_text, rate_text, selection_text, time_text

if TYPE_CHECKING:  # training loads torch, and a terminal should say at once that something happens
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from unfreeze.training import EpochInfo, PhaseInfo, Progress, StepInfo

__all__ = [
    "REFRESHES_PER_SECOND",
    "LiveProgress",
    "PlainProgress",
    "bar",
    "epoch_text",
    "live_or_plain",
    "phase_text",
    "watching",
]

Shown = TypeVar("Shown")  # what a display is to its caller
BAR_WIDTH = 30
REFRESHES_PER_SECOND = 4


def watching() -> AbstractContextManager[Progress]:
    """Return what gives what a training reports to."""
    return live_or_plain(LiveProgress, PlainProgress)


@contextlib.contextmanager
def live_or_plain(live: Callable[[Live], Shown], plain: Callable[[], Shown]) -> Iterator[Shown]:
    """Yield a live display on a terminal, which is taken down afterwards, whatever happens; else a plain one."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield plain()
        return
    with Live(Text("Starting …"), console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True) as display:
        yield live(display)


def phase_text(info: PhaseInfo) -> str:
    """Return a phase in one line: which, what trains, at which rates, in which norm mode."""
    rates = f"rates {rate_text(info.lr_max)}"
    if info.lr_min != info.lr_max:
        rates = f"rates {rate_text(info.lr_min)} to {rate_text(info.lr_max)}"
    if info.finds_rate:
        rates = "rates by a range test"
    if info.solver == "lbfgs":
        rates = "by L-BFGS" + selection_text(info.select_features)
    share = f"{count_text(info.n_trained)} of {count_text(info.n_parameters)} parameters"
    epochs = "1 epoch" if info.epochs == 1 else f"{info.epochs} epochs"
    return (
        f'Phase {info.index + 1} of {info.n_phases} "{info.name}": {epochs}, trains {info.trained} ({share}), '
        f"{rates}, norm {info.norm}"
    )


def epoch_text(info: EpochInfo) -> str:
    """Return a finished epoch in one line."""
    width = len(str(info.n_epochs))
    best = "  best so far" if info.best else ""
    penalty = "" if info.l2 is None else f"L2 {rate_text(info.l2)}  "
    return (
        f"  epoch {info.epoch + 1:>{width}}/{info.n_epochs}  {info.phase}  "
        f"{penalty}loss {info.train_loss:.3f}  val loss {info.val_loss:.3f}  {info.metric} {info.value:.3f}  "
        f"{time_text(info.seconds)}{best}"
    )


class PlainProgress:
    """One line for each stage, phase, epoch and note; steps are not worth a line."""

    def stage(self, text: str) -> None:
        """Print which part of the work begins."""
        _line(text)

    def scanned(self, n: int, total: int) -> None:
        """Print that all pictures have been read."""
        if n == total:
            _line(f"  {n} pictures read")

    def phase(self, info: PhaseInfo) -> None:
        """Print what a phase trains."""
        _line(phase_text(info))

    def prefix(self, n: int, total: int) -> None:
        """Print that the frozen layers have been computed."""
        if n == total:
            _line(f"  frozen layers computed once for {n} views")

    def step(self, info: StepInfo) -> None:
        """Print nothing: an epoch's line follows."""

    def epoch(self, info: EpochInfo) -> None:
        """Print how good the network is after an epoch."""
        _line(epoch_text(info))

    def note(self, text: str) -> None:
        """Print what the user should know."""
        _line(f"note: {text}")


class LiveProgress:
    """A bar that is redrawn, with phases, epochs and notes as lines that stay above it.

    Args:
        live: the running display.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._drawn_at = 0.0
        self._last = ""  # the metric after the last epoch

    def stage(self, text: str) -> None:
        """Show which part of the work is under way."""
        self._last = ""
        self._live.update(Text(f"{text} …"))

    def scanned(self, n: int, total: int) -> None:
        """Move the bar along the pictures."""
        self._live.update(bar(n, total, f"reading pictures {n}/{total}"))

    def phase(self, info: PhaseInfo) -> None:
        """Say what the phase trains."""
        self._stay(phase_text(info), style="bold")

    def prefix(self, n: int, total: int) -> None:
        """Move the bar along the views that the frozen layers are computed for."""
        self._live.update(bar(n, total, f"computing the frozen layers once {n}/{total}"))

    def step(self, info: StepInfo) -> None:
        """Move the bar along the phase's steps; those between two refreshes would not be seen."""
        if time.monotonic() - self._drawn_at < 1 / REFRESHES_PER_SECOND and info.step < info.n_steps:
            return
        self._drawn_at = time.monotonic()
        left = "" if info.seconds_left is None else f"  {time_text(info.seconds_left)} left"
        text = (
            f"step {info.step}/{info.n_steps}  epoch {info.epoch + 1}  loss {info.loss:.3f}  "
            f"rate {rate_text(info.lr)}{self._last}{left}"
        )
        self._live.update(bar(info.step, info.n_steps, text))

    def epoch(self, info: EpochInfo) -> None:
        """Say how good the network is after an epoch."""
        self._last = f"  {info.metric} {info.value:.3f}"
        self._stay(epoch_text(info), style="green" if info.best else "")

    def note(self, text: str) -> None:
        """Say what the user should know."""
        self._stay(f"note: {text}", style="yellow")

    def _stay(self, text: str, *, style: str) -> None:
        self._live.console.print(Text(text, style=style))


def bar(done: int, total: int, text: str) -> Table:
    """Return a bar with a text behind it."""
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=max(total, 1), completed=done, width=BAR_WIDTH), Text(text))
    return row


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
