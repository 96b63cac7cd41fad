"""A comparison's report.html: which row to take and why, on one page that needs neither network nor data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from unfreeze.comparison_records import RowRecord, recommended_row, resume_command
from unfreeze.records import Interval, write_text
from unfreeze.reporting.comparison_charts import cost_chart, difference_chart, learning_charts
from unfreeze.reporting.comparison_contents import ComparisonContents, read_comparison_contents
from unfreeze.reporting.comparison_tables import LOOKS, meanings, ranked_table, standing_of, training_table
from unfreeze.reporting.comparison_verdict import doubts, judging_pictures, reading, state_of, tested_networks
from unfreeze.reporting.headline import headline_chart
from unfreeze.reporting.marks import glyph
from unfreeze.reporting.rendering import render
from unfreeze.reporting.verdict import chance_level
from unfreeze.reporting.wording import (
    METRIC_NAMES,
    OUTPUT_WORDS,
    TASK_NAMES,
    command,
    compare_command,
    count,
    duration,
    figure,
    interval,
)

__all__ = ["write_comparison_report"]


def write_comparison_report(directory: str | Path) -> Path:
    """Write report.html into a comparison's directory, from what it and its runs left there, and return its path.

    It links to those reports of single runs that are there; they are not written anew.

    Raises:
        RunError: the directory or its compare.json is missing, or one of its files cannot be read.
    """
    contents = read_comparison_contents(Path(directory))
    path = contents.directory / "report.html"
    write_text(path, render("comparison.html.j2", **_page(contents)))
    return path


def _page(contents: ComparisonContents) -> dict[str, Any]:
    record = contents.record
    chosen = recommended_row(record)
    values = {
        "record": record,
        "name": contents.directory.resolve().name,
        "task": TASK_NAMES[record.task],
        "output_word": OUTPUT_WORDS[record.task],
        "metric": METRIC_NAMES.get(record.metric, record.metric),
        "pictures": judging_pictures(record),
        "chosen": chosen,
        "reading": reading(record),
        "doubts": doubts(record),
        "state": state_of(record, contents.directory),
        "test": None if chosen is None else _test(contents, chosen),
        "cost": cost_chart(contents),
        "left_out": [f"{row.name} ({standing_of(row)})" for row in record.rows if row.verdict is None],
        "ranking": ranked_table(contents),
        "differences": difference_chart(contents),
        "learning": learning_charts(contents),
        "several_curves": record.options.seeds > 1 or record.options.folds is not None,
        "meanings": [(glyph(LOOKS[verdict]), verdict, meaning) for verdict, meaning in meanings(record).items()],
        "trainings": training_table(contents),
        "has_folds": record.options.folds is not None,
        "best_link": contents.best_link,
        "total_time": duration(record.seconds),
        "commands": _commands(contents),
    }
    sections = _sections(values)
    return values | {"sections": list(sections.items()), "shown": sections}


def _sections(values: dict[str, Any]) -> dict[str, str]:
    """Return the anchors and titles of the sections that there is something for, in their order."""
    titles = {
        "cost": ("Against cost", values["cost"] is not None),
        "ranking": ("The rows", True),
        "differences": ("Differences", values["differences"] is not None),
        "learning": ("How they learned", bool(values["learning"])),
        "verdicts": ("What the verdicts mean", True),
        "data": ("The data", True),
        "runs": ("The runs", True),
        "again": ("Do it again", True),
    }
    return {anchor: title for anchor, (title, is_shown) in titles.items() if is_shown}


def _test(contents: ComparisonContents, chosen: RowRecord) -> dict[str, Any] | None:
    """Return the figure on test of what is recommended, the one place where the page shows any; None without it."""
    record = contents.record
    if chosen.test.mean is None:
        return None
    value = Interval(value=chosen.test.mean, low=chosen.test.low, high=chosen.test.high)
    chance, how = (None, "") if contents.best is None else chance_level(contents.best)
    of = f", {networks}" if (networks := tested_networks(record)) else ""
    return {
        "figure": figure(record.metric, value.value),
        "title": f"{METRIC_NAMES.get(record.metric, record.metric)} on {count(record.n_test)} test pictures, "
        f"which decided nothing{of}",
        "limits": interval(record.metric, value),
        "drawing": headline_chart(
            value, metric=record.metric, task=record.task, chance=chance, chance_name=how.lower()
        ),
    }


def _commands(contents: ComparisonContents) -> list[tuple[str, str]]:
    record, directory = contents.record, str(contents.directory)
    found = []
    if record.status != "done":
        found.append(("Go on with it:", resume_command(directory)))
    found.append(("Compare the same ways again:", compare_command(record)))
    if contents.best is not None and record.recommended is not None:
        again = command(contents.best.record)
        found.append((f"Train what is recommended, {record.recommended}, alone:", again))
    if record.best is not None:
        best = str(contents.directory / record.best)
        found.append(("Let it say what pictures show:", shlex.join(["unfreeze", "predict", best, "PICTURES"])))
    found.append(("Write this page again:", shlex.join(["unfreeze", "report", directory])))
    return found
