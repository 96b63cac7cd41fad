"""Metrics as plain numbers, made to hold on splits that miss classes.

They equal scikit-learn's where it defines them, as tests hold. It is not called: it takes a second to load, a tenth
of a whole training, and the values of most metrics come with the components that their intervals are made of.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import ConfigError, did_you_mean
from unfreeze.metrics.components import RANKED, Strata, components_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.metrics.intervals import Floats

__all__ = ["N_BINS", "as_columns", "picture_losses", "probabilities", "read_by", "score"]

N_BINS = 15  # of confidence, equally wide (Guo 2017)
FLOOR = 1e-7  # about float32's resolution: a probability of 0 there is not known to be smaller

# What is counted is what was decided, not how probable it was.
DECIDED = frozenset({"accuracy", "balanced_accuracy", "macro_f1", "f1_micro", "f1_macro"})

Array = NDArray[Any]


def read_by(name: str, scores: Array, decisions: Array | None) -> Array:
    """Return the scores that a metric reads: those that decide, if it counts decisions, else the probabilities."""
    return decisions if decisions is not None and name in DECIDED else scores


def score(name: str, truth: Array, scores: Array, *, decisions: Array | None = None, strata: Strata = None) -> float:
    """Return one metric's value; nan where the data cannot tell, or where a score is not finite.

    Macro averages and `map` run over the classes or labels that occur in `truth`; `auroc` is one against the
    rest, over classes that occur and do not fill the split. Of several regression targets the mean counts.

    Args:
        name: a metric of `METRICS`.
        truth: (n,) class numbers, (n, k) zeros and ones, or (n,) or (n, k) target values in their units.
        scores: (n, c) probabilities by class, (n, k) by label, or (n,) or (n, k) predicted values.
        decisions: like `scores`, where classes or labels are decided by other scores than the probabilities
            (a network trained with class weights decides as it was trained, with natural probabilities).
        strata: (n,) the number of the network that gave each picture's scores, where several did (out of fold). For
            `auroc` and `map` each picture is then ranked among those of its own network; None: one gave all.

    Raises:
        ConfigError: there is no such metric.
    """
    if name not in _POINTS:
        raise ConfigError(f'There is no metric "{name}".{did_you_mean(name, _POINTS)}')
    values = np.asarray(read_by(name, scores, decisions), dtype=np.float64)
    if len(truth) != len(values):
        raise ValueError(f"{len(truth)} truths but {len(values)} scores")
    if len(values) == 0 or not np.isfinite(values).all():
        return float("nan")
    if name in RANKED:
        return _mean_component(name, np.asarray(truth), values, strata)
    return float(_POINTS[name](np.asarray(truth), values))


def probabilities(scores: Floats) -> Floats:
    """Return probabilities (n, c) that sum to 1 in double precision, none below 1e-7."""
    clipped = np.clip(scores, FLOOR, None)
    return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))


def picture_losses(truth: Array, scores: Floats) -> Floats:
    """Return the log loss of each picture (n,)."""
    return np.asarray(-np.log(probabilities(scores)[np.arange(len(truth)), truth.astype(np.intp)]))


def as_columns(values: Array) -> Floats:
    """Return targets or predictions as (n, k)."""
    columns = np.asarray(values, dtype=np.float64)
    return columns[:, None] if columns.ndim == 1 else columns


def _accuracy(truth: Array, scores: Floats) -> float:
    return float((scores.argmax(axis=1) == truth).mean())


def _balanced_accuracy(truth: Array, scores: Floats) -> float:
    n_right = np.bincount(truth, weights=scores.argmax(axis=1) == truth)
    n_all = np.bincount(truth)
    return float((n_right[n_all > 0] / n_all[n_all > 0]).mean())


def _log_loss(truth: Array, scores: Floats) -> float:
    return float(picture_losses(truth, scores).mean())


def _ece(truth: Array, scores: Floats) -> float:
    """Expected calibration error: confidence against accuracy by bins of the top probability (Guo 2017)."""
    confidence = scores.max(axis=1)
    bins = np.minimum((confidence * N_BINS).astype(np.intp), N_BINS - 1)
    gap = np.bincount(bins, weights=(scores.argmax(axis=1) == truth) - confidence, minlength=N_BINS)
    return float(np.abs(gap).sum() / len(truth))


def _mean_component(name: str, truth: Array, scores: Floats, strata: Strata = None) -> float:
    """Return what the metric's components are on average: that of which its interval is made."""
    values = [part.value for part in components_of(name, truth, scores, strata=strata).parts]
    return float(np.mean(values)) if values else float("nan")


def _mae(truth: Array, scores: Floats) -> float:
    return float(np.abs(as_columns(scores) - as_columns(truth)).mean())


def _rmse(truth: Array, scores: Floats) -> float:
    return float(np.sqrt(((as_columns(scores) - as_columns(truth)) ** 2).mean(axis=0)).mean())


def _r2(truth: Array, scores: Floats) -> float:
    real, guess = as_columns(truth), as_columns(scores)
    if (np.ptp(real, axis=0) == 0).any():
        return float("nan")  # nothing to explain
    unexplained = ((guess - real) ** 2).sum(axis=0) / ((real - real.mean(axis=0)) ** 2).sum(axis=0)
    return float((1 - unexplained).mean())


_POINTS: dict[str, Callable[[Array, Floats], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": partial(_mean_component, "macro_f1"),
    "log_loss": _log_loss,
    "ece": _ece,
    "auroc": partial(_mean_component, "auroc"),
    "map": partial(_mean_component, "map"),
    "f1_micro": partial(_mean_component, "f1_micro"),
    "f1_macro": partial(_mean_component, "f1_macro"),
    "mae": _mae,
    "rmse": _rmse,
    "r2": _r2,
}
