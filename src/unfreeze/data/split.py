"""Train, validation and test: whole groups on one side, the same for old files when files are added."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unfreeze.data.dataset import SIDES, Dataset, check_trainable, name_some
from unfreeze.data.repair import Cover, Move, Unit, cover_sides, fill_train
from unfreeze.errors import DataError

__all__ = ["SHARES", "Split", "join_units", "split_dataset"]

SHARES = (0.70, 0.15, 0.15)
EDGES = ((0.0, 0.70), (0.70, 0.85), (0.85, 1.0))


@dataclass(frozen=True, slots=True)
class Split:
    """Which pictures are learned from, chosen by, and reported on; indices are sorted.

    Attributes:
        train: indices into the dataset's files.
        val: the same.
        test: the same.
        moved: those that lie on another side than their hash says, because a class would have missed.
        notes: how the sides came about, in sentences for the user.
        sha256: of the sides with their file names, as hex.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]
    notes: tuple[str, ...]
    sha256: str
    moved: tuple[int, ...] = ()

    @property
    def sides(self) -> Mapping[str, tuple[int, ...]]:
        """The indices by the names "train", "val" and "test"."""
        return {"train": self.train, "val": self.val, "test": self.test}


def split_dataset(dataset: Dataset, *, clusters: Iterable[Sequence[int]] = (), seed: int = 0) -> Split:
    """Divide a dataset 70/15/15 into train, val and test.

    What matters, in this order:

    1. A group, a cluster of near-duplicates, and whatever these join, is wholly on one side (trap 18).
    2. A side is a function of the seed and the unit's name alone (the first of its group names, else
       of its file names), so old files stay where they are when files are added. Shares are therefore
       met on average, not exactly.
    3. Where a side would lack a class, the fewest pictures are moved so that it does not: every class
       (classification), every label (multilabel), values below and above the median (regression). If
       train would hold less than half of the pictures (a few large groups), groups are moved to it.
       Both are noted. A class that lies in fewer units than sides misses from val or test; also noted.

    Sides that the dataset gives (a split column, folders) are kept; a missing val or test is drawn from
    train by the same rule.

    Args:
        dataset: readable pictures only.
        clusters: indices of near-duplicates, as `near_duplicates` finds them.
        seed: another seed, another split.

    Raises:
        DataError: what `check_trainable` raises; or pictures in too few groups to fill every side.
    """
    check_trainable(dataset)
    groups = [tuple(cluster) for cluster in clusters]
    given = np.array(dataset.splits if dataset.splits is not None else ["train"] * len(dataset))
    sides = np.array([SIDES.index(side) for side in given], dtype=np.int64)
    free = (0, *(i for i in (1, 2) if not np.any(sides == i)))
    notes: list[str] = []
    moved: list[int] = []
    if len(free) > 1:
        notes, moved = _draw(dataset, sides, free, groups, seed)
    if dataset.splits is not None:
        notes = [*_given_notes(dataset, sides, free, groups), *notes]
    notes += _missing_notes(dataset, sides)
    parts = [tuple(np.flatnonzero(sides == side).tolist()) for side in range(3)]
    if empty := [name for name, part in zip(SIDES, parts, strict=True) if not part]:
        raise DataError(f"No picture is left for {' and '.join(empty)}. Add pictures, or another split.")
    return Split(
        train=parts[0],
        val=parts[1],
        test=parts[2],
        notes=tuple(notes),
        sha256=_sha256(dataset, sides),
        moved=tuple(sorted(moved)),
    )


def join_units(dataset: Dataset, pool: Sequence[int], clusters: Iterable[Sequence[int]], seed: int) -> list[Unit]:
    """Join pictures of one group or cluster, and what these join, into units that stay together.

    Args:
        dataset: the pictures, with their groups.
        pool: indices of those that are joined; others are left out.
        clusters: indices of near-duplicates.
        seed: of the units' positions.
    """
    parent = {index: index for index in pool}

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    by_group: dict[str, list[int]] = {}
    for index in pool if dataset.groups is not None else ():
        assert dataset.groups is not None
        by_group.setdefault(dataset.groups[index], []).append(index)
    for joined in (*by_group.values(), *clusters):
        inside = [index for index in joined if index in parent]
        for index in inside[1:]:
            parent[root(index)] = root(inside[0])
    members: dict[int, list[int]] = {}
    for index in pool:
        members.setdefault(root(index), []).append(index)
    names = dataset.files if dataset.groups is None else dataset.groups
    labels = _labels(dataset)
    return [
        Unit(
            members=tuple(indices),
            # The first name, not the least hash: new files mostly have later names, and then change nothing.
            position=_position(min(names[i] for i in indices), seed),
            labels=Counter(label for i in indices for label in labels[i]),
        )
        for indices in members.values()
    ]


def _draw(
    dataset: Dataset, sides: np.ndarray, free: tuple[int, ...], clusters: Sequence[tuple[int, ...]], seed: int
) -> tuple[list[str], list[int]]:
    """Divide the pictures of train among the free sides, in place; return notes and what was moved."""
    pool = np.flatnonzero(sides == 0).tolist()
    units = join_units(dataset, pool, clusters, seed)
    if len(units) < len(free):
        raise DataError(
            f"The {len(pool)} pictures form only {len(units)} groups that must stay together (by --group, and "
            f"near-duplicates), but {len(free)} are needed for {', '.join(SIDES[side] for side in free)}. "
            "Group more finely, or add pictures."
        )
    cover = Cover(sides=free, prices=_prices(dataset, units, free), edges=EDGES)
    start = [_side(unit.position, free) for unit in units]
    covered, for_classes = cover_sides(units, start, cover=cover)
    final, for_train = fill_train(units, covered, cover=cover, share=1 - sum(SHARES[side] for side in free[1:]))
    for unit, side in zip(units, final, strict=True):
        sides[list(unit.members)] = side
    notes = [_move_note(dataset, units, for_classes, _repair_reason(dataset))] if for_classes else []
    if for_train:
        notes.append(_move_note(dataset, units, for_train, "train holds half of the pictures, where it can"))
    changed = [i for i, (old, new) in enumerate(zip(start, final, strict=True)) if old != new]
    return notes, [member for i in changed for member in units[i].members]


def _position(name: str, seed: int) -> float:
    """Return a number in 0..1 that is uniform over names and belongs to this name and seed for ever."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _side(position: float, free: tuple[int, ...]) -> int:
    side = next(i for i, (_, high) in enumerate(EDGES) if position < high)
    return side if side in free else 0


def _labels(dataset: Dataset) -> list[tuple[int, ...]]:
    """Return for each picture what a side should not lack; label 0 is to be a picture at all."""
    if dataset.task == "classification":
        return [(0, 1 + int(target)) for target in dataset.targets]
    if dataset.task == "multilabel":
        return [(0, *(1 + np.flatnonzero(row > 0)).tolist()) for row in dataset.targets]
    above = dataset.targets > np.median(dataset.targets, axis=0)
    n = len(dataset.outputs)
    return [(0, *(1 + np.arange(n) + n * row).tolist()) for row in above]


def _prices(dataset: Dataset, units: Sequence[Unit], free: tuple[int, ...]) -> np.ndarray:
    """Return what a missing label costs: any picture on every side, and every class in train, cost most."""
    n_labels = 1 + len(dataset.outputs) * (2 if dataset.task == "regression" else 1)
    prices = np.zeros((3, n_labels))
    prices[list(free)] = 1.0
    dear = 3.0 * n_labels + 1
    if dataset.task != "classification":
        # A label on fewer units than sides cannot be everywhere: it is only kept in train.
        n_units = np.bincount([label for unit in units for label in unit.labels], minlength=n_labels)
        prices[1:, n_units < len(free)] = 0.0
    else:
        prices[0] = dear
    prices[list(free), 0] = dear * n_labels
    return prices


def _repair_reason(dataset: Dataset) -> str:
    what = {
        "classification": "every class is",
        "multilabel": "every label is",
        "regression": "values below and above the median are",
    }[dataset.task]
    return f"{what} on every side, where it can be"


def _move_note(dataset: Dataset, units: Sequence[Unit], moves: Sequence[Move], reason: str) -> str:
    n_pictures = sum(len(units[move.unit].members) for move in moves)
    named = name_some(
        f"{dataset.files[units[move.unit].members[0]]} ({SIDES[move.source]} to {SIDES[move.target]})" for move in moves
    )
    what = "picture was" if n_pictures == 1 else "pictures were"
    units_text = "" if n_pictures == len(moves) else f" in {len(moves)} groups"
    return f"Repaired: {n_pictures} {what} moved{units_text} so that {reason}: {named}."


def _given_notes(
    dataset: Dataset, sides: np.ndarray, free: tuple[int, ...], clusters: Sequence[tuple[int, ...]]
) -> list[str]:
    """Note which sides were drawn although others are given, and what lies on two sides."""
    notes = []
    if drawn := [SIDES[side] for side in free[1:]]:
        notes.append(f"The data give no {' and no '.join(drawn)}: drawn from train.")
    by_group: dict[str, list[int]] = {}
    for index, group in enumerate(dataset.groups or ()):
        by_group.setdefault(group, []).append(index)
    for what, joined in (("groups", by_group.values()), ("clusters of near-duplicates", clusters)):
        if torn := [part for part in joined if len(set(sides[list(part)].tolist())) > 1]:
            named = name_some(dataset.files[part[0]] for part in torn)
            notes.append(
                f"{len(torn)} {what} lie on several sides of the split that the data give, which inflates scores: "
                f"those of {named}."
            )
    return notes


def _missing_notes(dataset: Dataset, sides: np.ndarray) -> list[str]:
    """Note what a side lacks after all."""
    if dataset.task == "regression":
        return []
    notes = []
    noun = "classes" if dataset.task == "classification" else "labels"
    for index, side in enumerate(SIDES):
        part = dataset.targets[sides == index]
        if dataset.task == "classification":
            present = np.bincount(part, minlength=len(dataset.outputs)) > 0
        else:
            present = (part > 0).any(axis=0)
        if lacking := [name for name, there in zip(dataset.outputs, present, strict=True) if not there]:
            notes.append(f"{len(lacking)} {noun} have no picture in {side}: {name_some(lacking)}.")
    return notes


def _sha256(dataset: Dataset, sides: np.ndarray) -> str:
    lines = sorted(f"{SIDES[side]}\0{file}\n" for side, file in zip(sides, dataset.files, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
