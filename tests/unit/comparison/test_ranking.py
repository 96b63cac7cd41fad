"""Rows are judged by what each network said of the pictures that it did not learn from, network by network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unfreeze.comparison.ranking import RowRuns, judge_rows, judge_test, read_outputs
from unfreeze.data import Dataset
from unfreeze.evaluation import Predictions, write_predictions
from unfreeze.metrics import score

N, N_FOLDS, OUTPUTS = 120, 3, ("cat", "dog")


def labelled() -> tuple[Dataset, np.ndarray]:
    """Pictures with two labels each, and scores that tell them well."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N, 2)) < 0.3).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.normal(size=(N, 2)) - 3 * (targets - 0.5)))
    return Dataset(Path(), tuple(f"{i}.png" for i in range(N)), "multilabel", OUTPUTS, targets), scores


def written(directory: Path, dataset: Dataset, scores: np.ndarray, kept: np.ndarray, side: str) -> Path:
    """Leave a run's predictions for some of the pictures."""
    directory.mkdir(parents=True)
    predictions = Predictions.decide(
        scores[kept],
        task=dataset.task,
        outputs=dataset.outputs,
        files=[dataset.files[i] for i in kept],
        splits=[side] * len(kept),
        truth=dataset.targets[kept],
    )
    write_predictions(directory / "predictions.csv", predictions)
    return directory


def test_out_of_fold_each_network_ranks_only_the_pictures_that_it_was_asked_about(tmp_path: Path) -> None:
    dataset, scores = labelled()
    parts = [np.flatnonzero(np.arange(N) % N_FOLDS == fold) for fold in range(N_FOLDS)]
    rows = []
    for name, scales in (("even", (1.0, 1.0, 1.0)), ("uneven", (1.0, 0.3, 0.02))):
        runs = tuple(
            written(tmp_path / f"{name}-{fold}", dataset, scale * scores, part, "val")
            for fold, (scale, part) in enumerate(zip(scales, parts, strict=True))
        )
        row = RowRuns(name=name, work=1.0, runs=(runs,))
        rows.append(read_outputs(row, dataset, range(N), metric="map"))
    folds = np.arange(N) % N_FOLDS
    found = judge_rows(rows, dataset, range(N), metric="map", seed=0, folds=folds.tolist())
    expected = score("map", dataset.targets, scores, strata=folds)
    assert found["even"].value == pytest.approx(expected, abs=1e-6)
    assert found["uneven"].value == pytest.approx(found["even"].value, abs=1e-6)
    assert found["uneven"].difference.mean == pytest.approx(0, abs=1e-6)


def test_on_test_pictures_every_network_ranks_all(tmp_path: Path) -> None:
    dataset, scores = labelled()
    everything = np.arange(N)
    runs = tuple(
        written(tmp_path / str(fold), dataset, scale * scores, everything, "test")
        for fold, scale in enumerate((1.0, 0.3, 0.02))
    )
    found = judge_test(RowRuns(name="row", work=1.0, runs=(runs,)), dataset, range(N), metric="map", seed=0)
    assert found.mean == pytest.approx(score("map", dataset.targets, scores), abs=1e-5)
