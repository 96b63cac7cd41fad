"""How good a network is on labelled pictures other than those it came from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np

from unfreeze.backbones import Network, output_scores
from unfreeze.data import Dataset, align_outputs, batches, drop_unreadable, open_dataset, scan
from unfreeze.errors import ConfigError, DataError, UnfreezeError
from unfreeze.evaluation.conformal import conformal_metrics
from unfreeze.evaluation.inference import compute_outputs
from unfreeze.evaluation.predictions import Predictions
from unfreeze.metrics import evaluate_scores
from unfreeze.records import Metrics, ModelRecord, TrainOptions

__all__ = ["evaluate_labelled"]


def evaluate_labelled(
    network: Network,
    path: Path,
    options: TrainOptions,
    *,
    inherited: frozenset[str] = frozenset(),
    seen: frozenset[Path] = frozenset(),
    scanned: Callable[[int, int], None] | None = None,
) -> tuple[int, Metrics, tuple[str, ...]]:
    """Evaluate a network on labelled pictures.

    Where the data name a test side (a folder `test`, a split column), it alone is used; otherwise all pictures.

    Args:
        network: a fine-tuned network.
        path: a folder of class folders, or a table.
        options: how to read the data: target, group, split, skip_unreadable, batch_size.
        inherited: names of the options that the user did not give for these data: group and split are left out,
            and that is noted, where they do not fit.
        seen: pictures that the network was trained or chosen on: that they are among these is noted.
        scanned: told how many pictures of how many have been read.

    Returns:
        The number of pictures, the metrics, and what the user should know.

    Raises:
        DataError: pictures that cannot be read, or classes, labels or targets that the network does not know.
    """
    record = network.record
    dataset, notes = _opened(path, options, record, inherited=inherited)
    dataset = align_outputs(dataset, record.outputs)
    dataset = drop_unreadable(
        dataset, scan(dataset.root, dataset.files, progress=scanned), skip=options.skip_unreadable
    )
    notes += dataset.notes
    if dataset.splits is not None and "test" in dataset.splits:
        dataset = dataset.subset([i for i, side in enumerate(dataset.splits) if side == "test"])
        notes.append(f"Only the {len(dataset)} pictures of the test side were used.")
    n_seen = sum((dataset.root / file).resolve() in seen for file in dataset.files)
    if n_seen:
        notes.append(f"{n_seen} of {len(dataset)} pictures were trained or chosen on: the figures flatter the network.")
    stream = batches(dataset, np.arange(len(dataset)), network.spec, batch_size=options.batch_size)
    outputs, engine_notes = compute_outputs(network, stream, n_images=len(dataset))
    notes += engine_notes
    scores, truth, groups = output_scores(outputs, record).numpy(), dataset.targets, dataset.groups
    decisions = output_scores(outputs, record, balanced=True).numpy()
    predictions = Predictions.decide(
        scores, decisions=decisions, task=record.task, outputs=record.outputs, files=dataset.files
    )
    metrics = evaluate_scores(record.task, truth, scores, decisions=decisions, groups=groups)
    metrics |= conformal_metrics(record.task, truth, scores, predictions.predicted, record.conformal, groups=groups)
    return len(dataset), metrics, tuple(notes)


def _opened(
    path: Path, options: TrainOptions, record: ModelRecord, *, inherited: frozenset[str]
) -> tuple[Dataset, list[str]]:
    """Open the data, without those inherited settings that do not fit them; say which were left out."""
    target = options.target or (record.outputs if record.task != "classification" else ())
    optional = [name for name in ("group", "split") if name in inherited and getattr(options, name) is not None]
    first: UnfreezeError | None = None
    for left_out in (names for n in range(len(optional) + 1) for names in combinations(optional, n)):
        reading = {name: None if name in left_out else getattr(options, name) for name in ("group", "split")}
        try:
            dataset = open_dataset(path, task=record.task, target=target, **reading)
        except (DataError, ConfigError) as error:
            first = first or error
            continue
        flags = " and ".join(f"--{name} {getattr(options, name)}" for name in left_out)
        return dataset, [f"The run's own {flags} does not fit these pictures and is left out."] if left_out else []
    assert first is not None
    raise first
