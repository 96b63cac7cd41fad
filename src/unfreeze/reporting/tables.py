"""The rows of a report's tables, as frozen values ready to be shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.evaluation.mistakes import worst_confusions
from unfreeze.metrics import wilson
from unfreeze.reporting.charts import share_mark
from unfreeze.reporting.wording import METRIC_NAMES, METRIC_NOTES, count, duration, figure, interval, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.records import FeatureSelection, LayerRecord, Metrics, RunRecord

__all__ = [
    "Cell",
    "ConfusionRow",
    "LayerRow",
    "Table",
    "TimePart",
    "confusion_rows",
    "confusion_table",
    "layer_rows",
    "metric_table",
    "output_table",
    "phase_table",
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
class Cell:
    """What one phase did to one layer group: its rates as text, how far it moved and how strongly to shade that."""

    trained: bool
    rates: str = ""
    strength: float = 0.0  # 0..1, by the root of how far it moved, beside the group that moved furthest
    moved: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer group of the layer map through all phases, or the groups of a stage that never trained, as one."""

    stage: str
    group: str
    n_parameters: str
    cells: tuple[Cell, ...]


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
    rows = []
    for k, name in enumerate(predictions.outputs):
        of_class = truth == k
        hits = int((of_class & (predicted == k)).sum())
        wrong = [i for i in np.flatnonzero(of_class) if predicted[i] != k]
        taken = worst_confusions([names[i] for i in wrong], [guesses[i] for i in wrong], n=1)
        rows.append(
            (
                name,
                count(int(of_class.sum())),
                *_found(hits, int(of_class.sum()), int((predicted == k).sum())),
                f"{taken[0].prediction} ({taken[0].count})" if taken else "",
            )
        )
    header = ("class", "pictures", "found", "95% interval", "right when said", "F1", "most often taken for")
    return Table(header, tuple(rows))


def _label_table(predictions: Predictions) -> Table:
    assert predictions.truth is not None
    rows = []
    for k, name in enumerate(predictions.outputs):
        real, said = predictions.truth[:, k] > 0, predictions.predicted[:, k] > 0
        n, n_said = int(real.sum()), int(said.sum())
        rows.append((name, count(n), *_found(int((real & said).sum()), n, n_said)))
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


def _found(hits: int, n: int, n_said: int) -> tuple[str, str, str, str]:
    """Return recall, its limits, precision and F1 as text."""
    limits = wilson(hits / n, n) if n else None
    return (
        f"{hits / n:.0%}" if n else "–",
        share_mark(hits / n, *limits) if limits else "",
        f"{hits / n_said:.0%}" if n_said else "–",
        f"{2 * hits / (n + n_said):.2f}" if n + n_said else "–",
    )


def phase_table(record: RunRecord, layers: Sequence[LayerRecord]) -> Table:
    """Return one row per phase: what it trained, at which rates, for how long."""
    rows: list[tuple[str, ...]] = []
    for phase in record.phases:
        trained = [layer for layer in layers if layer.phase == phase.name and layer.trained]
        rates = sorted({lr for layer in trained for lr in layer.lrs})
        epochs = str(phase.epochs_run)
        if phase.epochs_run != phase.epochs_planned:
            epochs += f" of {phase.epochs_planned}"
        rows.append(
            (
                phase.name,
                _span([layer.group for layer in trained]),
                epochs,
                "" if phase.best_epoch is None else str(phase.best_epoch + 1),
                count(phase.n_trained),
                " to ".join(rate(lr) for lr in dict.fromkeys((*rates[:1], *rates[-1:]))),
                duration(phase.seconds),
            )
        )
    header: tuple[str, ...] = (
        "phase",
        "trained layers",
        "epochs",
        "best epoch",
        "trained parameters",
        "peak rates",
        "time",
    )
    selections = [phase.selection for phase in record.phases]
    if any(selections):
        header = (*header, "features kept")
        rows = [(*row, _kept(selection)) for row, selection in zip(rows, selections, strict=True)]
    return Table(header, tuple(rows), n_names=2)


def _kept(selection: FeatureSelection | None) -> str:
    if selection is None:
        return ""
    chosen = ", chosen on validation" if selection.shares else ""
    return f"{count(selection.n_kept)} of {count(selection.n_features)}{chosen}"


def layer_rows(record: RunRecord, layers: Sequence[LayerRecord]) -> tuple[LayerRow, ...]:
    """Return one row per layer group, input first, with one cell per phase; a stage that never trained is one row."""
    phases = [phase.name for phase in record.phases] or list(dict.fromkeys(layer.phase for layer in layers))
    found = {(layer.phase, layer.group): layer for layer in layers}
    furthest = max((layer.distance for layer in layers if layer.trained and _is_old(layer)), default=0.0)
    rows: list[LayerRow] = []
    idle: dict[str, list[LayerRecord]] = {}  # by stage, what never trained
    for group in dict.fromkeys(layer.group for layer in layers):
        of_group = [found[phase, group] for phase in phases if (phase, group) in found]
        stage = of_group[0].stage
        if not any(layer.trained for layer in of_group):
            idle.setdefault(stage, []).append(of_group[0])
            if len(idle[stage]) > 1:
                rows.pop()
            rows.append(_idle_row(stage, idle[stage], n_phases=len(phases)))
            continue
        idle.pop(stage, None)
        cells = tuple(_cell(found.get((phase, group)), furthest=furthest) for phase in phases)
        rows.append(LayerRow(stage, group, count(of_group[0].n_parameters), cells))
    return tuple(rows)


def _is_old(layer: LayerRecord) -> bool:
    """Say whether a layer was pretrained: how far a new head went from its random start says nothing."""
    return layer.group != "head" and math.isfinite(layer.distance)


def _idle_row(stage: str, layers: Sequence[LayerRecord], *, n_phases: int) -> LayerRow:
    name = layers[0].group if len(layers) == 1 else f"{layers[0].group} … {layers[-1].group} ({len(layers)})"
    n_parameters = count(sum(layer.n_parameters for layer in layers))
    return LayerRow(stage, name, n_parameters, (Cell(trained=False),) * n_phases)


def _cell(layer: LayerRecord | None, *, furthest: float) -> Cell:
    if layer is None or not layer.trained:
        return Cell(trained=False)
    rates = sorted(layer.lrs)
    moved = f"{layer.distance:.2%}" if _is_old(layer) else "new"
    return Cell(
        trained=True,
        rates=" to ".join(rate(lr) for lr in dict.fromkeys((*rates[:1], *rates[-1:]))),
        strength=round(math.sqrt(layer.distance / furthest), 3) if _is_old(layer) and furthest > 0 else 0.0,
        moved=moved,
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


def _span(groups: Sequence[str]) -> str:
    if not groups:
        return ""
    return groups[0] if len(groups) == 1 else f"{groups[0]} … {groups[-1]} ({len(groups)})"
