"""report.html: one file that says what a run learned, readable without a network and without the data."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.records import write_text
from unfreeze.reporting.calibration import calibration_sentence
from unfreeze.reporting.charts import (
    Figure,
    confusion_chart,
    loss_chart,
    metric_chart,
    rate_chart,
    regression_chart,
)
from unfreeze.reporting.contents import Contents, read_contents
from unfreeze.reporting.tables import layer_rows, metric_table, output_table, phase_table, time_table
from unfreeze.reporting.verdict import give_verdict
from unfreeze.reporting.wording import METRIC_NAMES, command, count, figure

if TYPE_CHECKING:
    from unfreeze.evaluation.mistakes import Mistake
    from unfreeze.evaluation.predictions import Predictions

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"
TASKS = {"classification": "classification", "multilabel": "multi-label classification", "regression": "regression"}
OUTPUTS = {"classification": "class", "multilabel": "label", "regression": "target"}


def write_report(run_dir: str | Path) -> Path:
    """Write report.html into a run directory, from what the run left there, and return its path.

    A file that is missing beside run.json leaves its part of the report out.

    Raises:
        RunError: the directory or its run.json is missing, or one of its files cannot be read.
    """
    contents = read_contents(Path(run_dir))
    path = contents.directory / "report.html"
    write_text(path, _render(contents))
    return path


@dataclass(frozen=True, slots=True)
class _Picture:
    source: str  # a data: address; empty without a thumbnail
    mistake: Mistake
    note: str


def _render(contents: Contents) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["count"] = count
    return environment.get_template("report.html.j2").render(**_page(contents))


def _page(contents: Contents) -> dict[str, Any]:
    record = contents.record
    test = contents.predictions.of("test") if contents.predictions is not None else None
    known = test if test is not None and test.truth is not None and len(test) else None
    curves = _curves(contents)
    results = _results(known) if known is not None else []
    return {
        "record": record,
        "model": contents.model,
        "name": contents.directory.resolve().name,
        "task": TASKS[contents.task],
        "task_name": contents.task,
        "output_word": OUTPUTS[contents.task],
        "verdict": give_verdict(contents),
        "calibration": calibration_sentence(record),
        "metrics": metric_table(record.metrics.val, record.metrics.test),
        "phases": phase_table(record, contents.layers),
        "phase_names": [phase.name for phase in record.phases],
        "layers": layer_rows(record, contents.layers) if record.phases else (),
        "curves": curves,
        "history": _history_rows(contents),
        "results": results,
        "outputs": output_table(known) if known is not None else None,
        "pictures": [_picture(contents, mistake) for mistake in contents.mistakes],
        "times": time_table(record),
        "notes": tuple(dict.fromkeys((*record.data.notes, *record.notes))),
        "command": command(record),
        "methods": _text(contents.directory / "methods.txt"),
        "plan": _text(contents.directory / "plan.toml"),
        "plotly": _plotly() if curves or results else "",
        "script": (TEMPLATES / "report.js").read_text(encoding="utf-8"),
        "style": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
    }


def _curves(contents: Contents) -> list[tuple[str, Figure]]:
    history = contents.history
    if not history:
        return []
    metric = contents.record.primary_metric
    fitted = all(row.get("l2") for row in history)
    return [
        (f"{METRIC_NAMES[metric].capitalize()} by epoch", metric_chart(history, metric=metric)),
        ("Loss by epoch", loss_chart(history)),
        ("L2 penalty in each epoch" if fitted else "Learning rate at the end of each epoch", rate_chart(history)),
    ]


def _results(predictions: Predictions) -> list[Figure]:
    if predictions.task == "classification":
        return [confusion_chart(predictions)]
    if predictions.task == "regression":
        return [regression_chart(predictions, target=k) for k in range(len(predictions.outputs))]
    return []


def _history_rows(contents: Contents) -> list[tuple[str, ...]]:
    metric = contents.record.primary_metric
    return [
        (
            str(row["epoch"] + 1),
            row["phase"],
            _loss(row["train_loss"]),
            _loss(row["val_loss"]),
            figure(metric, row["metrics"].get(metric)),
            "best so far" if row["best"] else "",
        )
        for row in contents.history
    ]


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


def _picture(contents: Contents, mistake: Mistake) -> _Picture:
    source = ""
    folder = contents.directory / "evidence"
    # Only a plain name: an edited index must not pull other files of the reader into the page.
    if mistake.thumbnail and Path(mistake.thumbnail).name == mistake.thumbnail:
        path = folder / mistake.thumbnail
        if path.is_file():
            source = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    note = ""
    if mistake.confidence is not None:
        note = f"{mistake.confidence:.0%} sure"
    elif mistake.error is not None:
        note = f"off by {mistake.error:+.4g}"
    return _Picture(source, mistake, note)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _plotly() -> str:
    """Return the drawing library that the plotly package carries (MIT), to be laid into the page."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
