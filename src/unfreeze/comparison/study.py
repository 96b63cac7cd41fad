"""What a comparison knows before its first cell: the grid, and the pictures, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unfreeze.comparison.grid import Cell, Grid, Row
from unfreeze.comparison_records import CompareOptions
from unfreeze.data import Split
from unfreeze.training.inputs import StudiedData

__all__ = ["Study"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A comparison, checked and ready to begin.

    Attributes:
        options: what is compared.
        grid: the rows.
        cells: all trainings, the cheapest row's first.
        work: the multiply-adds of one training of each row, by its name.
        data: the pictures, and the split that all cells share.
        splits: those of the folds; empty without folds.
        metric: what ranks.
    """

    options: CompareOptions
    grid: Grid
    cells: tuple[Cell, ...]
    work: Mapping[str, float]
    data: StudiedData
    splits: tuple[Split, ...]
    metric: str

    @property
    def judging(self) -> tuple[int, ...]:
        """Which pictures decide: the validation side, or with folds all that do not test."""
        split = self.data.split
        return split.val if self.options.folds is None else tuple(sorted((*split.train, *split.val)))

    @property
    def judging_folds(self) -> tuple[int, ...] | None:
        """Which fold holds out each of the pictures that decide; None without folds."""
        if self.options.folds is None:
            return None
        fold_of = {index: number for number, split in enumerate(self.splits) for index in split.val}
        return tuple(fold_of[index] for index in self.judging)

    @property
    def n_test_groups(self) -> int | None:
        """How many groups the test pictures belong to; None without groups."""
        groups = self.data.dataset.groups
        return None if groups is None else len({groups[i] for i in self.data.split.test})

    def row(self, name: str) -> Row:
        """Return a row by its name."""
        return next(row for row in self.grid.rows if row.name == name)
