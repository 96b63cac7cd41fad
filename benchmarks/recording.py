"""Measurements kept one to a line: what is in the file already is not repeated, and an interrupt loses one at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "Row", "data_name", "find_row", "read_rows", "record_missing"]

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]


def record_missing(name: str, keys: Iterable[Mapping[str, Any]], measure: Callable[..., Row]) -> list[Row]:
    """Measure what a file of results lacks, one key after another, and return all of its rows.

    Args:
        name: of the file in results/.
        keys: what sets each measurement apart; `data`, where there is one, is a path, and kept by its name.
        measure: called with a key's items; returns what it found.
    """
    file = RESULTS / name
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = read_rows(name)
    for key in keys:
        said = {each: data_name(value) if isinstance(value, Path) else value for each, value in key.items()}
        if not _matching(rows, said):
            rows.append(said | measure(**key))
            print(rows[-1], flush=True)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(rows[-1]) + "\n")
    return rows


def find_row(name: str, key: Mapping[str, Any]) -> Row:
    """Return what a file of results holds of a key; nothing if it was not measured."""
    return _matching(read_rows(name), key)


def data_name(data: Path) -> str:
    """Return what a data set is called: the folder of its pictures."""
    return data.parent.name if data.is_file() else data.name


def read_rows(name: str) -> list[Row]:
    """Return all that a file of results holds."""
    file = RESULTS / name
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def _matching(rows: Iterable[Row], key: Mapping[str, Any]) -> Row:
    return next((row for row in rows if all(row.get(each) == value for each, value in key.items())), {})
