"""The charts of a run's report, drawn as SVG: they need no script, follow light and dark, and print (docs/adr/0016)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unfreeze.reporting.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Chart, decades, grid_y, with_room
from unfreeze.reporting.shares import share_right
from unfreeze.reporting.svg import Scale, circle, drawing, line, path, rect, shortened, text, ticks
from unfreeze.reporting.wording import METRIC_NAMES, mark_text, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.records import LayerRecord

__all__ = ["freeze_chart", "interval_chart", "loss_chart", "metric_chart", "rate_chart", "regression_chart",
           "reliability_chart", "share_mark"]  # fmt: skip

HEIGHT = 220.0
N_BINS = 10  # of confidence, equally wide
MAX_POINTS = 2000  # of a scatter
ROW = 15.0  # px of a stage in the freezing chart

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    values: list[float | None]
    classes: str


def metric_chart(history: Sequence[Row], *, metric: str) -> Chart:
    """Return the metric that chose the epoch, on validation; a ring marks the epoch whose weights were kept."""
    name = METRIC_NAMES.get(metric, metric)
    series = [_Series(f"{name}, validation", [row["metrics"].get(metric) for row in history], "s1")]
    kept = next((i for i, row in reversed(list(enumerate(history))) if row["best"]), None)
    title = f"{name[:1].upper()}{name[1:]} by epoch"
    return _curves(title, history, series, form=lambda v: mark_text(metric, v), kept=kept)


def loss_chart(history: Sequence[Row]) -> Chart:
    """Return the mean loss on training and validation by epoch."""
    series = [
        _Series("training", [row["train_loss"] for row in history], "s2"),
        _Series("validation", [row["val_loss"] for row in history], "s1"),
    ]
    return _curves("Loss by epoch", history, series, form=lambda v: f"{v:.3g}")


def rate_chart(history: Sequence[Row]) -> Chart:
    """Return the head's learning rate and the lowest of any layer at the end of each epoch.

    Epochs of a solver without rates have the strength of their L2 penalty instead, on the same logarithmic axis.
    """
    rates = [None if row.get("l2") else row["lr_head"] for row in history]
    lowest = [min(row["lrs"].values(), default=None) for row in history]
    penalties = [row.get("l2") for row in history]
    series = [_Series("head", rates, "s1")] if any(rates) and not all(penalties) else []
    if series and lowest != rates:
        series.append(_Series("lowest layer", lowest, "s2"))
    if any(penalties):
        series.append(_Series("L2 penalty", penalties, "s3"))
    title = "L2 penalty in each epoch" if all(penalties) else "Learning rate at the end of each epoch"
    return _curves(title, history, series, form=rate, log=True)


def freeze_chart(history: Sequence[Row], layers: Sequence[LayerRecord]) -> Chart:
    """Return which stages trained in which epochs, the head on top; the darker, the higher the rate."""
    stages = list(dict.fromkeys(layer.stage for layer in layers))[::-1]
    peak: dict[tuple[str, str], float] = {}
    for layer in layers:
        if layer.trained:
            key = (layer.phase, layer.stage)
            peak[key] = max(peak.get(key, 0.0), *layer.lrs, 0.0)
    logs = [math.log10(lr) for lr in peak.values() if lr > 0]
    low, high = (min(logs), max(logs)) if logs else (0.0, 0.0)
    height = TOP + ROW * len(stages) + BOTTOM
    x = _epochs(history)
    parts = []
    for k, stage in enumerate(stages):
        y = TOP + k * ROW
        parts.append(
            text(LEFT - 5, y + 11, shortened(stage, width=LEFT - 4, end="start"), classes="tick", anchor="end")
        )
        for first, last, phase in _phases(history):
            lr, left = peak.get((phase, stage)), x(first + 0.5)
            share = 1.0 if lr is None or lr <= 0 or high <= low else 0.35 + 0.65 * (math.log10(lr) - low) / (high - low)
            said = f"{stage}, {phase}: " + ("frozen" if lr is None else f"trained, up to {rate(lr)}")
            classes = "frozen-cell" if lr is None else "f1"
            width = x(last + 1.5) - left - 1
            parts.append(rect(left, y + 1, width, ROW - 2, classes=classes, opacity=share, note=said))
    parts += _epoch_axis(history, x, height)
    said = "; ".join(
        f"{phase}: trained {', '.join(s for s in stages[::-1] if (phase, s) in peak) or 'nothing'}"
        for _, _, phase in _phases(history)
    )
    keys = (("f1", "trained, darker at higher rates"), ("frozen-cell", "frozen"))
    chart = drawing(parts, width=WIDTH, height=height, label=f"What trained when. {said}")
    return Chart("What was frozen when", chart, keys)


def interval_chart(value: float, low: float, high: float, *, ends: tuple[float, float], chance: float | None,
                   chance_name: str, form: Callable[[float], str]) -> Markup:  # fmt: skip
    """Return a value with its interval on a scale, and what one reaches who does not look at the pictures."""
    width, height, y = 400.0, 46.0, 22.0
    x = Scale(*ends, 6, width - 6)
    parts = [line(6, y, width - 6, y, classes="axis")]
    for tick in ticks(*ends, n=4):
        anchor = "start" if x(tick) < 20 else "end" if x(tick) > width - 20 else "middle"  # noqa: PLR2004 - px
        parts += [line(x(tick), y - 3, x(tick), y + 3, classes="axis")]
        parts += [text(x(tick), y + 19, form(tick), classes="tick", anchor=anchor)]
    parts.append(rect(x(low), y - 5, x(high) - x(low), 10, classes="f1 faint"))
    said = f"{form(value)}, 95% interval {form(low)} to {form(high)}"
    if chance is not None and ends[0] <= chance <= ends[1]:
        anchor = "end" if x(chance) > width / 2 else "start"
        parts.append(line(x(chance), y - 9, x(chance), y + 7, classes="chance"))
        parts.append(text(x(chance), y - 12, chance_name, classes="tick", anchor=anchor))
        said += f"; {chance_name} would reach {form(chance)}"
    parts.append(circle(x(value), y, 5.5, classes="f1"))
    return drawing(parts, width=width, height=height, label=said, classes="scale")


def share_mark(value: float, low: float, high: float) -> Markup:
    """Return a share with its interval as a mark for a table's cell, 0 to 1 from left to right."""
    x = Scale(0, 1, 3, 97)
    parts = [
        line(3, 7, 97, 7, classes="grid"),
        line(x(low), 7, x(high), 7, classes="span"),
        circle(x(value), 7, 3.5, classes="f1"),
    ]
    return drawing(parts, width=100, height=14, label=f"{low:.0%} to {high:.0%}", classes="mark")


def reliability_chart(
    confidence: np.ndarray, right: np.ndarray, *, of: str, clusters: np.ndarray | None = None
) -> Chart:
    """Return how often the network was right against how sure it was, in ten bins, with 95% intervals.

    Args:
        confidence: (n,) stated probabilities.
        right: bool (n,).
        of: what is counted, in the plural.
        clusters: (n,) what each answer belongs to; a bin of a single cluster has no interval.
    """
    size = 300.0
    x, y = Scale(0, 1, LEFT, size - RIGHT), Scale(0, 1, size - BOTTOM, TOP)
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    parts = grid_y(y, ticks(0, 1), lambda v: f"{v:.0%}", right=size - RIGHT)
    parts += [text(x(v), size - BOTTOM + 14, f"{v:.0%}", classes="tick", anchor="middle") for v in ticks(0, 1)]
    parts.append(line(x(0), y(0), x(1), y(1), classes="ideal"))
    said, centres = [], []
    most = max((int((bins == b).sum()) for b in range(N_BINS)), default=1)
    for b in range(N_BINS):
        here = bins == b
        n = int(here.sum())
        if not n:
            continue
        at, share = float(confidence[here].mean()), float(right[here].mean())
        found = share_right(right[here], None if clusters is None else clusters[here])
        parts.append(rect(x(b / N_BINS) + 1, y(0) - 26 * n / most, x(0.1) - x(0) - 2, 26 * n / most, classes="count"))
        note = f"{n} {of} at {at:.0%} on average: {share:.0%} right"
        if found.low is not None and found.high is not None:
            parts.append(line(x(at), y(found.low), x(at), y(found.high), classes="span"))
            note += f" ({found.low:.0%} to {found.high:.0%})"
        centres.append(circle(x(at), y(share), 4.5, classes="f1", note=note))
        said.append(f"at {at:.0%} {share:.0%} of {n}")
    parts += centres
    parts += [
        text((LEFT + size - RIGHT) / 2, size - 3, "how sure it was", classes="label", anchor="middle"),
        text(LEFT, 12, "how often it was right", classes="label"),
    ]
    keys = (("f1", "share right, 95% interval"), ("ideal", "ideal"), ("count", f"how many {of}"))
    chart = drawing(parts, width=size, height=size, label="Right: " + ", ".join(said), classes="square")
    return Chart("Stated confidence and share right", chart, keys)


def regression_chart(predictions: Predictions, *, target: int = 0) -> Chart:
    """Return predicted against true values; points on the line are right."""
    assert predictions.truth is not None
    kept = np.linspace(0, len(predictions) - 1, min(len(predictions), MAX_POINTS)).astype(int)
    truth, guess = predictions.truth[kept, target], predictions.predicted[kept, target]
    low, high = float(min(truth.min(), guess.min())), float(max(truth.max(), guess.max()))
    room = (high - low or 1.0) * 0.04
    size, ends = 340.0, (low - room, high + room)
    x, y = Scale(*ends, LEFT, size - RIGHT), Scale(*ends, size - BOTTOM, TOP)
    parts = grid_y(y, ticks(*ends), lambda v: f"{v:g}", right=size - RIGHT)
    parts += [text(x(v), size - BOTTOM + 14, f"{v:g}", classes="tick", anchor="middle") for v in ticks(*ends)]
    parts.append(line(x(low), y(low), x(high), y(high), classes="ideal"))
    for i, true, said in zip(kept, truth, guess, strict=True):
        note = f"{predictions.files[i]}: {said:.4g}, true {true:.4g}"
        parts.append(circle(x(float(true)), y(float(said)), 3.2, classes="f1 point", note=note))
    name = shortened(predictions.outputs[target], width=200)
    parts += [
        text((LEFT + size - RIGHT) / 2, size - 3, f"true {name}", classes="label", anchor="middle"),
        text(LEFT, 12, f"predicted {name}", classes="label"),
    ]
    label = f"Predicted against true {predictions.outputs[target]} of {len(predictions)} pictures"
    chart = drawing(parts, width=size, height=size, label=label, classes="square")
    return Chart(predictions.outputs[target], chart, (("f1", "a picture"), ("ideal", "exactly right")))


def _curves(title: str, history: Sequence[Row], series: Sequence[_Series], *, form: Callable[[float], str],
            log: bool = False, kept: int | None = None) -> Chart:  # fmt: skip
    known = [v for each in series for v in each.values if v is not None and math.isfinite(v) and (v > 0 or not log)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if log:
        low, high = (low / 1.3, high * 1.3) if known else (0.1, 1.0)
    else:
        low, high = with_room(low, high)
    x, y = _epochs(history), Scale(low, high, HEIGHT - BOTTOM, TOP, log=log)
    marks = decades(low, high) if log else ticks(low, high, n=4)
    parts = [*_bands(history, x), *grid_y(y, marks, form, right=WIDTH - RIGHT)]
    for each in series:
        points = [
            (x(row["epoch"] + 1), y(v)) if v is not None and math.isfinite(v) and (v > 0 or not log) else None
            for row, v in zip(history, each.values, strict=True)
        ]
        parts.append(path(points, classes=each.classes))
        parts += [circle(*point, 2.4, classes=f"{each.classes} dot") for point in points if point is not None]
    keys = [(each.classes, each.name) for each in series]
    if kept is not None and (value := series[0].values[kept]) is not None:
        parts.append(circle(x(history[kept]["epoch"] + 1), y(value), 6.5, classes="kept"))
        keys.append(("kept", f"kept: epoch {history[kept]['epoch'] + 1}, {form(value)}"))
    parts += _epoch_axis(history, x, HEIGHT)
    said = "; ".join(f"{each.name} {_ends(each, form)}" for each in series)
    return Chart(title, drawing(parts, width=WIDTH, height=HEIGHT, label=f"{title}: {said}"), tuple(keys))


def _ends(series: _Series, form: Callable[[float], str]) -> str:
    known = [v for v in series.values if v is not None]
    return f"from {form(known[0])} to {form(known[-1])}" if known else "not known"


def _epochs(history: Sequence[Row]) -> Scale:
    last = max(row["epoch"] for row in history)
    return Scale(min(row["epoch"] for row in history) + 0.5, last + 1.5, LEFT, WIDTH - RIGHT)


def _phases(history: Sequence[Row]) -> list[tuple[int, int, str]]:
    """Return the first and the last epoch and the name of each phase, in order."""
    found: dict[int, list[Row]] = {}
    for row in history:
        found.setdefault(row["phase_index"], []).append(row)
    return [(rows[0]["epoch"], rows[-1]["epoch"], str(rows[0]["phase"])) for rows in found.values()]


def _bands(history: Sequence[Row], x: Scale) -> list[str]:
    parts = []
    phases = _phases(history)
    for i, (first, last, name) in enumerate(phases):
        left, right = x(first + 0.5), x(last + 1.5)
        if i % 2:
            parts.append(rect(left, TOP - 4, right - left, HEIGHT - BOTTOM - TOP + 4, classes="band"))
        if len(phases) > 1:
            parts.append(
                text((left + right) / 2, TOP - 8, shortened(name, width=right - left), classes="label", anchor="middle")
            )
    return parts


def _epoch_axis(history: Sequence[Row], x: Scale, height: float) -> list[str]:
    first, last = min(row["epoch"] for row in history) + 1, max(row["epoch"] for row in history) + 1
    step = max(1, math.ceil((last - first + 1) / 10))
    parts = [
        text(x(epoch), height - BOTTOM + 14, str(epoch), classes="tick", anchor="middle")
        for epoch in range(first, last + 1, step)
    ]
    return [*parts, text((LEFT + WIDTH - RIGHT) / 2, height - 4, "epoch", classes="label", anchor="middle")]
