"""The evaluation that ends a training: metrics on validation and test, predictions.csv and evidence/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unfreeze.backbones import output_scores
from unfreeze.data import batches
from unfreeze.evaluation.evidence import write_evidence
from unfreeze.evaluation.predicting import predict_outputs
from unfreeze.evaluation.predictions import Predictions, write_predictions
from unfreeze.metrics import evaluate_scores
from unfreeze.records import Metrics, RunMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from unfreeze.backbones import Network
    from unfreeze.data import Dataset, Split

__all__ = ["evaluate_run"]


def evaluate_run(
    network: Network,
    dataset: Dataset,
    split: Split,
    *,
    directory: Path,
    device: torch.device | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> RunMetrics:
    """Evaluate a trained network on validation and test; leave predictions.csv and evidence/ behind.

    Args:
        network: the network as it will be kept.
        dataset: the pictures; their groups, if any, are what the intervals resample.
        split: which of them validate and test.
        directory: the run directory; it must exist.
        device: where to compute; None: where the network's weights are.
        batch_size: pictures at a time.
        seed: of the resampling behind the intervals.

    Returns:
        The metrics of both sides, with their 95% intervals.
    """
    indices = np.array([*split.val, *split.test], dtype=np.int64)
    stream = batches(dataset, indices, network.spec, batch_size=batch_size)
    outputs = torch.from_numpy(predict_outputs(network, stream, device=device))
    scores = output_scores(outputs, network.record).numpy()
    decisions = output_scores(outputs, network.record, balanced=True).numpy()
    predictions = Predictions.decide(
        scores,
        decisions=decisions,
        task=dataset.task,
        outputs=dataset.outputs,
        files=[dataset.files[i] for i in indices],
        splits=["val"] * len(split.val) + ["test"] * len(split.test),
        truth=dataset.targets[indices],
    )
    write_predictions(directory / "predictions.csv", predictions)
    write_evidence(directory, predictions.of("test"), root=dataset.root, depth_range=network.record.depth_range)

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
    return RunMetrics(val=metrics(split.val, slice(0, n_val)), test=metrics(split.test, slice(n_val, None)))
