"""Copies that hashes do not see: pictures whose features are nearly equal, as mirrored and cropped ones have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unfreeze.auditing.findings import Finding
from unfreeze.auditing.sides import sides_of
from unfreeze.data import Dataset, Split

__all__ = ["MIN_COSINE", "likeness_findings"]

MIN_COSINE = 0.9  # of features minus their mean: most mirrored and half of the cropped copies reach it (docs)
ROWS_AT_ONCE = 1024


def likeness_findings(
    dataset: Dataset, features: np.ndarray, split: Split | None = None, *, known: Sequence[Sequence[int]] = ()
) -> list[Finding]:
    """Return a finding about pictures on different sides that a network takes for nearly the same.

    Args:
        dataset: the pictures.
        features: float (n, d) of all of them.
        split: its sides; None takes those that the data give, if they do.
        known: near-duplicates that are reported already.
    """
    sides = sides_of(dataset, split)
    learned = np.array([i for i, side in sides.items() if side == "train"], dtype=np.int64)
    judged = np.array([i for i, side in sides.items() if side != "train"], dtype=np.int64)
    if not len(learned) or not len(judged):
        return []
    cluster_of = {i: number for number, members in enumerate(known) for i in members}
    pairs = [
        pair for pair in _near(features, judged, learned) if cluster_of.get(pair[0], -1) != cluster_of.get(pair[1], -2)
    ]
    if not pairs:
        return []
    first, second = pairs[0]
    return [
        Finding(
            "UF303",
            f"{len({pair[0] for pair in pairs})} pictures that validate or test look to a network nearly like one "
            f'that trains. The first: "{dataset.files[first]}" ({sides[first]}) and "{dataset.files[second]}" (train).',
            tuple(dataset.files[i] for i in dict.fromkeys(i for pair in pairs for i in pair)),
            "Look at them: mirrored, cropped and neighbouring pictures make a score too good. Name what belongs "
            "together by --group, so that it stays on one side.",
        )
    ]


def _near(features: np.ndarray, judged: np.ndarray, learned: np.ndarray) -> list[tuple[int, int]]:
    """Return, for each judged picture that has one, itself and the nearest learned picture; the nearest pairs first."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(norms > 0, norms, 1.0)
    found = []
    for start in range(0, len(judged), ROWS_AT_ONCE):
        some = judged[start : start + ROWS_AT_ONCE]
        cosines = unit[some] @ unit[learned].T
        nearest = cosines.argmax(axis=1)
        for i, j in zip(some.tolist(), nearest.tolist(), strict=True):
            cosine = float(unit[i] @ unit[learned[j]])
            if cosine >= MIN_COSINE:
                found.append((cosine, i, int(learned[j])))
    return [(i, j) for _, i, j in sorted(found, key=lambda each: (-each[0], each[1]))]
