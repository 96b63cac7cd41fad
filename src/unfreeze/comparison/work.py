"""How much a training computes, and how long a grid will take: estimates that order cells and tell the time left."""

from __future__ import annotations

from collections.abc import Sequence

from unfreeze.options import phase_augment
from unfreeze.plans import Plan, summarise
from unfreeze.records import TrainOptions

__all__ = ["estimate_seconds", "estimate_work"]

FORWARD_AND_BACKWARD = 3  # times a forward pass


def estimate_work(plan: Plan, options: TrainOptions, *, n_train: int, n_held_out: int) -> float:
    """Return the multiply-adds of a training that finds nothing in the cache.

    What lies before the first layer that trains is computed once for each view; the rest forward and backward in
    every epoch, and forward for what validates. Weights, not seconds, so that it is the same on every machine and
    however warm the cache.

    Args:
        plan: what trains when.
        options: views and augmentation.
        n_train: pictures that train.
        n_held_out: pictures that validate and test.
    """
    n_macs = sum(leaf.macs for leaf in plan.layers.leaves)
    work = 0.0
    for index, phase in enumerate(summarise(plan)):
        prefix = n_macs * (phase.cached_share or 0.0)
        augment = phase_augment(options, head_alone=plan.trains_head_alone(index))
        n_views = 1 if augment == "none" else min(phase.epochs, options.views or phase.epochs)
        work += prefix * (n_views * n_train + n_held_out)
        work += (n_macs - prefix) * phase.epochs * (FORWARD_AND_BACKWARD * n_train + n_held_out)
    return work


def estimate_seconds(done: Sequence[tuple[float, float]], to_come: Sequence[float]) -> float | None:
    """Return how long trainings will take, from those that are over; `None` until that can be told.

    Each takes a fixed time (loading, evaluating) and a time in proportion to its work: the line of least squares
    through what was seen, neither part below 0. Trainings of one amount of work tell nothing of any other: the time of
    a head is mostly the fixed one.

    Args:
        done: work and seconds of each finished training.
        to_come: work of each training to come.

    >>> estimate_seconds([(10.0, 3.0), (20.0, 5.0)], [30.0])
    7.0
    >>> estimate_seconds([(10.0, 3.0)], [30.0]) is None
    True
    """
    if not done:
        return None
    works, seconds = zip(*done, strict=True)
    mean_work, mean_seconds = sum(works) / len(works), sum(seconds) / len(seconds)
    spread = sum((work - mean_work) ** 2 for work in works)
    if spread == 0:
        return mean_seconds * len(to_come) if all(work == works[0] for work in to_come) else None
    together = sum((w - mean_work) * (s - mean_seconds) for w, s in zip(works, seconds, strict=True))
    slope = min(max(together / spread, 0.0), mean_seconds / mean_work)
    fixed = mean_seconds - slope * mean_work
    return float(sum(fixed + slope * work for work in to_come))
