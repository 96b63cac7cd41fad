"""Paired differences with intervals that hold for all rows of a comparison at once, whichever row came out best.

Everything here works on what each picture does to each row's metric (see `metrics.influence`), so that one method
serves all metrics, a group of pictures counts as one, and nothing is trained or scored again.

* **Two sources of chance.** Other pictures and other seeds would have given other figures. They are crossed: every seed
  was judged on every picture. The variance of a mean over seeds is what pictures do to that mean, plus the spread over
  seeds. Where seeds disagree on single pictures, both hold a part of it, so the sum is a little too large (Owen 2007);
  taking that part off would leave intervals too narrow with two or three seeds. Student's t takes its degrees of
  freedom from both (Satterthwaite 1946).
* **Few pictures that carry it.** How well a variance is known depends on how evenly pictures share in it: what rests on
  six of a rare class is known as from six, however many others there are. So its degrees of freedom come from the
  spread of the squares that it is the sum of (Pan and Wall 2002): one per picture where influences are normal, two per
  picture that parts the rows where few do.
* **Few disagreements.** Two good networks differ on a handful of pictures, and the usual error is then too small: four
  pictures that one gets right and the other wrong would pass for a difference. So two more pictures are supposed, of
  the usual weight, one in favour of each row, as Bonett and Price (2012) do for proportions. The weight is that of a
  whole picture (see `picture_contribution`), not of what is left of it when the mean of its class is taken off: where
  four of a class's six pictures part the rows, that is a third.
* **Many rows, and the best chosen by looking.** The level of each interval is set such that in 95% of all data sets the
  differences of *all pairs* of rows lie in theirs: by the largest of all pairs' studentised differences, drawn from
  the rows' joint normal distribution (max-t: Hothorn, Bretz and Westfall 2008; for independent rows it is Tukey's range
  test). What holds for all pairs also holds for the pairs with the row that happened to look best. Hsu's comparisons
  with the best (1984) are narrower, but keep only the truly best row from being called worse; here no row that is as
  good as the best may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics import heaviest_mistake, picture_contribution, picture_influence, score

__all__ = [
    "Measured",
    "Spread",
    "crossed_spread",
    "differences_to",
    "measure",
    "paired_spread",
    "simultaneous_level",
    "student_t",
]

Array = NDArray[Any]
Floats = NDArray[np.float64]

LEVEL = 0.05
N_DRAWS = 10_000
TINY = 1e-12  # relative to the largest variance: what rounding leaves of a difference that is none


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one metric says of every row.

    Attributes:
        values: (rows, seeds) the metric.
        influences: (rows, seeds, groups) what each group of pictures does to it, to first order.
        contributions: (rows, seeds, groups) what each group brings to it.
        mistake: the change by one mistake where it counts most; 0 where the metric has no such bound.
    """

    values: Floats
    influences: Floats
    contributions: Floats
    mistake: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far a mean over seeds would vary.

    Attributes:
        pictures: its variance if other pictures (groups) judged.
        seeds: the variance that other seeds would add; 0 if one seed was tried, which cannot tell.
        degrees: of freedom of the sum of the two.
    """

    pictures: float
    seeds: float
    degrees: float


def measure(
    metric: str,
    truth: Array,
    outputs: Sequence[Sequence[Array]],
    clusters: NDArray[np.intp] | None = None,
    *,
    strata: NDArray[np.intp] | None = None,
) -> Measured:
    """Return what a metric that is defined on these pictures says of every row.

    Args:
        metric: a metric of `METRICS`.
        truth: as `score` takes it.
        outputs: per row and seed, as `score` takes them.
        clusters: (n,) the number of each picture's group; None: each is its own.
        strata: (n,) the number of the fold whose network said what is judged; see `score`.
    """

    def by_group(each: Floats) -> Floats:
        return each if clusters is None else np.bincount(clusters, weights=each).astype(np.float64)

    mistake = max(heaviest_mistake(metric, truth, each) for row in outputs for each in row)
    if clusters is not None:
        mistake = min(1.0, mistake * len(truth) / (int(clusters.max()) + 1))
    return Measured(
        values=np.array([[score(metric, truth, each, strata=strata) for each in row] for row in outputs]),
        influences=np.array(
            [[by_group(picture_influence(metric, truth, each, strata=strata)) for each in row] for row in outputs]
        ),
        contributions=np.array(
            [[by_group(picture_contribution(metric, truth, each, strata=strata)) for each in row] for row in outputs]
        ),
        mistake=mistake,
    )


def paired_spread(measured: Measured, one: int, other: int) -> Spread:
    """Return the spread of the difference between two rows, two supposed pictures included."""
    influences = measured.influences[one] - measured.influences[other]
    contributions = measured.contributions[one] - measured.contributions[other]
    weight = max(_usual_square(influences.mean(axis=0)), _usual_square(contributions.mean(axis=0)))
    supposed = 2 * (weight if weight > 0 else measured.mistake**2)
    return crossed_spread(measured.values[one] - measured.values[other], influences, supposed=supposed)


def crossed_spread(values: Floats, influences: Floats, *, supposed: float = 0.0) -> Spread:
    """Return the spread of a mean over seeds whose pictures are the same for every seed.

    Args:
        values: (seeds,) a metric or a difference of metrics.
        influences: (seeds, groups) its influences.
        supposed: variance by pictures that were supposed, not seen.
    """
    n_seeds, n_groups = influences.shape
    squares = influences.mean(axis=0) ** 2
    pictures = float(np.sum(squares)) + supposed
    seeds = float(values.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    parts = [pictures**2 / _degrees(squares)] if n_groups > 1 else []
    if seeds > 0:
        parts.append(seeds**2 / (n_seeds - 1))
    unsure = sum(parts)
    degrees = (pictures + seeds) ** 2 / unsure if unsure > 0 else float("inf")
    return Spread(pictures=pictures, seeds=seeds, degrees=degrees)


def differences_to(measured: Measured, best: int, *, seed: int = 0) -> Floats:
    """Return each row's difference to one row with its limits, for all rows at once.

    Args:
        measured: of all rows.
        best: the row that the others are compared with; it may have been chosen by looking at the values.
        seed: of the draws behind the level.

    Returns:
        (rows, 3) mean, low, high: the row minus `best`. The limits of a row are nan where the data cannot tell (one
        group of pictures; equal outputs, for a metric without bounds), and 0 for `best` itself.
    """
    level = simultaneous_level(measured.influences.mean(axis=1), seed=seed)
    found = np.zeros((len(measured.values), 3))
    for row in range(len(found)):
        if row == best:
            continue
        apart = float(np.mean(measured.values[row] - measured.values[best]))
        reach = _reach(measured, row, best, level)
        found[row] = apart + np.array([0.0, -reach, reach])
    return found


def simultaneous_level(influences: Floats, *, seed: int = 0) -> float:
    """Return the level at which each pair of rows is judged, so that all pairs together are judged at 5%.

    Args:
        influences: (rows, groups) of each row's mean over seeds.
        seed: of the draws.

    >>> simultaneous_level(np.eye(2))
    0.05
    """
    from scipy.special import ndtr

    scale = np.abs(influences).max(initial=0.0)
    if len(influences) <= 2 or scale == 0:  # noqa: PLR2004 - one pair
        return LEVEL
    covariance = (influences / scale) @ (influences / scale).T
    own = np.diag(covariance)
    apart = own[:, None] + own[None, :] - 2 * covariance  # (rows, rows) variances of differences
    with np.errstate(divide="ignore"):
        weight = np.where(apart > TINY * own.max(), 1 / np.sqrt(np.maximum(apart, 0)), 0.0)
    variances, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variances, 0))
    drawn = np.random.default_rng(seed).standard_normal((N_DRAWS, len(own))) @ root.T
    largest = np.zeros(N_DRAWS)
    for row in range(len(own) - 1):
        gaps = np.abs(drawn[:, row + 1 :] - drawn[:, row, None]) * weight[row, row + 1 :]
        largest = np.maximum(largest, gaps.max(axis=1))
    reached = float(np.quantile(largest, 1 - LEVEL))
    return LEVEL if reached == 0 else min(LEVEL, 2 * float(ndtr(-reached)))


def student_t(degrees: float, level: float = LEVEL) -> float:
    """Return the two-sided quantile of Student's t; infinitely many degrees of freedom make it normal."""
    from scipy.special import ndtri, stdtrit

    p = 1 - level / 2
    return float(ndtri(p)) if np.isinf(degrees) else float(stdtrit(degrees, p))


def _reach(measured: Measured, row: int, best: int, level: float) -> float:
    """Return half the width of a difference's interval; nan where the data cannot tell."""
    if measured.influences.shape[2] == 1:
        return float("nan")
    spread = paired_spread(measured, row, best)
    variance = spread.pictures + spread.seeds
    return student_t(spread.degrees, level) * variance**0.5 if variance > 0 else float("nan")


def _usual_square(apart: Floats) -> float:
    """Return the squared weight of the pictures that part two rows, each counted by its share in all squares."""
    squares = apart**2
    total = float(squares.sum())
    return float(np.sum(squares**2)) / total if total > 0 else 0.0


def _degrees(squares: Floats) -> float:
    """Return the degrees of freedom of a sum of independent squares (n,), n > 1, from how they vary.

    Those of the chi-squared variable that has the sum's mean and variance: 2 mean² / variance. Never more than n - 1.
    """
    varying = float(np.sum((squares - squares.mean()) ** 2))
    most = float(len(squares) - 1)
    return min(most, 2 * float(squares.sum()) ** 2 / varying) if varying > 0 else most
