"""Charts as plotly figures in plain dicts: the page draws them, so that nothing heavy is imported here.

A colour that begins with "--" is a CSS variable of the page, so that charts follow light and dark.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from unfreeze.reporting.wording import METRIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.evaluation.predictions import Predictions

__all__ = ["Figure", "confusion_chart", "loss_chart", "metric_chart", "rate_chart", "regression_chart"]

Figure = dict[str, Any]

MAX_CLASSES_WITH_NUMBERS = 25
MAX_POINTS = 3000  # of a scatter
LABEL_LENGTH = 22


def loss_chart(history: Sequence[dict[str, Any]]) -> Figure:
    """Return the mean loss on training and validation by epoch, with the phases behind it."""
    traces = [
        _line(history, [row["train_loss"] for row in history], name="training", color="--series-2"),
        _line(history, [row["val_loss"] for row in history], name="validation", color="--series-1"),
    ]
    return _by_epoch(history, traces, title="loss")


def metric_chart(history: Sequence[dict[str, Any]], *, metric: str) -> Figure:
    """Return the validation metrics by epoch; a star marks the epoch whose weights were kept."""
    names = sorted({name for row in history for name in row["metrics"]}, key=lambda name: name != metric)
    traces = [
        _line(
            history,
            [row["metrics"].get(name) for row in history],
            name=METRIC_NAMES.get(name, name),
            color=f"--series-{i % 3 + 1}",
        )
        for i, name in enumerate(names)
    ]
    best = [row for row in history if row["best"]]
    if best:
        kept = best[-1]  # each row is marked that was the best until then
        star = {"symbol": "star", "size": 14, "color": "--accent"}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "kept",
                "x": [kept["epoch"] + 1],
                "y": [kept["metrics"].get(metric)],
                "marker": star,
            }
        )
    return _by_epoch(history, traces, title="on validation")


def rate_chart(history: Sequence[dict[str, Any]]) -> Figure:
    """Return the head's learning rate and the lowest of any layer at the end of each epoch.

    Epochs of a solver without rates have the strength of their L2 penalty instead, on the same logarithmic axis.
    """
    lowest = [min(row["lrs"].values(), default=None) for row in history]
    traces = [
        _line(history, [row["lr_head"] for row in history], name="highest", color="--series-1"),
        _line(history, lowest, name="lowest trained layer", color="--series-2"),
    ]
    penalties = [row.get("l2") for row in history]
    if any(penalties):
        penalty = _line(history, penalties, name="L2 penalty", color="--series-3")
        traces = [penalty] if all(penalties) else [*traces, penalty]
    chart = _by_epoch(history, traces, title="L2 penalty" if all(penalties) else "learning rate")
    chart["layout"]["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    return chart


def confusion_chart(predictions: Predictions) -> Figure:
    """Return how many pictures of each class (rows) were taken for which (columns); shades are shares of a row."""
    assert predictions.truth is not None
    n = len(predictions.outputs)
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (predictions.truth, predictions.predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_label(name) for name in predictions.outputs]
    ticks = {"tickmode": "array", "tickvals": list(range(n)), "ticktext": names, "automargin": True}
    hover = [
        [f"{names[i]} taken for {names[j]}: {counts[i, j]} ({shares[i, j]:.0%})" for j in range(n)] for i in range(n)
    ]
    trace = {
        "type": "heatmap",
        "z": np.round(shares, 4).tolist(),
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "--shade-0"], [1, "--shade-1"]],
        "showscale": False,
        "hoverinfo": "text",
        "hovertext": hover,
        "xgap": 1,
        "ygap": 1,
    }
    if n <= MAX_CLASSES_WITH_NUMBERS:
        trace["text"] = [[str(value) if value else "" for value in row] for row in counts.tolist()]
        trace["texttemplate"] = "%{text}"
    return {
        "data": [trace],
        "height": 130 + max(120, min(900, 34 * n)),
        "layout": {
            "xaxis": {"title": {"text": "predicted"}, "tickangle": -45 if n > 3 else 0, **ticks},  # noqa: PLR2004
            "yaxis": {"title": {"text": "true"}, "autorange": "reversed", **ticks},
        },
    }


def regression_chart(predictions: Predictions, *, target: int = 0) -> Figure:
    """Return predicted against true values; points on the line are right."""
    assert predictions.truth is not None
    kept = np.linspace(0, len(predictions) - 1, min(len(predictions), MAX_POINTS)).astype(int)
    truth, guess = predictions.truth[kept, target], predictions.predicted[kept, target]
    ends = [float(min(truth.min(), guess.min())), float(max(truth.max(), guess.max()))]
    name = _label(predictions.outputs[target])
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "pictures",
        "x": truth.tolist(),
        "y": guess.tolist(),
        "text": [_label(predictions.files[i], length=60) for i in kept],
        "marker": {"color": "--series-1", "size": 6, "opacity": 0.7},
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "exactly right",
        "x": ends,
        "y": ends,
        "line": {"color": "--muted", "dash": "dot"},
    }
    return {
        "data": [points, line],
        "height": 380,
        "layout": {
            "xaxis": {"title": {"text": f"true {name}"}},
            "yaxis": {"title": {"text": f"predicted {name}"}, "automargin": True},
        },
    }


def _line(history: Sequence[dict[str, Any]], values: list[float | None], *, name: str, color: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [row["epoch"] + 1 for row in history],
        "y": values,
        "line": {"color": color},
        "marker": {"color": color, "size": 6},
    }


def _by_epoch(history: Sequence[dict[str, Any]], traces: list[Figure], *, title: str) -> Figure:
    phases: dict[int, list[dict[str, Any]]] = {}
    for row in history:
        phases.setdefault(row["phase_index"], []).append(row)
    bands, names = [], []
    for index, rows in enumerate(phases.values()):
        first, last = rows[0]["epoch"] + 0.5, rows[-1]["epoch"] + 1.5
        bands.append(
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": first,
                "x1": last,
                "y0": 0,
                "y1": 1,
                "fillcolor": "--band" if index % 2 else "--surface",
                "line": {"width": 0},
                "layer": "below",
            }
        )
        names.append(
            {
                "text": _label(rows[0]["phase"]),
                "xref": "x",
                "yref": "paper",
                "x": (first + last) / 2,
                "y": 1,
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
    n = len(history)
    axis = {"title": {"text": "epoch"}, "range": [0.5, n + 0.5], "dtick": max(1, -(-n // 10)), "tick0": 1}
    return {
        "data": traces,
        "height": 300,
        "layout": {
            "xaxis": axis,
            "yaxis": {"title": {"text": title}, "automargin": True},
            "shapes": bands,
            "annotations": names if len(phases) > 1 else [],
        },
    }


def _label(text: str, *, length: int = LABEL_LENGTH) -> str:
    """Return a user's name for a chart: shortened, and escaped because plotly reads a few HTML tags in texts."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return html.escape(short, quote=False)
