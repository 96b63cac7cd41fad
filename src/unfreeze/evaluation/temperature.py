"""Temperature scaling: one number that divides the logits, so that probabilities say how often they are right.

Guo et al. 2017, "On calibration of modern neural networks". Dividing all logits by one positive number changes no
decision, only how sure the network claims to be of it.

Small validation sets need two precautions:

* Where few validation pictures are wrong, certainty seems to pay without end, and the best temperature on 50 pictures
  can double the log loss of others. So the temperature is drawn towards 1, as if log T were known beforehand to be
  normal around 0 (`PRIOR_WIDTH`); from a few hundred pictures on that changes next to nothing.
* The temperature stays 1 unless a likelihood-ratio test at 5% tells it from 1.

Pictures of a group, and the labels of one picture, err together. Their log loss falls by more than that of as many
independent answers would, by chance alone, so it is scaled down: to what the spread of its slope over groups (pictures)
says that it is worth (the adjusted likelihood of Chandler and Bate 2007), and at most to one observation per group.

docs/reference/calibration.md has the simulation that both were chosen by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics import number_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unfreeze.records import TaskName

__all__ = ["Temperature", "fit_temperature", "logit_losses"]

Floats = NDArray[np.float64]
Logits = NDArray[np.float32] | Floats
Truth = NDArray[np.int64] | NDArray[np.float32]

LEAST_IMAGES = 50
LEAST_GROUPS = 10
PRIOR_WIDTH = 0.5  # standard deviation of log T: two in three temperatures between 0.6 and 1.65
LEVEL = 0.05
LEAST_GAIN = 1.92  # nats in all: half of the 95% quantile of chi-squared with one degree of freedom (Wilks 1938)
BOUNDS = (0.05, 20.0)  # far beyond any temperature that is of use


@dataclass(frozen=True, slots=True)
class Temperature:
    """What divides the logits, and why it is that.

    Attributes:
        value: the temperature; 1 leaves probabilities as they are.
        reason: fitted; or 1, because there are too few pictures ("few") or no gain beyond chance ("no_gain").
    """

    value: float
    reason: Literal["fitted", "few", "no_gain"]


def fit_temperature(
    logits: Logits,
    truth: Truth,
    *,
    task: TaskName,
    shift: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
) -> Temperature:
    """Return the temperature under which validation pictures are least surprising, if it can be told from 1.

    Args:
        logits: (n, n_outputs) raw outputs for pictures that the network was not trained on.
        truth: (n,) class numbers, or (n, n_outputs) zeros and ones.
        task: "classification" (softmax) or "multilabel" (a sigmoid each).
        shift: added to the logits after the division (`ModelRecord.prior_shift`).
        groups: (n,) what each picture belongs to: a group counts as one observation at most.
    """
    clusters = number_groups(groups)
    n_groups = len(truth) if clusters is None else int(clusters.max(initial=-1)) + 1
    if len(truth) < LEAST_IMAGES or n_groups < LEAST_GROUPS:
        return Temperature(1.0, "few")
    values = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        return float(logit_losses(values, truth, task=task, temperature=temperature, shift=shift).sum())

    worth, least_gain = n_groups / len(truth), LEAST_GAIN
    fitted = _least(loss, worth=worth)
    if clusters is not None or task == "multilabel":
        slopes, information = _slopes(values, truth, task=task, temperature=fitted, shift=shift)
        spread = _spread(slopes if clusters is None else np.bincount(clusters, weights=slopes).astype(np.float64))
        if spread * worth > information:
            worth = information / spread
            fitted = _least(loss, worth=worth)
        least_gain = _least_gain(n_groups)
    if not worth * (loss(1.0) - loss(fitted)) > least_gain:  # not: where training diverged, it is nan
        return Temperature(1.0, "no_gain")
    return Temperature(fitted, "fitted")


def logit_losses(
    logits: Floats, truth: Truth, *, task: TaskName, temperature: float = 1.0, shift: Sequence[float] | None = None
) -> Floats:
    """Return the log loss of each picture (n,) in nats: of its class, or summed over its labels.

    It is computed from logits, because probabilities would be rounded to 0 or 1. The arguments are those of
    `fit_temperature`.
    """
    from scipy.special import logsumexp

    scaled = logits / temperature + (0.0 if shift is None else np.asarray(shift))
    if task == "classification":
        return np.asarray(logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth.astype(np.intp)])
    with np.errstate(invalid="ignore"):  # where training diverged, losses are nan
        return np.asarray((np.logaddexp(0, scaled) - truth * scaled).sum(axis=1))


def _slopes(
    logits: Floats, truth: Truth, *, task: TaskName, temperature: float, shift: Sequence[float] | None
) -> tuple[Floats, float]:
    """Return the slope of each picture's log loss in log T (n,), and the Fisher information of all in log T."""
    from scipy.special import expit, softmax

    parts = logits / temperature
    scaled = parts + (0.0 if shift is None else np.asarray(shift))
    if task == "classification":
        p = softmax(scaled, axis=1)
        mean = (p * parts).sum(axis=1)
        spread = (p * (parts - mean[:, None]) ** 2).sum()
        return parts[np.arange(len(truth)), truth.astype(np.intp)] - mean, float(spread)
    p = expit(scaled)
    return ((truth - p) * parts).sum(axis=1), float((p * (1 - p) * parts**2).sum())


def _spread(slopes: Floats) -> float:
    """Return the variance of the sum of independent slopes (n,), n > 1."""
    return len(slopes) * float(slopes.var(ddof=1))


def _least_gain(n_groups: int) -> float:
    """Return what the loss must fall by where its worth is known from so many groups: by F instead of chi-squared."""
    from scipy.special import stdtrit

    return float(stdtrit(n_groups - 1, 1 - LEVEL / 2)) ** 2 / 2


def _least(loss: Callable[[float], float], *, worth: float) -> float:
    """Return the temperature with the least loss in nats, drawn towards 1 by the prior."""
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        return worth * loss(float(np.exp(log_temperature))) + log_temperature**2 / (2 * PRIOR_WIDTH**2)

    low, high = np.log(BOUNDS)
    found = minimize_scalar(objective, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))
