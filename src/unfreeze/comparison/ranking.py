"""From finished runs to rows with verdicts: what was predicted for the same pictures, compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.comparison.statistics import RowOutputs, RowStatistics, compare_rows
from unfreeze.comparison_records import Spread
from unfreeze.data import Dataset
from unfreeze.evaluation import Predictions, read_predictions
from unfreeze.metrics.points import read_by
from unfreeze.records import TaskName

__all__ = ["RowRuns", "judge_rows", "judge_test"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class RowRuns:
    """The finished runs of one row: by seed, and in each seed by fold.

    Attributes:
        name: the row's.
        work: what makes one row cheaper than another.
        runs: per seed, the run directories of all folds (of one, without folds).
    """

    name: str
    work: float
    runs: tuple[tuple[Path, ...], ...]


def judge_rows(
    rows: Sequence[RowRuns], dataset: Dataset, indices: Sequence[int], *, metric: str, seed: int
) -> dict[str, RowStatistics]:
    """Rank rows on the pictures that decide: what each network said of those that it did not learn from.

    Args:
        rows: the finished rows.
        dataset: the pictures.
        indices: of those that decide: the validation side, or all that the folds are made of.
        metric: what ranks.
        seed: of the draws behind the limits.

    Raises:
        ConfigError: the metric is not defined on these pictures.
        RunError: a run's predictions cannot be read.
    """
    said = [[_outputs(runs, dataset, indices, side="val", metric=metric) for runs in row.runs] for row in rows]
    outputs = [
        RowOutputs(name=row.name, outputs=tuple(values for values, _ in of_row), cost=row.work)
        for row, of_row in zip(rows, said, strict=True)
    ]
    folds = said[0][0][1]
    assert all((own == folds).all() for of_row in said for _, own in of_row), "rows were judged in other folds"
    found = _compare(outputs, dataset, indices, metric=metric, seed=seed, folds=folds)
    return {each.name: each for each in found}


def judge_test(row: RowRuns, dataset: Dataset, indices: Sequence[int], *, metric: str, seed: int) -> Spread:
    """Return the mean of a row's networks on the test pictures, which have decided nothing.

    With folds, each network of each fold counts as one: every one of them has seen all of these pictures for the first
    time. Raises what `judge_rows` raises.
    """
    networks = [run for runs in row.runs for run in runs]
    outputs = tuple(_outputs((run,), dataset, indices, side="test", metric=metric)[0] for run in networks)
    rows = [RowOutputs(name=row.name, outputs=outputs, cost=row.work)]
    (found,) = _compare(rows, dataset, indices, metric=metric, seed=seed)
    return Spread(mean=found.value, low=found.low, high=found.high)


def _compare(
    rows: Sequence[RowOutputs],
    dataset: Dataset,
    indices: Sequence[int],
    *,
    metric: str,
    seed: int,
    folds: NDArray[np.intp] | None = None,
) -> tuple[RowStatistics, ...]:
    groups = None if dataset.groups is None else [dataset.groups[i] for i in indices]
    truth = dataset.targets[np.asarray(indices)]
    return compare_rows(rows, truth, task=dataset.task, metric=metric, groups=groups, folds=folds, seed=seed)


def _outputs(
    runs: Sequence[Path], dataset: Dataset, indices: Sequence[int], *, side: str, metric: str
) -> tuple[Array, NDArray[np.intp]]:
    """Return what the metric reads for pictures that several runs have predicted, each a part, and which run did."""
    found: dict[str, Array] = {}
    number_of: dict[str, int] = {}
    for number, run in enumerate(runs):
        predictions = read_predictions(run / "predictions.csv", task=dataset.task, outputs=dataset.outputs).of(side)
        values = read_by(metric, predictions.scores, _decisions(predictions, dataset.task))
        found.update(zip(predictions.files, values, strict=True))
        number_of.update(dict.fromkeys(predictions.files, number))
    files = [dataset.files[i] for i in indices]
    return np.stack([found[file] for file in files]).astype(np.float64), np.array([number_of[file] for file in files])


def _decisions(predictions: Predictions, task: TaskName) -> Array | None:
    """Return what was decided in the form of scores: networks trained with class weights decide by other scores."""
    if task == "regression":
        return None
    if task == "multilabel":
        return predictions.predicted.astype(np.float64)
    decided: Array = np.eye(len(predictions.outputs))[predictions.predicted]
    return decided
