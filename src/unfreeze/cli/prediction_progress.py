"""The progress of a prediction on stderr: pictures, pictures a second, and the time that is left."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from unfreeze.cli.progress import REFRESHES_PER_SECOND, bar, live_or_plain
from unfreeze.cli.wording import time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.live import Live

    from unfreeze.predicting import PictureFiles, Tally

__all__ = ["PredictionProgress", "progress_text", "watching_predictions"]

SECONDS_A_LINE = 10.0  # where there is no terminal


@contextlib.contextmanager
def watching_predictions(files: PictureFiles) -> Iterator[Callable[[Tally], None]]:
    """Yield what is told the counts of a prediction; when it ends well, a last line says how long it took."""
    with live_or_plain(_live, lambda: None) as draw:
        total = files.count()
        if draw is None:
            print(f"Predicting {total} pictures", file=sys.stderr, flush=True)
        progress = PredictionProgress(total, draw)
        yield progress
    print(progress.last_text(), file=sys.stderr, flush=True)


def progress_text(n: int, total: int, *, rate: float) -> str:
    """Return how far a prediction is.

    >>> progress_text(1200, 4000, rate=160.4)
    '1200/4000 pictures  160 a second  18 s left'
    """
    left = f"  {time_text((total - n) / rate)} left" if rate > 0 and n < total else ""
    return f"{n}/{total} pictures  {rate:.3g} a second{left}"


class PredictionProgress:
    """Shows the counts now and then.

    Args:
        total: how many pictures there are.
        draw: shows (done, total, text) on a terminal; None: there is none, and a line is printed every ten seconds.
    """

    def __init__(self, total: int, draw: Callable[[int, int, str], None] | None) -> None:
        self._total, self._draw = total, draw
        self._pause = SECONDS_A_LINE if draw is None else 1 / REFRESHES_PER_SECOND
        self._began = self._shown_at = time.monotonic()
        self._n = self._n_kept = 0

    def __call__(self, tally: Tally) -> None:
        """Take the counts so far."""
        self._n, self._n_kept = tally.n, tally.n_kept
        now = time.monotonic()
        if now - self._shown_at < self._pause:
            return
        self._shown_at = now
        text = progress_text(self._n, self._total, rate=self._rate(now))
        if self._draw is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._draw(self._n, self._total, text)

    def last_text(self) -> str:
        """Return what to say at the end."""
        now = time.monotonic()
        kept = f", {self._n_kept} of them earlier" if self._n_kept else ""
        took = time_text(now - self._began)
        return f"{self._n} pictures in {took}{kept}: {self._rate(now):.3g} a second"

    def _rate(self, now: float) -> float:
        return (self._n - self._n_kept) / max(now - self._began, 1e-9)


def _live(display: Live) -> Callable[[int, int, str], None]:
    return lambda n, total, text: display.update(bar(n, total, text))
