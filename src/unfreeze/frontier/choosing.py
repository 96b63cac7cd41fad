"""Where to cut: the frontier that costs an epoch least, within what may be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SPEEDS", "Candidate", "Speeds", "choose_cut", "estimate_seconds"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place to cut.

    Attributes:
        n_bytes: What one image takes at the frontier.
        macs: Multiply-adds of the frozen layers behind the frontier, which every epoch computes again, for one image.
    """

    n_bytes: int
    macs: int


@dataclass(frozen=True, slots=True)
class Speeds:
    """What a machine does in a second.

    The values by default are those of 2 cores: EfficientNet-Lite0 (0.4 GMACs) runs at 117-141 images a second in
    PyTorch, channels-last; shards are read through the page cache; one picture decodes in about a millisecond.
    Only their ratios matter, and a choice seldom hangs on a factor of two.
    """

    macs_per_second: float = 5e10
    bytes_per_second: float = 1e9
    decodes_per_second: float = 1e3


SPEEDS = Speeds()


def choose_cut(
    candidates: Sequence[Candidate],
    *,
    frozen_macs: int,
    n_rows: int = 1,
    quota_bytes: int | None = None,
    speeds: Speeds = SPEEDS,
) -> int | None:
    """Return the index of the candidate that costs an epoch least, or None if storing nothing costs less.

    Of candidates that cost the same the last wins: the deepest, where they come in the graph's order.

    Args:
        candidates: Places to cut.
        frozen_macs: Multiply-adds for one image of all frozen layers: what an epoch costs without a cache.
        n_rows: How many images are stored, each view of an image being one.
        quota_bytes: What may be stored in all; None: without limit.
        speeds: Of the machine.
    """
    uncached = 1 / speeds.decodes_per_second + frozen_macs / speeds.macs_per_second
    best: tuple[float, int | None] = (uncached, None)
    for index, candidate in enumerate(candidates):
        fits = quota_bytes is None or candidate.n_bytes * n_rows <= quota_bytes
        seconds = estimate_seconds(candidate, speeds=speeds)
        if fits and seconds <= best[0]:
            best = (seconds, index)
    return best[1]


def estimate_seconds(candidate: Candidate, *, speeds: Speeds = SPEEDS) -> float:
    """Return the seconds that an epoch spends on one image before its live layers: reading, and computing again."""
    return candidate.n_bytes / speeds.bytes_per_second + candidate.macs / speeds.macs_per_second
