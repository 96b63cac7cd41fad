"""What each picture does to a metric, to first order: from it follow the errors of values and of their differences.

The influence of a picture is the change of the metric when its weight grows by one (Hampel 1974). Summed in squares,
over pictures or over groups of them, it is the metric's variance: the infinitesimal jackknife (Jaeckel 1972; Efron
1982), which costs no resampling and cannot lose a class as a resample can.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics.components import COMPONENTS, Strata, components_of
from unfreeze.metrics.intervals import Floats
from unfreeze.metrics.points import N_BINS, as_columns, picture_losses

__all__ = ["heaviest_mistake", "picture_contribution", "picture_influence"]

Array = NDArray[Any]


def picture_influence(name: str, truth: Array, scores: Array, *, strata: Strata = None) -> Floats:
    """Return what each picture does to a metric (n,), in the metric's unit; sums to 0.

    Args:
        name: a metric of `METRICS`.
        truth: (n,) class numbers, (n, k) zeros and ones, or (n,) or (n, k) target values, as for `score`.
        scores: what the metric reads, finite; the metric must be defined on them.
        strata: see `score`. Networks are taken to be equally good, so that a whole stratum is an influence too.
    """
    real, values = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    if name in COMPONENTS:
        return components_of(name, real, values, strata=strata).influence
    if name == "log_loss":
        return _of_mean(picture_losses(real, values))
    if name == "ece":
        return _of_ece(real, values)
    columns, guesses = as_columns(real), as_columns(values)
    each = [_of_error(name, columns[:, k], guesses[:, k]) for k in range(columns.shape[1])]
    return np.asarray(np.mean(each, axis=0))


def picture_contribution(name: str, truth: Array, scores: Array, *, strata: Strata = None) -> Floats:
    """Return what each picture brings to a metric (n,), before means are taken off.

    A picture on which two networks decide alike brings both the same, and one that only one of them gets right parts
    them by its whole weight. Influences, which are centred, do not show that weight where most pictures of a class part
    them. Metrics that count no right pictures (areas, losses, errors) give their influences.

    >>> truth = np.repeat([0, 1], [90, 10])
    >>> picture_contribution("balanced_accuracy", truth, np.eye(2)[truth])[-1]
    np.float64(0.05)
    """
    if name not in COMPONENTS:
        return picture_influence(name, truth, scores)
    values = np.asarray(scores, dtype=np.float64)
    return components_of(name, np.asarray(truth), values, strata=strata).contribution


def heaviest_mistake(name: str, truth: Array, scores: Array) -> float:
    """Return how much one mistake, where it counts most, changes a metric in 0..1; 0 for other metrics.

    Where two networks decide alike on every picture, this is all that is known of how much the next picture
    could part them: with balanced accuracy, one of the rarest class.

    >>> truth = np.repeat([0, 1], [90, 10])
    >>> heaviest_mistake("accuracy", truth, np.eye(2)[truth])
    0.01
    >>> heaviest_mistake("balanced_accuracy", truth, np.eye(2)[truth])
    0.05
    """
    if name not in COMPONENTS:
        return 0.0
    parts = COMPONENTS[name](np.asarray(truth), np.asarray(scores, dtype=np.float64)).parts
    # A proportion among n varies by 1 / 4n at one half, and a mistake moves it by 1 / n.
    return max((4 * part.variance(0.5) for part in parts), default=0.0) / max(1, len(parts))


def _of_mean(losses: Floats) -> Floats:
    return np.asarray((losses - losses.mean()) / len(losses))


def _of_ece(truth: Array, scores: Floats) -> Floats:
    confidence = scores.max(axis=1)
    bins = np.minimum((confidence * N_BINS).astype(np.intp), N_BINS - 1)
    gap = (scores.argmax(axis=1) == truth) - confidence
    return _of_mean(np.sign(np.bincount(bins, weights=gap, minlength=N_BINS))[bins] * gap)


def _of_error(name: str, truth: Floats, guess: Floats) -> Floats:
    squares = (guess - truth) ** 2
    if name == "mae":
        return _of_mean(np.abs(guess - truth))
    if name == "rmse":
        rmse = float(np.sqrt(squares.mean()))
        return _of_mean(squares) / (2 * rmse) if rmse > 0 else np.zeros(len(truth))
    assert name == "r2"
    spread = (truth - truth.mean()) ** 2
    return np.asarray((squares.sum() / spread.sum() * spread - squares) / spread.sum())
