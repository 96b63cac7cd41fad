"""The evaluation that ends a training: metrics on validation and test, predictions.csv and evidence/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unfreeze.backbones import output_scores
from unfreeze.evaluation.attribution import HeatMaps, explain_pictures
from unfreeze.evaluation.conformal import conformal_metrics
from unfreeze.evaluation.evidence import Explain, write_evidence
from unfreeze.evaluation.predictions import Predictions, write_predictions
from unfreeze.metrics import evaluate_scores
from unfreeze.records import Metrics, ModelRecord, RunMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from unfreeze.backbones import Network
    from unfreeze.data import Dataset, Split

__all__ = ["evaluate_run"]


def evaluate_run(
    outputs: np.ndarray,
    record: ModelRecord,
    dataset: Dataset,
    split: Split,
    *,
    directory: Path,
    seed: int = 0,
    network: Network | None = None,
) -> RunMetrics:
    """Evaluate what a trained network says of validation and test; leave predictions.csv and evidence/ behind.

    Args:
        outputs: float32 (n, n_outputs), the raw outputs for the validation and then the test pictures, in the order
            of the split; see `predict_outputs`.
        record: the network's.
        dataset: the pictures; their groups, if any, are what the intervals resample.
        split: which of them validate and test.
        directory: the run directory; it must exist.
        seed: of the resampling behind the intervals.
        network: what draws heat maps of the pictures that evidence/ shows; None: there are none.

    Returns:
        The metrics of both sides, with their 95% intervals; on test also the coverage of prediction sets, if the
        network has them.
    """
    indices = np.array([*split.val, *split.test], dtype=np.int64)
    raw = torch.from_numpy(outputs)
    scores = output_scores(raw, record).numpy()
    decisions = output_scores(raw, record, balanced=True).numpy()
    predictions = Predictions.decide(
        scores,
        decisions=decisions,
        task=dataset.task,
        outputs=dataset.outputs,
        files=[dataset.files[i] for i in indices],
        splits=["val"] * len(split.val) + ["test"] * len(split.test),
        groups=None if dataset.groups is None else [dataset.groups[i] for i in indices],
        truth=dataset.targets[indices],
    )
    write_predictions(directory / "predictions.csv", predictions)
    write_evidence(
        directory,
        predictions.of("test"),
        root=dataset.root,
        depth_range=record.depth_range,
        spec=None if network is None else network.spec,
        explain=None if network is None else _explainer(network, dataset),
    )

    def metrics(side: Sequence[int], rows: slice) -> Metrics:
        groups = None if dataset.groups is None else [dataset.groups[i] for i in side]
        return evaluate_scores(
            dataset.task,
            dataset.targets[list(side)],
            scores[rows],
            decisions=decisions[rows],
            groups=groups,
            seed=seed,
        )

    n_val = len(split.val)
    test = predictions.of("test")
    found = conformal_metrics(
        dataset.task,
        dataset.targets[list(split.test)],
        test.scores,
        test.predicted,
        record.conformal,
        groups=None if dataset.groups is None else [dataset.groups[i] for i in split.test],
        seed=seed,
    )
    return RunMetrics(
        val=metrics(split.val, slice(0, n_val)), test={**metrics(split.test, slice(n_val, None)), **found}
    )


def _explainer(network: Network, dataset: Dataset) -> Explain:
    number_of = {file: i for i, file in enumerate(dataset.files)}

    def explain(files: Sequence[str], outputs: Sequence[int]) -> HeatMaps:
        indices = [number_of[file] for file in files]
        return explain_pictures(network, dataset, indices, outputs, signed=dataset.task == "regression")

    return explain
