"""The splits of a comparison's folds: each validates on one part of what does not test, and trains on the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unfreeze.comparison.folds import divide_folds
from unfreeze.data import Split, near_duplicates
from unfreeze.errors import ConfigError
from unfreeze.training.inputs import StudiedData

__all__ = ["fold_splits"]


def fold_splits(data: StudiedData, *, n_folds: int, seed: int) -> tuple[Split, ...]:
    """Return one split for each fold; the test pictures are those of the split without folds.

    Args:
        data: the pictures and their split.
        n_folds: how many parts train and validation are divided into.
        seed: of the division.

    Raises:
        ConfigError: a class has fewer pictures than there are folds.
        DataError: pictures in fewer groups than folds.
    """
    split, dataset = data.split, data.dataset
    pool = tuple(sorted((*split.train, *split.val)))
    if dataset.task == "classification":
        counts = np.bincount(dataset.targets[list(pool)], minlength=len(dataset.outputs))
        least = int(counts.argmin())
        if counts[least] < n_folds:
            raise ConfigError(
                f'--folds {n_folds} is more than the {counts[least]} pictures of the class "{dataset.outputs[least]}" '
                f"that do not test; take at most {max(counts[least], 1)} folds, or add pictures."
            )
    folds = divide_folds(dataset, n_folds=n_folds, among=pool, clusters=near_duplicates(data.fingerprints), seed=seed)
    return tuple(
        replace(
            split,
            train=folds.training(number),
            val=part,
            notes=(*split.notes, *folds.notes, f"Fold {number + 1} of {n_folds} validates, the others train."),
            sha256=_sha256(split, part),
        )
        for number, part in enumerate(folds.parts)
    )


def _sha256(split: Split, part: Sequence[int]) -> str:
    return hashlib.sha256(f"{split.sha256} {','.join(map(str, part))}".encode()).hexdigest()
