"""Metrics in 0..1 taken apart: per class or label a value, its variance, and what each picture does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.metrics.intervals import Component, Floats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["COMPONENTS", "RANKED", "Components", "Strata", "components_of", "proportions"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Strata = NDArray[np.intp] | None  # (n,) the number of the network that gave each picture's scores; None: one gave all


@dataclass(frozen=True, slots=True)
class Components:
    """A metric as the mean of its components.

    Attributes:
        parts: one per class or label that the data can judge; none if it can judge none.
        influence: (n,) what each picture does to the mean, to first order.
        contribution: (n,) what each picture brings to the mean, before the class's own mean is taken off; for areas,
            where no single picture is right or wrong, its influence.
        shared: how many components one mistake usually touches.
    """

    parts: tuple[Component, ...]
    influence: Floats
    contribution: Floats
    shared: float = 1.0


@dataclass(frozen=True, slots=True)
class _Part:
    """One component with its influence and contribution, see `Components`."""

    component: Component
    influence: Floats
    contribution: Floats


def _mean(parts: Iterable[_Part], n: int, *, shared: float = 1.0) -> Components:
    components, influence, contribution = [], np.zeros(n), np.zeros(n)
    for part in parts:
        components.append(part.component)
        influence += part.influence
        contribution += part.contribution
    count = max(1, len(components))
    return Components(tuple(components), influence / count, contribution / count, shared)


def components_of(name: str, truth: NDArray[Any], scores: Floats, *, strata: Strata = None) -> Components:
    """Take a metric apart.

    Args:
        name: one of `COMPONENTS`.
        truth: as for `score`.
        scores: what the metric reads.
        strata: see `Strata`. What ranks pictures compares each with pictures of its own stratum only, as the scores
            of separately trained networks have no common scale; other metrics do not look at it.
    """
    if name in RANKED:
        return RANKED[name](truth, scores, strata)
    return COMPONENTS[name](truth, scores)


def proportions(right: Bools) -> Components:
    """Return the mean of the shares that are right in each column of (n, k)."""
    everyone = np.ones(len(right), dtype=bool)
    columns = (_proportion(column.astype(np.float64), everyone) for column in right.T)
    return _mean(columns, len(right), shared=right.shape[1])


def _accuracy(truth: Ints, scores: Floats) -> Components:
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    return _mean([_proportion(right, np.ones(len(right), dtype=bool))], len(truth))


def _balanced_accuracy(truth: Ints, scores: Floats) -> Components:
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    return _mean((_proportion(right, truth == k) for k in np.unique(truth)), len(truth))


def _macro_f1(truth: Ints, scores: Floats) -> Components:
    guess = scores.argmax(axis=1)
    # A mistake is a miss for one class and a false alarm for another.
    return _mean((_f1((truth == k)[:, None], (guess == k)[:, None]) for k in np.unique(truth)), len(truth), shared=2)


def _auroc(truth: Ints, scores: Floats, strata: Strata = None) -> Components:
    # Of two classes, each area is the other's mirror image: one is enough.
    classes = [1] if scores.shape[1] == 2 else np.unique(truth)  # noqa: PLR2004
    parts = [_area(truth == k, scores[:, k], strata) for k in classes]
    return _mean([part for part in parts if part is not None], len(truth), shared=2)


def _map(truth: Floats, scores: Floats, strata: Strata = None) -> Components:
    return _mean(
        (_average_precision(truth[:, k] > 0, scores[:, k], strata) for k in np.flatnonzero(truth.any(axis=0))),
        len(truth),
        shared=2,
    )


def _f1_micro(truth: Floats, scores: Floats) -> Components:
    real, guess = truth > 0, scores >= 0.5  # noqa: PLR2004 - a label is predicted from one half on
    return _mean([_f1(real, guess)] if (real | guess).any() else [], len(truth))


def _f1_macro(truth: Floats, scores: Floats) -> Components:
    real, guess = truth > 0, scores >= 0.5  # noqa: PLR2004
    present = np.flatnonzero(real.any(axis=0))
    return _mean((_f1(real[:, [k]], guess[:, [k]]) for k in present), len(truth), shared=2)


COMPONENTS: dict[str, Callable[[NDArray[Any], Floats], Components]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "auroc": _auroc,
    "map": _map,
    "f1_micro": _f1_micro,
    "f1_macro": _f1_macro,
}
RANKED: dict[str, Callable[[NDArray[Any], Floats, Strata], Components]] = {"auroc": _auroc, "map": _map}
"""Those of them that compare pictures with each other instead of counting them one by one."""


def _within(strata: Strata, n: int) -> Iterator[NDArray[np.intp]]:
    """Return the numbers of the pictures of each stratum."""
    if strata is None:
        yield np.arange(n)
        return
    for stratum in np.unique(strata):
        yield np.flatnonzero(strata == stratum)


def _proportion(right: Floats, among: Bools) -> _Part:
    n = int(among.sum())
    value = float(right[among].mean())
    influence = np.where(among, right - value, 0.0) / n
    return _Part(Component(value, lambda true: true * (1 - true) / n), influence, np.where(among, right, 0.0) / n)


def _f1(real: Bools, guess: Bools) -> _Part:
    """F1 over all entries of (n, k) arrays: 2J / (1 + J) for the share J of hits in all that is marked."""
    marked, hit = (real | guess).sum(axis=1), (real & guess).sum(axis=1)
    n = int(marked.sum())
    share = float(hit.sum() / n)
    value = 2 * share / (1 + share)
    slope = 2 / (1 + share) ** 2
    component = Component(value, lambda true: true * (1 - true) * (2 - true) ** 2 / (2 * n))
    return _Part(component, (hit - share * marked) / n * slope, hit / n * slope)


def _area(real: Bools, score: Floats, strata: Strata) -> _Part | None:
    """Area under the ROC curve; variance by Hanley and McNeil 1982, sizes by Newcombe 2006 (method 5).

    None where no stratum has both kinds of pictures.
    """
    won, weight = np.zeros(len(real)), np.zeros(len(real))
    n_pos = n_neg = 0
    for here in _within(strata, len(real)):
        own, is_pos = score[here], real[here]
        pos, neg = np.sort(own[is_pos]), np.sort(own[~is_pos])
        if not len(pos) or not len(neg):
            continue
        n_pos, n_neg = n_pos + len(pos), n_neg + len(neg)
        beaten = (np.searchsorted(neg, own, "left") + np.searchsorted(neg, own, "right")) / (2 * len(neg))
        beating = 1 - (np.searchsorted(pos, own, "left") + np.searchsorted(pos, own, "right")) / (2 * len(pos))
        won[here] = np.where(is_pos, beaten, beating)
        weight[here] = np.where(is_pos, 1, len(pos) / len(neg))
    if not n_pos:
        return None
    value = float((weight * won)[real].sum() / n_pos)
    influence = weight * (won - value) / n_pos  # DeLong 1988
    n = (n_pos + n_neg) / 2 - 1

    def variance(true: float) -> float:
        spread = 1 + n * (1 - true) / (2 - true) + n * true / (1 + true)
        return true * (1 - true) * spread / (n_pos * n_neg)

    return _Part(Component(value, variance), influence, influence)


def _average_precision(real: Bools, score: Floats, strata: Strata) -> _Part:
    """Average precision; it varies about like a proportion among the positives (Boyd, Eng and Page 2013)."""
    precision, added = np.zeros(len(real)), np.zeros(len(real))
    for here in _within(strata, len(real)):
        precision[here], added[here] = _precisions(real[here], score[here])
    n_pos = int(real.sum())
    value = float(precision[real].mean())
    influence = (real * (precision - value) + added) / n_pos
    return _Part(Component(value, lambda true: true * (1 - true) / n_pos), influence, influence)


def _precisions(real: Bools, score: Floats) -> tuple[Floats, Floats]:
    """Return the precision at each picture's rank, and what each picture adds to the precision at all positives."""
    every, pos = np.sort(score), np.sort(score[real])
    n_found = len(score) - np.searchsorted(every, score, "left")
    precision = (len(pos) - np.searchsorted(pos, score, "left")) / n_found
    order = np.argsort(score[real])
    # A picture adds to the precision at every positive that ranks no higher than itself.
    share = np.concatenate([[0.0], np.cumsum((1 / n_found[real])[order])])
    loss = np.concatenate([[0.0], np.cumsum((precision[real] / n_found[real])[order])])
    below = np.searchsorted(pos, score, "right")
    return precision, real * share[below] - loss[below]
