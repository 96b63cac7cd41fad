"""From finished runs to figures: what was predicted for the same pictures, read back and compared in pairs."""

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
from unfreeze.errors import RunError
from unfreeze.evaluation import Predictions, read_predictions
from unfreeze.metrics.points import read_by
from unfreeze.records import TaskName

__all__ = ["RowRuns", "judge_rows", "judge_test", "read_outputs"]

Array = NDArray[Any]
SIDES = {"val": "validation", "test": "test"}


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


def read_outputs(row: RowRuns, dataset: Dataset, indices: Sequence[int], *, metric: str) -> RowOutputs:
    """Return what each network of a row said of the pictures that decide, which it did not learn from.

    Raises:
        RunError: a run's predictions cannot be read, or lack pictures.
    """
    outputs = tuple(_outputs(runs, dataset, indices, side="val", metric=metric) for runs in row.runs)
    return RowOutputs(name=row.name, outputs=outputs, cost=row.work)


def judge_rows(
    rows: Sequence[RowOutputs],
    dataset: Dataset,
    indices: Sequence[int],
    *,
    metric: str,
    seed: int,
    folds: Sequence[int] | None = None,
) -> dict[str, RowStatistics]:
    """Rank rows on the pictures that decide.

    Args:
        rows: of the finished rows, what `read_outputs` returns.
        dataset: the pictures.
        indices: of those that decide: the validation side, or all that the folds are made of.
        metric: what ranks.
        seed: of the draws behind the limits.
        folds: which fold holds out each of these pictures; None without folds.

    Raises:
        ConfigError: the metric is not defined on these pictures.
    """
    found = _compare(rows, dataset, indices, metric=metric, seed=seed, folds=folds)
    return {each.name: each for each in found}


def judge_test(row: RowRuns, dataset: Dataset, indices: Sequence[int], *, metric: str, seed: int) -> Spread:
    """Return the mean of a row's networks on the test pictures, which have decided nothing.

    With folds, each network of each fold counts as one: every one of them has seen all of these pictures for the first
    time.

    Raises:
        ConfigError: the metric is not defined on these pictures.
        RunError: see `read_outputs`.
    """
    networks = [run for runs in row.runs for run in runs]
    outputs = tuple(_outputs((run,), dataset, indices, side="test", metric=metric) for run in networks)
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
    folds: Sequence[int] | None = None,
) -> tuple[RowStatistics, ...]:
    groups = None if dataset.groups is None else [dataset.groups[i] for i in indices]
    truth = dataset.targets[np.asarray(indices)]
    return compare_rows(rows, truth, task=dataset.task, metric=metric, groups=groups, folds=folds, seed=seed)


def _outputs(runs: Sequence[Path], dataset: Dataset, indices: Sequence[int], *, side: str, metric: str) -> Array:
    """Return what the metric reads for pictures that several runs have predicted, each a part of them."""
    found: dict[str, Array] = {}
    for run in runs:
        predictions = read_predictions(run / "predictions.csv", task=dataset.task, outputs=dataset.outputs).of(side)
        if not np.isfinite(predictions.scores).all():  # decisions may look sound: the first class wins among nans
            table = run / "predictions.csv"
            raise RunError(
                f'What "{table}" says of {SIDES[side]} pictures is not all numbers: edited by hand, or of a training '
                "that diverged. Put it back as it was, or delete the run's directory, and go on with --resume."
            )
        values = read_by(metric, predictions.scores, _decisions(predictions, dataset.task))
        found.update(zip(predictions.files, values, strict=True))
    files = [dataset.files[i] for i in indices]
    lacking = [file for file in files if file not in found]
    if lacking:
        tables, lack = ", ".join(f'"{run / "predictions.csv"}"' for run in runs), "lacks" if len(runs) == 1 else "lack"
        raise RunError(
            f'{tables} {lack} {len(lacking)} of the {len(files)} {SIDES[side]} pictures, as "{lacking[0]}": edited by '
            "hand. Put it back as it was, or delete the run's directory, and go on with --resume."
        )
    return np.stack([found[file] for file in files]).astype(np.float64)


def _decisions(predictions: Predictions, task: TaskName) -> Array | None:
    """Return what was decided in the form of scores: networks trained with class weights decide by other scores."""
    if task == "regression":
        return None
    if task == "multilabel":
        return predictions.predicted.astype(np.float64)
    decided: Array = np.eye(len(predictions.outputs))[predictions.predicted]
    return decided
