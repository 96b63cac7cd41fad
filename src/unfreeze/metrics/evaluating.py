"""All metrics of a task with their 95% intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics.components import COMPONENTS, Strata, components_of
from unfreeze.metrics.intervals import (
    Clusters,
    Floats,
    Limits,
    design_effect,
    mean_limits,
    ratio_limits,
    wilson,
)
from unfreeze.metrics.naming import METRICS
from unfreeze.metrics.points import N_BINS, as_columns, picture_losses, probabilities, read_by, score
from unfreeze.records import Interval, Metrics, TaskName

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["evaluate_metric", "evaluate_scores", "number_groups"]

Array = NDArray[Any]


def evaluate_scores(
    task: TaskName,
    truth: Array,
    scores: Array,
    *,
    decisions: Array | None = None,
    groups: Sequence[str] | NDArray[np.intp] | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Metrics:
    """Return metrics with their 95% intervals.

    The interval says how far the value could be off because the split holds only so many pictures (or groups
    of pictures); it does not know how another split or seed of the training would have done.

    Args:
        task: the task.
        truth: (n,) class numbers, (n, k) zeros and ones, or (n,) or (n, k) target values in their units.
        scores: (n, c) probabilities by class, (n, k) by label, or (n,) or (n, k) predicted values.
        decisions: see `score`.
        groups: (n,) what each picture belongs to (patient, item): such pictures succeed and fail together.
        seed: of the resampling behind the limits of losses and errors.
        names: which of the task's metrics; None: all.

    Returns:
        By name. `value` is None where the metric is not defined on these pictures (one class only for auroc,
        constant targets for r2); `low` and `high` are None where there is a value but too little to judge it
        by (one group, errors that are all alike).
    """
    probable = np.asarray(scores, dtype=np.float64)
    decided = None if decisions is None else np.asarray(decisions, dtype=np.float64)
    clusters = number_groups(groups)
    return {
        name: evaluate_metric(name, truth, read_by(name, probable, decided), clusters=clusters, seed=seed)
        for name in (METRICS[task] if names is None else names)
    }


def evaluate_metric(
    name: str, truth: Array, scores: Array, *, clusters: Clusters = None, strata: Strata = None, seed: int = 0
) -> Interval:
    """Return one metric with its 95% interval.

    Args:
        name: a metric of `METRICS`.
        truth: see `evaluate_scores`.
        scores: what this metric reads: those that decide, if it counts decisions, else the probabilities.
        clusters: the pictures' groups, as `number_groups` gives them.
        strata: see `score`.
        seed: see `evaluate_scores`.
    """
    real, values = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    value = score(name, real, values, strata=strata)
    if math.isnan(value):
        return Interval(value=None, low=None, high=None)
    limits = _limits(name, real, values, clusters=clusters, strata=strata, seed=seed)
    low, high = limits if limits is not None else (None, None)
    return Interval(
        value=value,
        low=None if low is None else min(low, value),  # rounding must not part a value from its limits
        high=None if high is None else max(high, value),
    )


def number_groups(groups: Sequence[str] | Array | None) -> Clusters:
    """Return the number of each picture's group (n,), or None where each picture is its own."""
    return None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]


def _limits(
    name: str, truth: Array, scores: Floats, *, clusters: Clusters, strata: Strata = None, seed: int
) -> Limits | None:
    if name in COMPONENTS:
        split = components_of(name, truth, scores, strata=strata)
        return mean_limits(split.parts, split.influence, clusters=clusters, shared=split.shared)
    if name == "log_loss":
        return _log_loss_limits(truth, scores, clusters=clusters, seed=seed)
    if name == "ece":
        return _ece_limits(truth, scores, clusters=clusters)
    real, guess = as_columns(truth), as_columns(scores)
    each = [_error_limits(name, real[:, k], guess[:, k], clusters=clusters, seed=seed) for k in range(real.shape[1])]
    known = [limits for limits in each if limits is not None]
    if len(known) < len(each):
        return None
    # As if the targets erred together: never too narrow.
    return float(np.mean([low for low, _ in known])), float(np.mean([high for _, high in known]))


def _error_limits(name: str, truth: Floats, guess: Floats, *, clusters: Clusters, seed: int) -> Limits | None:
    ones, squares = np.ones(len(truth)), (guess - truth) ** 2
    if name == "mae":
        return ratio_limits(np.abs(guess - truth), ones, clusters=clusters, seed=seed)
    if name == "rmse":
        limits = ratio_limits(squares, ones, clusters=clusters, seed=seed)
        return limits and (math.sqrt(limits[0]), math.sqrt(limits[1]))
    assert name == "r2"
    limits = ratio_limits(squares, (truth - truth.mean()) ** 2, clusters=clusters, seed=seed)
    return limits and (1 - limits[1], 1 - limits[0])


def _log_loss_limits(truth: Array, scores: Floats, *, clusters: Clusters, seed: int) -> Limits | None:
    """Limits of the mean log loss, the upper one with room for mistakes that were too rare to be seen.

    At 99% accuracy, 120 pictures hold no mistake three times in ten, and the mistakes are half of the loss.
    So the upper limit is at least the loss that the upper limit of the error rate would bring.
    """
    losses = picture_losses(truth, scores)
    limits = ratio_limits(losses, np.ones(len(losses)), clusters=clusters, seed=seed)
    split = COMPONENTS["accuracy"](truth, scores)
    accuracy = mean_limits(split.parts, split.influence, clusters=clusters)
    if limits is None or accuracy is None:
        return None
    right = scores.argmax(axis=1) == truth
    if right.all():  # what a mistake would cost: all that the class on top does not have, shared by the others
        p = probabilities(scores)
        rest = np.maximum(1 - p.max(axis=1), 1e-7) / max(1, p.shape[1] - 1)
        cost, usual = float(-np.log(rest).mean()), float(losses.mean())
    else:
        cost, usual = float(losses[~right].mean()), float(losses[right].mean()) if right.any() else 0.0
    unseen = (float(right.mean()) - accuracy[0]) * max(0.0, cost - usual)
    return limits[0], max(limits[1], float(losses.mean()) + unseen)


def _ece_limits(truth: Array, scores: Floats, *, clusters: Clusters) -> Limits | None:
    """Limits of the expected calibration error, by the error of each bin's gap.

    Noise adds to absolute gaps, so the estimate is too high on small sets: the lower limit takes off both
    that bias and the spread; the upper one needs the spread alone.
    """
    split = COMPONENTS["accuracy"](truth, scores)
    effect = design_effect(split.parts, split.influence, clusters=clusters)
    if effect is None:
        return None
    confidence = scores.max(axis=1)
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    bins = np.minimum((confidence * N_BINS).astype(np.intp), N_BINS - 1)
    n = np.bincount(bins, minlength=N_BINS)
    used = n > 0
    share = n[used] / len(truth)
    accuracy = np.bincount(bins, weights=right, minlength=N_BINS)[used] / n[used]
    gap = np.abs(accuracy - np.bincount(bins, weights=confidence, minlength=N_BINS)[used] / n[used])
    limits = np.array([wilson(a, k / effect) for a, k in zip(accuracy, n[used], strict=True)])
    error = share * np.maximum(limits[:, 1] - accuracy, accuracy - limits[:, 0])  # 1.96 standard errors of each
    between = 1.96**2 * effect * float(share @ (gap - share @ gap) ** 2) / len(truth)
    spread = float(np.sqrt(np.sum(error**2) + between))
    bias = float(np.sqrt(2 / np.pi) * error.sum() / 1.96)  # the mean of |normal noise|
    value = float(share @ gap)
    return max(0.0, value - bias - spread), min(1.0, value + spread)
