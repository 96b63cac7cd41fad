"""The rows of a report's tables, as frozen values ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.evaluation.mistakes import worst_confusions
from unfreeze.reporting.charts import share_mark
from unfreeze.reporting.shares import picture_clusters, share_right
from unfreeze.reporting.wording import METRIC_NAMES, METRIC_NOTES, count, duration, figure, interval

if TYPE_CHECKING:
    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.records import Metrics, RunRecord

__all__ = [
    "ConfusionRow",
    "Table",
    "TimePart",
    "confusion_rows",
    "confusion_table",
    "metric_table",
    "output_table",
    "time_parts",
]

MIN_SHOWN = 0.001  # share of the time that a part must have taken to be named


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; columns after the first `n_names` are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_names: int = 1


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """One true class of a confusion matrix: how many pictures were taken for each, and their shares in percent."""

    name: str
    counts: tuple[int, ...]
    shares: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of the time that a run took."""

    name: str
    text: str
    percent: float


def metric_table(val: Metrics, test: Metrics) -> Table:
    """Return every metric on test and validation."""
    rows = []
    for name in test or val:
        on_test, on_val = test.get(name), val.get(name)
        rows.append(
            (
                METRIC_NAMES.get(name, name),
                figure(name, on_test.value) if on_test else "",
                interval(name, on_test) if on_test else "",
                figure(name, on_val.value) if on_val else "",
                METRIC_NOTES.get(name, ""),
            )
        )
    return Table(("metric", "test", "95% interval", "validation", "what it says"), tuple(rows))


def confusion_rows(predictions: Predictions) -> tuple[ConfusionRow, ...]:
    """Return how many pictures of each class (rows) were taken for which (columns)."""
    assert predictions.truth is not None
    n = len(predictions.outputs)
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (predictions.truth, predictions.predicted), 1)
    shares = np.round(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(int)
    return tuple(
        ConfusionRow(name, tuple(row), tuple(of_row))
        for name, row, of_row in zip(predictions.outputs, counts.tolist(), shares.tolist(), strict=True)
    )


def confusion_table(predictions: Predictions, *, n: int = 20) -> Table:
    """Return the most frequent confusions: for so many classes that no matrix can be read."""
    assert predictions.truth is not None
    worst = worst_confusions(predictions.shown(predictions.truth), predictions.shown(predictions.predicted), n=n)
    rows = [(c.truth, c.prediction, count(c.count), f"{c.count / c.n_truth:.0%}") for c in worst]
    return Table(("true class", "taken for", "pictures", "of the class"), tuple(rows), n_names=2)


def output_table(predictions: Predictions) -> Table:
    """Return one row per class, label or target."""
    if predictions.task == "classification":
        return _class_table(predictions)
    return _label_table(predictions) if predictions.task == "multilabel" else _target_table(predictions)


def _class_table(predictions: Predictions) -> Table:
    truth, predicted = predictions.truth, predictions.predicted
    assert truth is not None
    names, guesses = predictions.shown(truth), predictions.shown(predicted)
    clusters = picture_clusters(predictions)
    rows = []
    for k, name in enumerate(predictions.outputs):
        of_class = truth == k
        wrong = [i for i in np.flatnonzero(of_class) if predicted[i] != k]
        taken = worst_confusions([names[i] for i in wrong], [guesses[i] for i in wrong], n=1)
        rows.append(
            (
                name,
                count(int(of_class.sum())),
                *_found(of_class, predicted == k, clusters),
                f"{taken[0].prediction} ({taken[0].count})" if taken else "",
            )
        )
    header = ("class", "pictures", "found", "95% interval", "right when said", "F1", "most often taken for")
    return Table(header, tuple(rows))


def _label_table(predictions: Predictions) -> Table:
    assert predictions.truth is not None
    clusters = picture_clusters(predictions)
    rows = []
    for k, name in enumerate(predictions.outputs):
        real, said = predictions.truth[:, k] > 0, predictions.predicted[:, k] > 0
        rows.append((name, count(int(real.sum())), *_found(real, said, clusters)))
    return Table(("label", "pictures", "found", "95% interval", "right when said", "F1"), tuple(rows))


def _target_table(predictions: Predictions) -> Table:
    assert predictions.truth is not None
    rows = []
    for k, name in enumerate(predictions.outputs):
        truth = predictions.truth[:, k]
        error = predictions.predicted[:, k] - truth
        ends = f"{truth.min():.4g} to {truth.max():.4g}"
        rows.append(
            (name, ends, *(f"{v:.4g}" for v in (np.abs(error).mean(), np.sqrt((error**2).mean()), error.mean())))
        )
    header = ("target", "true values", "mean absolute error", "root mean squared", "mean error (too high if above 0)")
    return Table(header, tuple(rows))


def _found(real: np.ndarray, said: np.ndarray, clusters: np.ndarray | None) -> tuple[str, str, str, str]:
    """Return recall, its limits, precision and F1 as text, from what is of a class and what is said to be."""
    hits, n, n_said = int((real & said).sum()), int(real.sum()), int(said.sum())
    drawn = ""
    if n:
        recall = share_right(said[real], None if clusters is None else clusters[real])
        if recall.value is not None and recall.low is not None and recall.high is not None:
            drawn = share_mark(recall.value, recall.low, recall.high)
    return (
        f"{hits / n:.0%}" if n else "–",
        drawn,
        f"{hits / n_said:.0%}" if n_said else "–",
        f"{2 * hits / (n + n_said):.2f}" if n + n_said else "–",
    )


def time_parts(record: RunRecord) -> tuple[TimePart, ...]:
    """Return where the time went, in order; what no part accounts for comes last."""
    timing = record.timing
    parts = {
        "reading and splitting the pictures": timing.scan_seconds,
        "loading the network": timing.load_seconds,
        "frozen layers, once": timing.prefix_seconds,
        "training": timing.train_seconds,
        "evaluating": timing.evaluate_seconds,
    }
    parts["the rest"] = max(0.0, timing.total_seconds - sum(parts.values()))
    whole = sum(parts.values())
    return tuple(
        TimePart(name, duration(seconds), round(100 * seconds / whole, 2))
        for name, seconds in parts.items()
        if whole and seconds >= MIN_SHOWN * whole
    )
