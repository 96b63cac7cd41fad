"""The share of answers that are right, with limits that know which of them err together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics import evaluate_metric, number_groups

if TYPE_CHECKING:
    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.records import Interval

__all__ = ["answer_clusters", "picture_clusters", "share_right"]

Clusters = NDArray[np.intp] | None  # (n,) what each answer belongs to; None: each is its own


def share_right(right: NDArray[np.bool_], clusters: Clusters = None) -> Interval:
    """Return the share of answers that are right with its 95% limits (alone, Wilson's; in clusters, wider).

    Args:
        right: (n,), at least one.
        clusters: (n,) what each belongs to: such answers are right and wrong together.

    Returns:
        Without limits where all answers are of one cluster.

    >>> round(share_right(np.repeat([True, False], [9, 1])).low, 2)
    0.6
    >>> share_right(np.repeat([True, False], [9, 1]), np.zeros(10, dtype=int)).low is None
    True
    """
    answers = np.stack([~right, right], axis=1).astype(np.float64)
    some = number_groups(clusters)  # numbered anew: these may be a part of all answers
    return evaluate_metric("accuracy", np.ones(len(right), dtype=np.intp), answers, clusters=some)


def picture_clusters(predictions: Predictions) -> Clusters:
    """Return the number of each picture's group (n,); None where the pictures are not grouped."""
    return number_groups(predictions.groups)


def answer_clusters(predictions: Predictions) -> Clusters:
    """Return what each answer belongs to: its picture's group; of several labels, at least its picture (n·k,)."""
    of_pictures = picture_clusters(predictions)
    if predictions.task == "classification":
        return of_pictures
    owners = np.arange(len(predictions)) if of_pictures is None else of_pictures
    return np.repeat(owners, len(predictions.outputs))
