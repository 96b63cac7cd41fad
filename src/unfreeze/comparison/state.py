"""The comparison's directory: what compare.json says while cells come to their ends, and DIR/best."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from unfreeze.comparison.cells import cell_state
from unfreeze.comparison.grid import Cell, Row
from unfreeze.comparison_records import COMPARE_FILE, CellRecord, CompareRecord, RowRecord
from unfreeze.records import write_json
from unfreeze.training.directory import read_run

__all__ = ["BEST", "State", "discard_best", "keep_best", "known_cells", "plain_rows"]

BEST = "best"


@dataclass
class State:
    """The only writer of compare.json.

    Attributes:
        directory: the comparison's.
        record: what compare.json says.
        began: when this process began to work on it, on the monotonic clock.
    """

    directory: Path
    record: CompareRecord
    began: float
    _before: float = field(init=False)  # seconds that earlier processes worked on it

    def __post_init__(self) -> None:
        self._before = self.record.seconds

    def write(self, **changes: object) -> None:
        """Change fields of the record, and write it."""
        seconds = round(self._before + time.monotonic() - self.began, 3)
        self.record = msgspec.structs.replace(self.record, seconds=seconds, **changes)
        write_json(self.directory / COMPARE_FILE, self.record)

    def note(self, text: str) -> None:
        """Add a note, once."""
        self.write(notes=tuple(dict.fromkeys((*self.record.notes, text))))

    def cell(self, cell: Cell) -> CellRecord:
        """Return what is known of a cell."""
        return next(each for each in self.record.cells if each.run == cell.directory)

    def write_cell(self, cell: Cell, **changes: object) -> None:
        """Change fields of a cell's record, and write it."""
        self.write(
            cells=tuple(
                msgspec.structs.replace(each, **changes) if each.run == cell.directory else each
                for each in self.record.cells
            )
        )


def known_cells(directory: Path, cells: Sequence[Cell], before: Sequence[CellRecord] = ()) -> tuple[CellRecord, ...]:
    """Return the records of all cells as their run directories have them, and failures as they were noted."""
    noted = {record.run: record for record in before}
    return tuple(_known_cell(directory, cell, noted.get(cell.directory)) for cell in cells)


def _known_cell(directory: Path, cell: Cell, noted: CellRecord | None) -> CellRecord:
    run = directory / cell.directory
    plain = CellRecord(row=cell.row, seed=cell.seed, fold=cell.fold, run=cell.directory)
    match cell_state(run):
        case "done":
            record = read_run(run)
            return msgspec.structs.replace(plain, status="done", seconds=record.timing.total_seconds)
        case "begun":
            return msgspec.structs.replace(plain, status="interrupted")
    return noted if noted is not None and noted.status == "failed" else plain


def plain_rows(
    rows: Sequence[Row], cells: Sequence[CellRecord], *, metric: str, work: Mapping[str, float]
) -> tuple[RowRecord, ...]:
    """Return the rows as their cells have them, before anything is ranked."""
    return tuple(_plain_row(row, [c for c in cells if c.row == row.name], metric, work[row.name]) for row in rows)


def _plain_row(row: Row, cells: Sequence[CellRecord], metric: str, work: float) -> RowRecord:
    failed = next((cell for cell in cells if cell.status == "failed"), None)
    states = {cell.status for cell in cells}
    status = next(iter(states)) if len(states) == 1 else "failed" if failed else "interrupted"
    return RowRecord(
        name=row.name,
        strategy=row.options.strategy,
        model=row.options.model,
        size=row.size,
        seeds=len({cell.seed for cell in cells}),
        metric=metric,
        status=status,
        error=None if failed is None else failed.error,
        seconds=round(sum(cell.seconds for cell in cells), 3),
        work=work,
        n_trained=row.n_trained,
        plan_sha256=row.plan_sha256,
        weights_sha256=row.weights_sha256,
        run=cells[0].run,
    )


def keep_best(directory: Path, run: str) -> str:
    """Make DIR/best a copy of a run, in place of what it was, and return its name."""
    best, part = directory / BEST, directory / f"{BEST}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(directory / run, part)
    shutil.rmtree(best, ignore_errors=True)
    part.rename(best)
    return BEST


def discard_best(directory: Path) -> None:
    """Delete DIR/best: it is of what was recommended once."""
    shutil.rmtree(directory / BEST, ignore_errors=True)
