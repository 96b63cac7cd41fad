"""Which of many pictures are looked at: a part in which no class or label is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.data import Dataset

__all__ = ["draw_pictures"]

FEWEST = 5  # pictures of each class, as far as there are: one for each fold that judges heads


def draw_pictures(
    dataset: Dataset, indices: Sequence[int], *, most: int, generator: np.random.Generator
) -> tuple[int, ...]:
    """Return all of some pictures if they are few, else a part of them, stratified by class.

    Each class or label has its share, as nearly as whole pictures allow, but at least five pictures, or all it has
    (where even that is more than `most`: as many as all can have). A picture with several labels counts for the rarest.

    Args:
        dataset: what the pictures belong to.
        indices: of the pictures.
        most: how many are looked at.
        generator: draws.

    Returns:
        Sorted indices, `most` at most.
    """
    if len(indices) <= most:
        return tuple(indices)
    order = generator.permutation(np.asarray(indices))
    place, first = np.zeros(len(order)), np.full(len(order), FEWEST)
    for members in sorted(_members(dataset, order), key=len, reverse=True):  # the rarest last: its word stands
        rank = np.arange(len(members))
        place[members] = (rank + 0.5) / max(len(members), 1)
        first[members] = np.minimum(first[members], rank)
    return tuple(sorted(order[np.lexsort((place, first))[:most]].tolist()))


def _members(dataset: Dataset, order: NDArray[np.intp]) -> Iterator[NDArray[Any]]:
    """Yield for each class or label the places in `order` that hold it; all at once where there are none."""
    targets = dataset.targets[order]
    if dataset.task == "regression":
        yield np.arange(len(order))
        return
    if dataset.task == "multilabel":
        yield from (np.flatnonzero(column > 0) for column in targets.T)
        yield np.flatnonzero(~(targets > 0).any(axis=1))
        return
    yield from (np.flatnonzero(targets == number) for number in range(len(dataset.outputs)))
