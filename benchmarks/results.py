"""Results: cells kept in a JSON file as they are measured, and what a table says of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scenarios import CONTESTANTS, SCENARIOS, UNFREEZE, Contestant, Scenario

__all__ = ["MOST_OTHERS", "Results", "Row", "Span", "load_results", "rows_of"]

FORMAT = 1

Cell = dict[str, Any]


class Results:
    """One file of results. Every finished cell is on disk before the next begins.

    Args:
        path: The file; made with the first cell.
        setting: What all cells of a file have in common: settings, pictures, machine.

    Raises:
        SystemExit: The file has cells measured under another setting.
    """

    def __init__(self, path: Path, setting: dict[str, Any]) -> None:
        self.path, self.content = path, {"format": FORMAT, **setting, "cells": []}
        if path.exists():
            found = load_results(path)
            wanted = json.loads(json.dumps(self.content))
            other = [key for key in setting if found.get(key) != wanted[key]]
            if other:
                raise SystemExit(
                    f'error: "{path}" was measured under another setting ({", ".join(other)} differ). '
                    "Give this measurement a --name of its own, or remove the file."
                )
            self.content = found

    def has(self, scenario: str, contestant: str, repeat: int) -> bool:
        """Tell whether this cell has been measured."""
        key = scenario, contestant, repeat
        return any((c["scenario"], c["contestant"], c["repeat"]) == key for c in self.content["cells"])

    def add(self, cell: Cell) -> None:
        """Keep a cell; the file is replaced in one step."""
        self.content["cells"].append(cell)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.path)  # noqa: PTH105 - says that an existing file is replaced


@dataclass(frozen=True, slots=True)
class Span:
    """The median of some repeats and how far they went."""

    middle: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> Span | None:
        """Return the span of what was measured; None if nothing was."""
        known = [value for value in values if value is not None]
        return Span(median(known), min(known), max(known)) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant in one scenario, over its repeats.

    Attributes:
        ratio: Its seconds to those of unfreeze with an empty cache, repeat by repeat.
        interval: 95% (Wilson) of the median accuracy on so many test pictures.
        busy: Whether other processes took more than a tenth of the machine in some repeat.
    """

    contestant: Contestant
    n_repeats: int
    seconds: Span
    ratio: Span | None
    cpu_seconds: Span
    max_rss_bytes: Span
    train_seconds: Span | None
    accuracy: Span | None
    interval: tuple[float, float] | None
    busy: bool


MOST_OTHERS = 0.1  # of all cores' time: below it nothing else can have disturbed a measurement much


def load_results(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Raises:
        SystemExit: It is not one.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: "{path}" cannot be read as results: {error}') from error
    if content.get("format") != FORMAT:
        raise SystemExit(f'error: "{path}" is not a file of results of format {FORMAT}.')
    return content


def rows_of(content: dict[str, Any]) -> list[tuple[Scenario, list[Row]]]:
    """Return the rows of each scenario that has any, in the order of scenarios.py."""
    tables = []
    for scenario in SCENARIOS:
        rows = [_row(content, scenario, contestant) for contestant in CONTESTANTS]
        if any(rows):
            tables.append((scenario, [row for row in rows if row is not None]))
    return tables


def _row(content: dict[str, Any], scenario: Scenario, contestant: Contestant) -> Row | None:
    cells = _cells(content, scenario, contestant)
    if not cells:
        return None
    ours = {cell["repeat"]: cell["wall_seconds"] for cell in _cells(content, scenario, UNFREEZE)}
    accuracy = Span.of(cell["test_accuracy"] for cell in cells)
    seconds, cpu, memory = (
        Span.of(cell[key] for cell in cells) for key in ("wall_seconds", "cpu_seconds", "max_rss_bytes")
    )
    assert seconds is not None  # noqa: S101 - there are cells, and each has these three
    assert cpu is not None  # noqa: S101
    assert memory is not None  # noqa: S101
    return Row(
        contestant=contestant,
        n_repeats=len(cells),
        seconds=seconds,
        ratio=Span.of(cell["wall_seconds"] / ours[cell["repeat"]] for cell in cells if cell["repeat"] in ours),
        cpu_seconds=cpu,
        max_rss_bytes=memory,
        train_seconds=Span.of(cell["train_seconds"] for cell in cells),
        accuracy=accuracy,
        interval=None if accuracy is None else _wilson(accuracy.middle, content["pictures"]["n_pictures"]["test"]),
        busy=any((cell["others_share"] or 0.0) > MOST_OTHERS for cell in cells),
    )


def _cells(content: dict[str, Any], scenario: Scenario, contestant: Contestant) -> list[Cell]:
    return [
        cell for cell in content["cells"] if (cell["scenario"], cell["contestant"]) == (scenario.name, contestant.name)
    ]


def _wilson(share: float, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # once all is measured: this process must stay small before

    interval = binomtest(round(share * n), n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
