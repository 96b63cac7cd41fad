"""How often prediction sets or intervals hold the truth, and how large the sets are, with 95% intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics.components import proportions
from unfreeze.metrics.intervals import mean_limits, ratio_limits
from unfreeze.records import Interval, Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["evaluate_coverage"]


def evaluate_coverage(
    held: NDArray[np.bool_],
    *,
    sizes: NDArray[np.int64] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Metrics:
    """Return `coverage`, and `set_size` where there are sets, with their 95% intervals.

    Args:
        held: (n, k) whether the set or interval of each picture (and target) holds the truth.
        sizes: (n,) how many classes each set holds, at least one.
        groups: (n,) what each picture belongs to: such pictures succeed and fail together.
        seed: of the resampling behind the limits of the set size.

    Returns:
        Each value is None without pictures; limits are None where there is too little to judge the value by (one
        group, sets that are all of one size).
    """
    clusters = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if not len(held):
        nothing = Interval(value=None, low=None, high=None)
        return {"coverage": nothing} if sizes is None else {"coverage": nothing, "set_size": nothing}
    split = proportions(held)
    limits = mean_limits(split.parts, split.influence, clusters=clusters, shared=split.shared)
    found = {"coverage": _interval(float(held.mean()), limits)}
    if sizes is not None:
        counts = sizes.astype(np.float64)
        limits = ratio_limits(counts, np.ones(len(counts)), clusters=clusters, seed=seed)
        found["set_size"] = _interval(float(counts.mean()), limits)
    return found


def _interval(value: float, limits: tuple[float, float] | None) -> Interval:
    low, high = limits if limits is not None else (None, None)
    return Interval(
        value=value,
        low=None if low is None else min(low, value),  # rounding must not part a value from its limits
        high=None if high is None else max(high, value),
    )
