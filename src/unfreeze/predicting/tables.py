"""Tables of predictions, made of a journal: each appears whole under its name, or not at all."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from unfreeze.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from unfreeze.predicting.journal import Journal
    from unfreeze.predicting.rows import Row, TableColumns

__all__ = ["KINDS", "check_out", "write_table"]

CELLS_AT_ONCE = 2_000_000  # of a Parquet file that are in memory


def check_out(out: Path) -> None:
    """Raise ConfigError if a table cannot be written there by its name."""
    if out.suffix.lower() not in KINDS:
        raise ConfigError(f'--out must end in {", ".join(list(KINDS)[:-1])} or {list(KINDS)[-1]}, but got "{out}".')
    if out.is_dir():
        raise ConfigError(f'--out "{out}" is a directory; name a file in it.')


def write_table(out: Path, journal: Journal, columns: TableColumns, *, about: Row) -> None:
    """Write all rows of a journal; a table that was there before is replaced in one step.

    Args:
        out: where to; its ending says how (`KINDS`).
        journal: the rows; they are read through, never all in memory.
        columns: the network's.
        about: what JSON has before its rows.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    part = out.with_name(out.name + ".part")
    try:
        KINDS[out.suffix.lower()](part, journal, columns, about)
        os.replace(part, out)  # noqa: PTH105 - says that an existing file is replaced, in one step
    finally:
        part.unlink(missing_ok=True)


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

    folder = path.with_name(path.name + "s")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        for number, frame in enumerate(_frames(journal.rows(), columns)):
            frame.write_parquet(folder / f"{number:06d}.parquet")
        pl.scan_parquet(sorted(folder.iterdir())).sink_parquet(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
