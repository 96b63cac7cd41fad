"""How good a network is on labelled pictures other than those it came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from unfreeze.backbones import Network, output_scores
from unfreeze.data import align_outputs, batches, drop_unreadable, open_dataset, scan
from unfreeze.evaluation.predicting import predict_outputs
from unfreeze.metrics import evaluate_scores
from unfreeze.records import Metrics, TrainOptions

__all__ = ["evaluate_labelled"]


def evaluate_labelled(
    network: Network,
    path: Path,
    options: TrainOptions,
    *,
    seen: frozenset[Path] = frozenset(),
    scanned: Callable[[int, int], None] | None = None,
) -> tuple[int, Metrics, tuple[str, ...]]:
    """Evaluate a network on labelled pictures.

    Where the data name a test side (a folder `test`, a split column), it alone is used; otherwise all pictures.

    Args:
        network: a fine-tuned network.
        path: a folder of class folders, or a table.
        options: how to read the data: task, target, group, split, skip_unreadable, batch_size.
        seen: pictures that the network was trained or chosen on: that they are among these is noted.
        scanned: told how many pictures of how many have been read.

    Returns:
        The number of pictures, the metrics, and what the user should know.

    Raises:
        DataError: pictures that cannot be read, or classes, labels or targets that the network does not know.
    """
    record = network.record
    target = options.target or (record.outputs if record.task != "classification" else ())
    dataset = open_dataset(path, task=record.task, target=target, group=options.group, split=options.split)
    dataset = align_outputs(dataset, record.outputs)
    dataset = drop_unreadable(
        dataset, scan(dataset.root, dataset.files, progress=scanned), skip=options.skip_unreadable
    )
    notes = list(dataset.notes)
    if dataset.splits is not None and "test" in dataset.splits:
        dataset = dataset.subset([i for i, side in enumerate(dataset.splits) if side == "test"])
        notes.append(f"Only the {len(dataset)} pictures of the test side were used.")
    n_seen = sum((dataset.root / file).resolve() in seen for file in dataset.files)
    if n_seen:
        notes.append(f"{n_seen} of {len(dataset)} pictures were trained or chosen on: the figures flatter the network.")
    stream = batches(dataset, np.arange(len(dataset)), network.spec, batch_size=options.batch_size)
    outputs = torch.from_numpy(predict_outputs(network, stream))
    metrics = evaluate_scores(
        record.task,
        dataset.targets,
        output_scores(outputs, record).numpy(),
        decisions=output_scores(outputs, record, balanced=True).numpy(),
        groups=dataset.groups,
    )
    return len(dataset), metrics, tuple(notes)
