"""What can be told apart well enough to pay for: the one-standard-error rule, and whether anything was learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.comparison.paired import measure, paired_spread
from unfreeze.comparison.statistics import RowOutputs
from unfreeze.metrics import HIGHER_IS_BETTER, number_groups, score

__all__ = ["beats_chance", "cheapest_within_noise", "could_beat_chance", "gain_of", "paired_error"]

Array = NDArray[Any]

N_SHUFFLES = 400
CHANCE = 0.01  # how often a way that has learned nothing may seem to have


def paired_error(
    metric: str,
    truth: Array,
    one: Array,
    other: Array,
    groups: Sequence[str] | None = None,
    *,
    folds: Sequence[int] | None = None,
) -> float:
    """Return the standard error of the difference between two ways on the same pictures (groups count as one).

    That of a comparison (`paired_spread`): what is hard for both cancels, and two more pictures of the usual weight are
    supposed, one in favour of each (Bonett and Price 2012): a single picture that one way gets right and the other
    wrong is no difference. With folds, what ranks pictures (`map`, `auroc`) ranks each among those of its own.
    """
    measured = measure(metric, truth, [[one], [other]], number_groups(groups), strata=_strata(folds))
    return math.sqrt(paired_spread(measured, 0, 1).pictures)


def gain_of(
    metric: str,
    truth: Array,
    one: Array,
    over: Array,
    groups: Sequence[str] | None = None,
    *,
    folds: Sequence[int] | None = None,
) -> tuple[float, float]:
    """Return by how much one way is better than another (negative: worse), and the standard error of that."""
    sign, strata = 1.0 if HIGHER_IS_BETTER[metric] else -1.0, _strata(folds)
    gain = sign * (score(metric, truth, one, strata=strata) - score(metric, truth, over, strata=strata))
    return gain, paired_error(metric, truth, one, over, groups, folds=folds)


def cheapest_within_noise(
    rows: Sequence[RowOutputs],
    truth: Array,
    *,
    metric: str,
    groups: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> int:
    """Return the cheapest of the rows that lie within one standard error of the best; of equal costs the better one.

    Breiman, Friedman, Olshen and Stone's rule (1984, "Classification and regression trees", 3.4.3), here with the
    standard error of the paired difference. Asking for 95% certainty before any cost is paid would, with the hundred
    pictures that usually decide, keep the cheapest way however much better the others are.

    Args:
        rows: one set of outputs each, for the same pictures. A row whose metric is not a number comes last: it is taken
            only if no row has one, and then the cheapest.
        truth: as `compare_rows` takes it.
        metric: what decides.
        groups: what each picture belongs to.
        folds: which fold held out each picture; None without folds.
    """
    sign, strata = 1.0 if HIGHER_IS_BETTER[metric] else -1.0, _strata(folds)
    values = [sign * score(metric, truth, row.outputs[0], strata=strata) for row in rows]
    known = [i for i, value in enumerate(values) if math.isfinite(value)]
    if not known:
        return min(range(len(rows)), key=lambda i: rows[i].cost)
    order = sorted(known, key=lambda i: (-values[i], rows[i].cost))
    best = order[0]

    def error_of(i: int) -> float:
        return paired_error(metric, truth, rows[best].outputs[0], rows[i].outputs[0], groups, folds=folds)

    near = [i for i in order if i == best or values[best] - values[i] <= error_of(i)]
    return min(near, key=lambda i: rows[i].cost)


def _strata(folds: Sequence[int] | None) -> NDArray[np.intp] | None:
    return None if folds is None else np.asarray(folds, dtype=np.intp)


def beats_chance(
    metric: str, truth: Array, outputs: Array, groups: Sequence[str] | None = None, *, seed: int = 0
) -> bool:
    """Say whether outputs tell more of the truth than they would of the same truths in another order.

    A permutation test (Ojala and Garriga 2010) at 1%: it holds for every metric, and for classes of any sizes. The
    pictures of a group move together, or what is the same for a whole group would count as often as it has pictures.
    Where the metric is not defined, as auroc on one class, nothing is told.
    """
    generator = np.random.default_rng(seed)
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    real = sign * score(metric, truth, outputs)
    if not math.isfinite(real):
        return False
    blocks = _blocks(len(truth), groups)
    places = np.concatenate(blocks)
    shuffled = []
    for _ in range(N_SHUFFLES):
        moved = np.empty_like(truth)
        moved[places] = truth[np.concatenate([blocks[i] for i in generator.permutation(len(blocks))])]
        shuffled.append(sign * score(metric, moved, outputs))
    n_as_good = int(np.sum(np.array(shuffled) >= real))
    return bool((n_as_good + 1) / (N_SHUFFLES + 1) <= CHANCE)


def could_beat_chance(metric: str, truth: Array, groups: Sequence[str] | None = None, *, seed: int = 0) -> bool:
    """Say whether right answers for all of these pictures would beat chance: of very few, any answers could be luck."""
    by_class = truth.ndim == 1 and np.issubdtype(truth.dtype, np.integer)
    right = np.eye(int(truth.max()) + 1)[truth] if by_class else truth
    return beats_chance(metric, truth, right.astype(np.float64), groups, seed=seed)


def _blocks(n: int, groups: Sequence[str] | None) -> list[NDArray[np.intp]]:
    """Return the pictures that move together: those of each group, or each alone."""
    numbers = number_groups(groups)
    if numbers is None:
        return [np.array([i]) for i in range(n)]
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
