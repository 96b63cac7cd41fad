"""What a recommended way cannot be told from: its differences to the others, corrected for how many they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from unfreeze.advice.inquiry import Inquiry, Notebook
from unfreeze.advice.ways import Tried
from unfreeze.comparison.paired import differences_to, measure
from unfreeze.metrics import HIGHER_IS_BETTER, number_groups, score
from unfreeze.options import seed_of_data

__all__ = ["others_of", "rivals_of"]

Side = Literal["folds", "val"]


def others_of(notebook: Notebook, chosen: Tried) -> list[Tried]:
    """Return the ways of another kind than the chosen one: another network or strategy, or trained or not.

    Sizes and rates of one way are one kind.
    """
    return [each for each in notebook.tried if _kind(each) != _kind(chosen)]


def rivals_of(inquiry: Inquiry, notebook: Notebook, chosen: Tried) -> tuple[str, ...]:
    """Return the ways of another kind that the chosen one is not better than beyond 95%, as people name them.

    Ways on frozen features are compared out of fold, and everything with a training on validation; in each of these
    all pairs together are judged at 5% (`differences_to`). The nearest come first.
    """
    others = others_of(notebook, chosen)
    apart: dict[str, float] = {}
    for rows, side in _judged_together(notebook, chosen):
        for each, (behind, told) in zip(rows, _behind(inquiry, notebook, rows, chosen, side=side), strict=True):
            if not told and any(each is other for other in others):
                apart[_name(inquiry, each)] = behind
    return tuple(sorted(apart, key=apart.__getitem__))


def _judged_together(notebook: Notebook, chosen: Tried) -> Iterator[tuple[list[Tried], Side]]:
    if chosen.way.frozen:
        yield notebook.frozen, "folds"
        yield [chosen, *notebook.live], "val"
    else:
        yield [*notebook.frozen, *notebook.live], "val"


def _behind(
    inquiry: Inquiry, notebook: Notebook, rows: Sequence[Tried], chosen: Tried, *, side: Side
) -> list[tuple[float, bool]]:
    """Return by how much each way is worse than the chosen one, and whether that is told beyond 95%."""
    indices = notebook.pool if side == "folds" else inquiry.data.split.val
    truth, clusters = inquiry.truth(indices), number_groups(inquiry.groups(indices))
    held_in = notebook.held_in if side == "folds" else None
    strata = None if held_in is None else np.asarray(held_in)
    outputs = [getattr(each, side) for each in rows]
    if not all(np.isfinite(score(inquiry.metric, truth, each, strata=strata)) for each in outputs):
        return [(0.0, False)] * len(rows)  # the metric is not defined on these pictures
    measured = measure(inquiry.metric, truth, [[each] for each in outputs], clusters, strata=strata)
    own = next(number for number, each in enumerate(rows) if each is chosen)
    sign = -1.0 if HIGHER_IS_BETTER[inquiry.metric] else 1.0
    found = sign * differences_to(measured, own, seed=seed_of_data(inquiry.base))
    return [(float(mean), bool(min(low, high) > 0)) for mean, low, high in found]


def _kind(tried: Tried) -> tuple[str, str, bool]:
    return tried.record.model, tried.record.strategy, tried.record.frozen


def _name(inquiry: Inquiry, tried: Tried) -> str:
    of = f" of {tried.record.model}" if len(inquiry.models) > 1 else ""
    return f"{tried.record.name}{of} at {tried.record.size} px"
