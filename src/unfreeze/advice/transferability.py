"""How well a frozen network's features suit a task, from the features alone: LogME and the H-score.

Neither trains a head, so that many networks can be ranked in the time of one. No score ranks rightly on every data set;
they stand beside what linear probes reach, never above it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["h_score", "log_me", "shrinkage_of"]

Floats = NDArray[np.float64]

MAX_ITERATIONS = 50
CONVERGED = 1e-3  # relative change of alpha / beta at which the evidence no longer moves
TINY = 1e-12


def log_me(features: NDArray[Any], targets: NDArray[Any]) -> float:
    """Return LogME: the log evidence of a Bayesian linear model of the targets, per picture, the mean over targets.

    y = F m + noise, with m ~ N(0, 1/alpha) and noise of precision beta; both are where the evidence is highest, found
    by MacKay's fixed-point iteration on the singular values of F. You, Liu, Wang, Long, "LogME: practical assessment of
    pre-trained models for transfer learning", ICML 2021. Higher is better; only values for the same pictures compare.

    Args:
        features: (n, d) of n pictures, finite.
        targets: (n,) class numbers (each class against the others), (n, k) zeros and ones, or (n, k) values, which are
            standardised first, so that their unit does not matter. Columns that do not vary are left out.

    Returns:
        nan where no target varies.
    """
    rows = np.asarray(features, dtype=np.float64)
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    columns = [y for y in _as_columns(targets).T if np.ptp(y) > 0]
    if not columns:
        return float("nan")
    return float(np.mean([_evidence(left, singular, y, n_features=rows.shape[1]) for y in columns]))


def h_score(features: NDArray[Any], classes: NDArray[Any], *, shrinkage: float = 0.0) -> float:
    """Return the H-score tr(cov(f)^-1 cov(E[f | y])): between-class variance in units of all variance.

    Bao et al., "An information-theoretic approach to transferability in task transfer learning", ICIP 2019. At most the
    number of classes less 1. With fewer pictures than features it is that bound whatever the features are, unless the
    covariance is shrunk towards a multiple of the identity (Ibrahim, Ponomareva, Mazumder, "Newer is not always
    better", ECML PKDD 2022; `shrinkage_of` gives the amount).

    Args:
        features: (n, d), finite.
        classes: (n,) class numbers.
        shrinkage: 0 (the covariance as it is, its pseudo-inverse) to 1.
    """
    rows = np.asarray(features, dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    means = np.zeros_like(centred)
    for number in np.unique(classes):
        members = classes == number
        means[members] = centred[members].mean(axis=0)
    covariance = centred.T @ centred / len(rows)
    between = means.T @ means / len(rows)
    if shrinkage:
        identity = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        covariance = (1 - shrinkage) * covariance + shrinkage * identity
        return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, between)))
    return float(np.trace(np.linalg.pinv(covariance, hermitian=True) @ between))


def shrinkage_of(features: NDArray[Any]) -> float:
    """Return how much to shrink the covariance of features (n, d): Ledoit and Wolf 2004."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    return float(ledoit_wolf_shrinkage(np.asarray(features, dtype=np.float64)))


def _as_columns(targets: NDArray[Any]) -> Floats:
    """Return what is to be explained, (n, k)."""
    values = np.asarray(targets)
    if values.ndim == 1 and np.issubdtype(values.dtype, np.integer):
        return np.asarray(values[:, None] == np.unique(values), dtype=np.float64)
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if np.isin(columns, (0.0, 1.0)).all():
        return columns
    std = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0)) / np.where(std > 0, std, 1.0))


def _evidence(left: Floats, singular: Floats, y: Floats, *, n_features: int) -> float:
    n = len(y)
    squares, along = singular**2, left.T @ y
    outside = max(float(y @ y - along @ along), 0.0)  # of y, what no weights reach
    alpha = beta = 1.0
    for _ in range(MAX_ITERATIONS):
        weights = beta * singular * along / (alpha + beta * squares)
        length = max(float(weights @ weights), TINY)
        error = max(float(np.sum((along - singular * weights) ** 2)) + outside, TINY)
        n_used = float(np.sum(beta * squares / (alpha + beta * squares)))
        before = alpha / beta
        alpha, beta = n_used / length, max(n - n_used, TINY) / error
        if abs(alpha / beta - before) <= CONVERGED * before:
            break
    weights = beta * singular * along / (alpha + beta * squares)
    error = float(np.sum((along - singular * weights) ** 2)) + outside
    spread = float(np.sum(np.log(alpha + beta * squares))) + (n_features - len(squares)) * np.log(alpha)
    log_evidence = 0.5 * (
        n * np.log(beta)
        + n_features * np.log(alpha)
        - n * np.log(2 * np.pi)
        - beta * error
        - alpha * float(weights @ weights)
        - spread
    )
    return float(log_evidence) / n
