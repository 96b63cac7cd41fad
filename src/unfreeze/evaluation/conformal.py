"""Prediction sets and intervals that hold the truth as often as was asked for: split conformal prediction.

How far off each validation picture is (its *score*) is compared with a threshold: the smallest that, by the ranks
alone, a further picture stays below with the wanted probability (Vovk et al. 2005; Lei et al. 2018). Nothing is assumed
of the network; only that the further picture could as well have been one of the validation pictures.

* *Classes*: a set holds the predicted class, and every class whose probability is at least 1 - threshold. So the
  score is 0 for the predicted class, else 1 - probability. That is LAC (Sadinle et al. 2019) but for the predicted
  class: LAC leaves sets empty where no class is probable, and so must make others larger than these.
* *Values*: an interval reaches as far as the threshold to both sides of the prediction; each target has its own.
* *Groups*: a group counts as one, whatever its size, because its pictures err together: the guarantee is for a picture
  of a new group (hierarchical conformal prediction: Lee, Barber and Willett 2023).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics import evaluate_coverage
from unfreeze.records import ConformalRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.records import Metrics, TaskName

__all__ = ["calibrate_sets", "conformal_metrics", "least_groups", "prediction_intervals", "prediction_sets"]

Floats = NDArray[np.float64]
Array = NDArray[Any]
Bools = NDArray[np.bool_]
ROUNDING = 1e-9


def least_groups(level: float) -> int:
    """Return how many pictures (groups of them) it takes to promise a level; with fewer, only all classes do.

    >>> least_groups(0.9), least_groups(0.99)
    (9, 99)
    """
    return math.ceil(level / (1 - level) - ROUNDING)


def calibrate_sets(
    task: TaskName,
    truth: Array,
    scores: Array,
    predicted: Array,
    *,
    level: float,
    groups: Sequence[str] | None = None,
) -> ConformalRecord | None:
    """Return what makes sets (classes) or intervals (values) of predictions; None with too few pictures or groups.

    Args:
        task: "classification" or "regression".
        truth: (n,) class numbers, or (n, k) or (n,) values, of pictures that the network was not trained on.
        scores: (n, c) probabilities, or (n, k) predicted values.
        predicted: (n,) class numbers, or (n, k) values.
        level: the share of truths that sets or intervals are to hold, at least 0.5 and below 1.
        groups: (n,) what each picture belongs to.
    """
    assert task != "multilabel"
    clusters = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(np.unique(clusters)) < least_groups(level):
        return None
    if task == "classification":
        classes = np.asarray(truth, dtype=np.intp)
        distances = _class_distances(scores, predicted)[np.arange(len(classes)), classes][:, None]
    else:
        distances = np.abs(_columns(truth) - _columns(predicted))
    thresholds = tuple(_threshold(column, clusters, level=level) for column in distances.T)
    return ConformalRecord(level=level, thresholds=thresholds, n_images=len(truth))


def prediction_sets(scores: Array, predicted: Array, conformal: ConformalRecord) -> Bools:
    """Return which classes are in the set of each picture (n, c); the predicted one always is.

    Args:
        scores: (n, c) probabilities.
        predicted: (n,) class numbers.
        conformal: the network's.
    """
    (threshold,) = conformal.thresholds
    return np.asarray(_class_distances(scores, predicted) <= threshold)


def prediction_intervals(predicted: Array, conformal: ConformalRecord) -> tuple[Floats, Floats]:
    """Return the lower and the upper ends (n, k) of the intervals around predicted values (n, k)."""
    reach = np.asarray(conformal.thresholds)
    values = _columns(predicted)
    return values - reach, values + reach


def conformal_metrics(
    task: TaskName,
    truth: Array,
    scores: Array,
    predicted: Array,
    conformal: ConformalRecord | None,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Metrics:
    """Return how often sets or intervals hold the truth, and how large sets are; nothing where there are none.

    Args:
        task: "classification" or "regression".
        truth: (n,) class numbers, or (n, k) or (n,) values, of pictures that calibrated nothing.
        scores: (n, c) probabilities, or (n, k) predicted values.
        predicted: (n,) class numbers, or (n, k) values.
        conformal: the network's, if it has one.
        groups: (n,) what each picture belongs to; see `unfreeze.metrics.evaluate_scores`.
        seed: of the resampling behind the limits of the set size.

    Returns:
        `coverage`, of several targets the mean; for classes also `set_size`, the mean.
    """
    if conformal is None:
        return {}
    if task == "regression":
        low, high = prediction_intervals(predicted, conformal)
        values = _columns(truth)
        return evaluate_coverage((low <= values) & (values <= high), groups=groups)
    sets = prediction_sets(scores, np.asarray(predicted, dtype=np.int64), conformal)
    held = sets[np.arange(len(truth)), np.asarray(truth, dtype=np.intp)]
    return evaluate_coverage(held[:, None], sizes=sets.sum(axis=1), groups=groups, seed=seed)


def _class_distances(scores: Array, predicted: Array) -> Floats:
    """Return how far each class (n, c) is from being predicted: 0 if it is, else 1 - its probability."""
    distances = 1 - scores.astype(np.float64)
    distances[np.arange(len(scores)), predicted.astype(np.intp)] = 0
    return distances


def _threshold(distances: Floats, clusters: NDArray[np.intp], *, level: float) -> float:
    """Return the least distance up to which a share `level` lies, counting one group more that lies beyond all.

    Each of the G groups weighs 1 / (G + 1), divided among its pictures. Of ungrouped pictures it is the
    ceil((n + 1) × level)-th smallest.
    """
    sizes = np.bincount(clusters)
    order = np.argsort(distances, kind="stable")
    n_groups_below = np.cumsum(1 / sizes[clusters][order])
    wanted = level * (np.count_nonzero(sizes) + 1)
    first = int(np.searchsorted(n_groups_below, wanted - ROUNDING))
    assert first < len(order), "checked by least_groups"
    return float(distances[order[first]])


def _columns(values: Array) -> Floats:
    columns = np.asarray(values, dtype=np.float64)
    return columns[:, None] if columns.ndim == 1 else columns
