"""What a linear probe on features says of pictures that it has not seen: each fold by the others (METHODS: k-fold)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["MIN_PROBED", "N_FOLDS", "cross_validated"]

N_FOLDS = 5
MIN_PROBED = 50  # pictures; with fewer a fold is learned from too little to contradict a label
N_COMPONENTS = 128  # of the features' principal ones: a probe of seconds becomes one of hundredths, as good
STRENGTH = 0.03  # inverse of the L2 penalty, for features of mean square norm N_COMPONENTS; see docs/adr/0016


def cross_validated(
    features: np.ndarray, marks: np.ndarray, *, units: Sequence[Sequence[int]] = (), n_classes: int, seed: int = 0
) -> np.ndarray:
    """Return the probability of each class for each picture, by a logistic probe that has not seen the picture.

    Args:
        features: float (n, d).
        marks: int64 (n,), class numbers.
        units: numbers of pictures that belong together (a group, near-duplicates) and so lie in one fold.
        n_classes: how many classes there are; some may have no picture.
        seed: of the folds.

    Returns:
        float64 (n, n_classes); rows sum to 1. A class that only one fold has gets 0 there.
    """
    from sklearn.linear_model import LogisticRegression

    reduced = _principal(features)
    folds = _folds(marks, units, seed=seed)
    found = np.zeros((len(marks), n_classes))
    for fold in range(N_FOLDS):
        held_out = folds == fold
        known = np.unique(marks[~held_out])
        if not held_out.any() or not len(known):
            continue
        if len(known) == 1:  # nothing to tell apart among the others
            found[np.ix_(held_out, known)] = 1.0
            continue
        probe = LogisticRegression(C=STRENGTH, max_iter=300).fit(reduced[~held_out], marks[~held_out])
        found[np.ix_(held_out, probe.classes_)] = probe.predict_proba(reduced[held_out])
    return found


def _principal(features: np.ndarray) -> np.ndarray:
    """Return the leading principal components, (n, k), scaled together so that their mean square norm is fixed."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    spread = centred.std(axis=0)
    scaled = centred / np.where(spread > 0, spread, 1.0)
    if scaled.shape[0] <= scaled.shape[1]:
        values, vectors = np.linalg.eigh(scaled @ scaled.T)
        kept = slice(-min(N_COMPONENTS, len(values)), None)
        reduced = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
    else:
        _, vectors = np.linalg.eigh(scaled.T @ scaled)
        reduced = scaled @ vectors[:, -N_COMPONENTS:]
    norm = np.sqrt(np.mean(np.sum(reduced**2, axis=1)))
    result: np.ndarray = reduced * (np.sqrt(N_COMPONENTS) / norm if norm > 0 else 1.0)
    return result


def _folds(marks: np.ndarray, units: Sequence[Sequence[int]], *, seed: int) -> np.ndarray:
    """Return the fold of each picture, (n,): units whole, the pictures of each class spread evenly."""
    n = len(marks)
    unit_of = np.arange(n)
    for members in units:  # units may overlap: then they become one
        joined = np.isin(unit_of, unit_of[list(members)])
        unit_of[joined] = unit_of[joined].min()
    first = np.unique(unit_of)
    shuffled = np.random.default_rng(seed).permutation(first)
    order = shuffled[np.argsort(marks[shuffled], kind="stable")]
    fold_of = np.zeros(n, dtype=np.int64)
    fold_of[order] = np.arange(len(order)) % N_FOLDS
    folds: np.ndarray = fold_of[unit_of]
    return folds
