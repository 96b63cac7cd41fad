"""An advice's report.html: what to train and why, on one page that needs neither network nor data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.advice_records import read_advice, recommended_way
from unfreeze.records import Interval, write_text
from unfreeze.reporting.advice_charts import cost_chart, depth_charts
from unfreeze.reporting.advice_tables import evidence_of, network_table, tried_table
from unfreeze.reporting.advice_verdict import doubts, judging_pictures, opening, state_of
from unfreeze.reporting.headline import headline_chart
from unfreeze.reporting.rendering import render
from unfreeze.reporting.wording import METRIC_NAMES, TASK_NAMES, duration, figure, interval

if TYPE_CHECKING:
    from unfreeze.advice_records import AdviceRecord

__all__ = ["write_advice_report"]


def write_advice_report(directory: str | Path) -> Path:
    """Write report.html into the directory of an advice, from its advice.json, and return its path.

    Raises:
        RunError: the directory or its advice.json is missing or cannot be read.
    """
    place = Path(directory)
    path = place / "report.html"
    write_text(path, render("advice.html.j2", **_page(read_advice(place), place)))
    return path


def _page(record: AdviceRecord, directory: Path) -> dict[str, Any]:
    values = {
        "record": record,
        "name": directory.resolve().name,
        "task": TASK_NAMES[record.task],
        "metric": METRIC_NAMES.get(record.metric, record.metric),
        "opening": opening(record),
        "taken": recommended_way(record),
        "expected": _expected(record),
        "takes": None if record.expected.seconds is None else duration(record.expected.seconds),
        "state": state_of(record),
        "doubts": doubts(record),
        "reasons": [(reason, evidence_of(reason)) for reason in record.reasons],
        "depths": depth_charts(record),
        "cost": cost_chart(record),
        "tried": tried_table(record),
        "networks": network_table(record),
        "total_time": duration(record.seconds),
        "budget": duration(record.budget_seconds),
        "commands": _commands(record, directory),
    }
    sections = _sections(values)
    return values | {"sections": list(sections.items()), "shown": sections}


def _sections(values: dict[str, Any]) -> dict[str, str]:
    """Return the anchors and titles of the sections that there is something for, in their order."""
    titles = {
        "why": ("Why", True),
        "depths": ("By depth", bool(values["depths"])),
        "tried": ("What was tried", bool(values["tried"])),
        "networks": ("Networks", bool(values["networks"])),
        "data": ("The data", True),
        "do": ("Do it", True),
    }
    return {anchor: title for anchor, (title, is_shown) in titles.items() if is_shown}


def _expected(record: AdviceRecord) -> dict[str, Any] | None:
    """Return the figure that a training by the advice should come to; None where nothing was measured."""
    expected = record.expected
    if expected.value is None:
        return None
    value = Interval(value=expected.value, low=expected.low, high=expected.high)
    chance = 1 / record.evidence.facts.n_classes if record.metric == "balanced_accuracy" else None
    return {
        "figure": figure(record.metric, expected.value),
        "title": f"{METRIC_NAMES.get(record.metric, record.metric)} is to be expected, by {judging_pictures(record)}",
        "limits": interval(record.metric, value),
        "drawing": headline_chart(value, metric=record.metric, task=record.task, chance=chance, chance_name="guessing"),
    }


def _commands(record: AdviceRecord, directory: Path) -> list[tuple[str, str]]:
    return [
        ("Train as advised:", record.command),
        ("Write this page again:", shlex.join(["unfreeze", "report", str(directory)])),
    ]
