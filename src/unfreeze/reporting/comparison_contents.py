"""All that a comparison's report reads, as one frozen value: compare.json, and what its runs have left so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from unfreeze.comparison_records import CellRecord, CompareRecord, read_comparison
from unfreeze.history import read_history
from unfreeze.reporting.contents import Contents, read_contents

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CellContents", "ComparisonContents", "read_comparison_contents"]


@dataclass(frozen=True, kw_only=True)
class CellContents:
    """One training, and what its run directory holds of it.

    Attributes:
        cell: what compare.json says of it.
        history: the rows of its history.jsonl; empty if there is none.
        link: the relative address of its report; empty if there is none.
    """

    cell: CellRecord
    history: tuple[dict[str, Any], ...]
    link: str


@dataclass(frozen=True, kw_only=True)
class ComparisonContents:
    """A comparison's directory, read.

    Attributes:
        directory: where it is.
        record: compare.json.
        cells: its trainings, in the order of compare.json.
        best: the run of what is recommended, or the first finished one of its row; None if there is none.
        best_link: the relative address of the report in best/; empty if there is none.
    """

    directory: Path
    record: CompareRecord
    cells: tuple[CellContents, ...]
    best: Contents | None
    best_link: str

    def cells_of(self, row: str) -> tuple[CellContents, ...]:
        """Return the trainings of a row."""
        return tuple(each for each in self.cells if each.cell.row == row)


def read_comparison_contents(directory: Path) -> ComparisonContents:
    """Read a comparison's directory; what is missing beside compare.json is left out.

    Raises:
        RunError: it does not exist or has no compare.json, or one of its files cannot be read.
    """
    record = read_comparison(directory)
    cells = tuple(
        CellContents(cell=cell, history=_history(directory, cell.run), link=_link(directory, cell.run))
        for cell in record.cells
    )
    runs = [record.best, *(row.run for row in record.rows if row.recommended)]
    best = next((run for run in runs if run and (directory / run / "run.json").is_file()), None)
    return ComparisonContents(
        directory=directory,
        record=record,
        cells=cells,
        best=None if best is None else read_contents(directory / best),
        best_link=_link(directory, record.best) if record.best else "",
    )


def _history(directory: Path, run: str) -> tuple[dict[str, Any], ...]:
    path = directory / run / "history.jsonl"
    return tuple(read_history(path)) if path.is_file() else ()


def _link(directory: Path, run: str) -> str:
    if not (directory / run / "report.html").is_file():
        return ""
    return quote(f"{run}/report.html")
