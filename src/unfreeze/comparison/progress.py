"""What a comparison tells whoever watches it, beside what its trainings tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unfreeze.training.progress import Progress, Silent

__all__ = ["CellInfo", "CellResult", "ComparisonProgress", "SilentComparison"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInfo:
    """A training of the grid that begins."""

    number: int  # from 1, over the whole grid
    n_cells: int
    n_before: int  # trainings that are over; not always those with lower numbers
    row: str
    seed: int
    fold: int | None
    n_folds: int | None
    seconds_after: float | None  # what all later ones will take; None until it can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """How a training of the grid ended."""

    cell: CellInfo
    metric: str
    value: float | None  # on its validation pictures; None where it failed
    seconds: float
    error: str | None = None


class ComparisonProgress(Progress, Protocol):
    """What trainings report, and the grid around them."""

    def cell(self, info: CellInfo) -> None:
        """Report that a training begins."""

    def cell_done(self, result: CellResult) -> None:
        """Report that it has ended, well or not."""


class SilentComparison(Silent):
    """Reports nothing."""

    def cell(self, info: CellInfo) -> None:
        """Ignore a training that begins."""

    def cell_done(self, result: CellResult) -> None:
        """Ignore a training that has ended."""
