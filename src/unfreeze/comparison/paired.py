"""Paired differences with intervals that hold for all rows of a comparison at once, whichever row came out best.

Everything here works on what each picture does to each row's metric (see `metrics.influence`), so that one method
serves all metrics, a group of pictures counts as one, and nothing is trained or scored again.

* **Two sources of chance.** Other pictures and other seeds would have given other figures. They are crossed: every seed
  was judged on every picture. The variance of a mean over seeds is what pictures do to that mean, plus the spread over
  seeds. Where seeds disagree on single pictures, both hold a part of it, so the sum is a little too large (Owen 2007);
  taking that part off would leave intervals too narrow with two or three seeds. Student's t takes its degrees of
  freedom from both (Satterthwaite 1946).
* **Few disagreements.** Two good networks differ on a handful of pictures, and the usual error is then too small: four
  pictures that one gets right and the other wrong would pass for a difference. So two more pictures are supposed, of
  the usual weight, one in favour of each row, as Bonett and Price (2012) do for proportions.
* **Many rows, and the best chosen by looking.** The level of each interval is set such that in 95% of all data sets the
  differences of *all pairs* of rows lie in theirs: by the largest of all pairs' studentised differences, drawn from
  the rows' joint normal distribution (max-t: Hothorn, Bretz and Westfall 2008; for independent rows it is Tukey's range
  test). What holds for all pairs also holds for the pairs with the row that happened to look best. Hsu's comparisons
  with the best (1984) are narrower, but keep only the truly best row from being called worse; here no row that is as
  good as the best may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Measured", "Spread", "crossed_spread", "differences_to", "simultaneous_level", "student_t"]

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
        mistake: the change by one mistake where it counts most; 0 where the metric has no such bound.
    """

    values: Floats
    influences: Floats
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


def crossed_spread(values: Floats, influences: Floats, *, supposed: float = 0.0) -> Spread:
    """Return the spread of a mean over seeds whose pictures are the same for every seed.

    Args:
        values: (seeds,) a metric or a difference of metrics.
        influences: (seeds, groups) its influences.
        supposed: variance by pictures that were supposed, not seen.
    """
    n_seeds, n_groups = influences.shape
    mean = influences.mean(axis=0)
    pictures = float(np.sum(mean**2)) + supposed
    seeds = float(values.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    parts = [pictures**2 / (n_groups - 1)] if n_groups > 1 else []
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
        apart = measured.values[row] - measured.values[best]
        reach = _reach(apart, measured.influences[row] - measured.influences[best], measured.mistake, level)
        found[row] = apart.mean() + np.array([0.0, -reach, reach])
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


def _reach(values: Floats, influences: Floats, mistake: float, level: float) -> float:
    """Return half the width of a difference's interval; nan where the data cannot tell."""
    if influences.shape[1] == 1:
        return float("nan")
    squares = influences.mean(axis=0) ** 2
    total = float(squares.sum())
    # The usual weight of a picture that parts the two, by its share in the variance.
    usual = float(np.sum(squares**2)) / total if total > 0 else mistake**2
    spread = crossed_spread(values, influences, supposed=2 * usual)
    variance = spread.pictures + spread.seeds
    return student_t(spread.degrees, level) * variance**0.5 if variance > 0 else float("nan")
