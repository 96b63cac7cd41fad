"""report.html: one file that says what a run learned, readable without a network and without the data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.records import write_text
from unfreeze.reporting.calibration import calibration_sentence
from unfreeze.reporting.charts import (
    freeze_chart,
    loss_chart,
    metric_chart,
    rate_chart,
    regression_chart,
)
from unfreeze.reporting.confidence import confidence_sentences, reliability
from unfreeze.reporting.contents import Contents, read_contents
from unfreeze.reporting.headline import headline_chart
from unfreeze.reporting.layer_tables import layer_rows, phase_table
from unfreeze.reporting.pictures import doubt_pictures, mistake_pictures, suspect_pictures
from unfreeze.reporting.range_chart import range_chart
from unfreeze.reporting.rendering import render
from unfreeze.reporting.tables import (
    Table,
    confusion_rows,
    confusion_table,
    metric_table,
    output_table,
    time_parts,
)
from unfreeze.reporting.verdict import give_verdict
from unfreeze.reporting.wording import METRIC_NAMES, OUTPUT_WORDS, TASK_NAMES, command, duration, figure

if TYPE_CHECKING:
    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.reporting.axes import Chart

__all__ = ["write_report"]

RESULTS = {"classification": "What it confuses", "multilabel": "Label by label", "regression": "Predicted and true"}
MAX_CLASSES = 60  # of a confusion matrix; of more the most frequent confusions are listed


def write_report(run_dir: str | Path) -> Path:
    """Write report.html into a run directory, from what the run left there, and return its path.

    A file that is missing beside run.json leaves its part of the report out.

    Raises:
        RunError: the directory or its run.json is missing, or one of its files cannot be read.
    """
    contents = read_contents(Path(run_dir))
    path = contents.directory / "report.html"
    write_text(path, render("run.html.j2", **_page(contents)))
    return path


def _page(contents: Contents) -> dict[str, Any]:
    record, task = contents.record, contents.task
    test = contents.predictions.of("test") if contents.predictions is not None else None
    known = test if test is not None and test.truth is not None and len(test) else None
    values = {
        "record": record,
        "model": contents.model,
        "name": contents.directory.resolve().name,
        "task": TASK_NAMES[task],
        "task_name": task,
        "output_word": OUTPUT_WORDS[task],
        "calibration": calibration_sentence(record),
        "metrics": metric_table(record.metrics.val, record.metrics.test),
        "commands": _commands(contents),
        "methods": _text(contents.directory / "methods.txt"),
        "plan": _text(contents.directory / "plan.toml"),
        **_headline(contents),
        **_training(contents),
        **_results(known),
        "blind": known is not None and known.groups is None and record.config.group is not None,
        **_evidence(contents),
    }
    sections = _sections(contents, values, has_results=known is not None)
    return values | {"sections": [*sections.items(), ("again", "Do it again")], "shown": sections}


def _sections(contents: Contents, values: dict[str, Any], *, has_results: bool) -> dict[str, str]:
    """Return the anchors and titles of the sections that there is something for, in their order."""
    titles = {
        "figures": ("Figures", bool(values["metrics"].rows)),
        "learning": ("How it learned", bool(values["curves"])),
        "layers": ("What trained", bool(values["phases"].rows or values["layers"])),
        "results": (RESULTS[contents.task], has_results),
        "confidence": ("Confidence", values["reliability"] is not None),
        "mistakes": ("Mistakes", contents.pictures is not None),
        "data": ("The data", True),
        "suspects": ("Labels to look at", contents.suspects is not None),
        "time": ("Time", bool(values["times"])),
    }
    return {anchor: title for anchor, (title, is_shown) in titles.items() if is_shown}


def _headline(contents: Contents) -> dict[str, Any]:
    verdict, name = give_verdict(contents), contents.record.primary_metric
    value = contents.record.metrics.test.get(name) if verdict.figure else None
    if value is None:
        return {"verdict": verdict, "interval": None}
    drawn = headline_chart(
        value, metric=name, task=contents.task, chance=verdict.chance, chance_name=verdict.chance_name
    )
    return {"verdict": verdict, "interval": drawn}


def _training(contents: Contents) -> dict[str, Any]:
    record, layers, history = contents.record, contents.layers, contents.history
    metric = record.primary_metric
    curves: list[Chart] = []
    if history:
        curves = [metric_chart(history, metric=metric), loss_chart(history)]
        curves += [freeze_chart(history, layers)] if layers else []
        curves.append(rate_chart(history))
        if record.range_test is not None and record.range_test.losses:
            curves.append(range_chart(record.range_test))
    rows = tuple(
        (
            str(row["epoch"] + 1),
            str(row["phase"]),
            _loss(row["train_loss"]),
            _loss(row["val_loss"]),
            figure(metric, row["metrics"].get(metric)),
            "best so far" if row["best"] else "",
        )
        for row in history
    )
    header = ("epoch", "phase", "training loss", "validation loss", METRIC_NAMES.get(metric, metric), "")
    return {
        "curves": curves,
        "history": Table(header, rows, n_names=2),
        "phases": phase_table(record, layers),
        "phase_names": [phase.name for phase in record.phases],
        "layers": layer_rows(record, layers) if record.phases else (),
        "times": time_parts(record),
        "total_time": duration(record.timing.total_seconds),
    }


def _results(known: Predictions | None) -> dict[str, Any]:
    empty: dict[str, Any] = {"confusion": (), "confusions": None, "scatters": [], "outputs": None, "reliability": None}
    values = empty | {"confidence": (), "results_title": RESULTS[known.task] if known is not None else ""}
    if known is None:
        return values
    values["outputs"] = output_table(known)
    if known.task == "regression":
        return values | {"scatters": [regression_chart(known, target=k) for k in range(len(known.outputs))]}
    values |= {"reliability": reliability(known), "confidence": confidence_sentences(known)}
    if known.task == "classification" and len(known.outputs) <= MAX_CLASSES:
        values["confusion"] = confusion_rows(known)
    elif known.task == "classification":
        values["confusions"] = confusion_table(known)
    return values


def _evidence(contents: Contents) -> dict[str, Any]:
    record, index = contents.record, contents.pictures
    mistakes, doubts = mistake_pictures(contents), doubt_pictures(contents)
    notes = list(index.notes) if index is not None else []
    if index is not None and index.heat_layer:
        what = "what it answered" if contents.task == "classification" else "the label or target in question"
        notes.append(
            f"Bright places spoke most for {what}, as the network's {index.heat_layer} tell (HiResCAM). They say where "
            "it looked, not why, and each picture is scaled by itself."
        )
    return {
        "mistakes": mistakes,
        "doubts": doubts,
        "has_heat": any(picture.heat for picture in (*mistakes, *doubts)),
        "heat_notes": notes,
        "notes": tuple(dict.fromkeys((*record.data.notes, *record.notes))),
        "findings": contents.findings,
        "suspects": contents.suspects,
        "suspect_pictures": suspect_pictures(contents),
    }


def _commands(contents: Contents) -> list[tuple[str, str]]:
    record, directory = contents.record, str(contents.directory)
    training = command(record)
    found = [("Train the same way again:", training)]
    if record.status == "done":
        found.append(("Judge it on other labelled pictures:", shlex.join(["unfreeze", "evaluate", directory, "DATA"])))
        found.append(("Let it say what pictures show:", shlex.join(["unfreeze", "predict", directory, "PICTURES"])))
        found.append(("Write this page again:", shlex.join(["unfreeze", "report", directory])))
    return found


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
