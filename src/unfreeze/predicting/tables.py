"""Tables of predictions, made of a journal: each appears whole under its name, or not at all."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from unfreeze.disk import replace_on_disk

if TYPE_CHECKING:
    import polars as pl

    from unfreeze.predicting.journal import Journal
    from unfreeze.predicting.rows import Row, TableColumns

__all__ = ["KINDS", "write_table"]

PART = "unfreeze-table"  # how the folder is called in which a table is made
CELLS_AT_ONCE = 2_000_000  # of a Parquet file that are in memory


def write_table(out: Path, journal: Journal, columns: TableColumns, *, about: Row) -> None:
    """Write all rows of a journal; a table that was there before is replaced, in one step, by one that is on the disk.

    Args:
        out: where to; its ending says how (`KINDS`).
        journal: the rows; they are read through, never all in memory.
        columns: the network's.
        about: what JSON has before its rows.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    with TemporaryDirectory(prefix=f".{PART}-", dir=out.parent) as folder:
        part = Path(folder) / f"table{out.suffix}"
        KINDS[out.suffix.lower()](part, journal, columns, about)
        replace_on_disk(part, out)


def _write_csv(path: Path, journal: Journal, columns: TableColumns, _about: Row) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns.names)
        writer.writerows(columns.csv_cells(row) for row in journal.rows())


def _write_json(path: Path, journal: Journal, _columns: TableColumns, about: Row) -> None:
    with path.open("wb") as file:
        file.write(msgspec.json.encode(about)[:-1] + b',"predictions":[')
        for number, line in enumerate(journal.lines()):
            file.write(b",\n" + line if number else b"\n" + line)
        file.write(b"\n]}\n")


def _write_jsonl(path: Path, journal: Journal, _columns: TableColumns, _about: Row) -> None:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in journal.lines())


def _write_parquet(path: Path, journal: Journal, columns: TableColumns, _about: Row) -> None:
    """Write row groups of a few megabytes, by way of files of their own: polars appends to none."""
    import polars as pl

    parts = []
    for number, frame in enumerate(_frames(journal.rows(), columns)):
        parts.append(path.with_name(f"{number:06d}.parquet"))
        frame.write_parquet(parts[-1])
    pl.scan_parquet(parts, glob=False).sink_parquet(path)  # folders may be called "[new]"


def _frames(rows: Iterator[Row], columns: TableColumns) -> Iterator[pl.DataFrame]:
    import polars as pl

    n_rows = max(1, CELLS_AT_ONCE // len(columns.names))
    names = (*columns.texts, *columns.numbers)
    schema = {name: pl.String if name in columns.texts else pl.Float64 for name in names}
    for first in rows:
        cells = [columns.cells(row) for row in chain((first,), islice(rows, n_rows - 1))]
        data = [[*texts, *numbers] for texts, numbers in cells]
        yield pl.DataFrame(data, schema=schema, orient="row").select(columns.names)


KINDS: dict[str, Callable[[Path, Journal, TableColumns, Row], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json,
    ".jsonl": _write_jsonl,
}
