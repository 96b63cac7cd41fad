"""Folds for cross-validation: every picture is held out once, and what belongs together is held out together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from unfreeze.data.dataset import Dataset, name_some
from unfreeze.data.repair import Unit
from unfreeze.data.split import join_units
from unfreeze.errors import ConfigError, DataError

__all__ = ["Folds", "divide_folds"]

MIN_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Folds:
    """Pictures divided into parts, each held out once while the others train.

    Attributes:
        parts: per fold the indices of its pictures, ascending.
        notes: what the folds lack, in sentences for the user.
    """

    parts: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()

    def training(self, fold: int) -> tuple[int, ...]:
        """Return the indices that train while a fold is held out, ascending."""
        return tuple(sorted(i for number, part in enumerate(self.parts) if number != fold for i in part))


def divide_folds(
    dataset: Dataset,
    *,
    n_folds: int,
    among: Sequence[int] | None = None,
    clusters: Iterable[Sequence[int]] = (),
    seed: int = 0,
) -> Folds:
    """Divide pictures into folds that hold about equally many of each class.

    A group, a cluster of near-duplicates and whatever these join is in one fold (trap 18). Units with the rarest class
    come first, large ones before small ones, and each goes to the fold that has the smallest share of what the unit
    brings: classes, labels, or values below and above the median, and pictures at all. That is the greedy
    stratification of Sechidis, Tsoumakas and Vlahavas (2011), here for whole units; scikit-learn's
    StratifiedGroupKFold does the same for one class per picture only.

    Args:
        dataset: readable pictures only; the sides that it may give are not looked at.
        n_folds: 2 or more.
        among: the indices to divide, all for None; test pictures are left out by the caller.
        clusters: indices of near-duplicates, as `near_duplicates` finds them.
        seed: another seed, other folds. The folds depend on seed and file names (or group names), not on the order of
            files.

    Raises:
        ConfigError: fewer than two folds.
        DataError: pictures in fewer groups than folds.
    """
    if n_folds < MIN_FOLDS:
        raise ConfigError(f"--folds {n_folds}: cross-validation needs at least {MIN_FOLDS} folds.")
    pool = range(len(dataset)) if among is None else among
    units = join_units(dataset, pool, clusters, seed)
    if len(units) < n_folds:
        raise DataError(
            f"The {len(pool)} pictures form only {len(units)} groups that must stay together (by --group, and "
            f"near-duplicates), but {n_folds} folds were asked for. Ask for fewer folds, or group more finely."
        )
    counts = _label_counts(units)
    parts = _place(units, counts, n_folds)
    notes = _notes(dataset, counts)
    return Folds(parts=tuple(tuple(sorted(part)) for part in parts), notes=notes)


def _label_counts(units: Sequence[Unit]) -> np.ndarray:
    """Return in how many pictures of each unit each label occurs (units, labels); label 0 is in all."""
    counts = np.zeros((len(units), 1 + max(label for unit in units for label in unit.labels)))
    for row, unit in zip(counts, units, strict=True):
        row[list(unit.labels)] = list(unit.labels.values())
    return counts


def _place(units: Sequence[Unit], counts: np.ndarray, n_folds: int) -> list[list[int]]:
    totals = np.maximum(counts.sum(axis=0), 1)
    rarest = [int(totals[row > 0].min()) for row in counts]
    order = sorted(range(len(units)), key=lambda i: (rarest[i], -len(units[i].members), units[i].position))
    held = np.zeros((n_folds, counts.shape[1]))
    parts: list[list[int]] = [[] for _ in range(n_folds)]
    for index in order:
        # What the sum of squared shares would grow by, but for a part that is the same in every fold. Rounded, so that
        # equal folds are equal on every machine.
        growth = np.round(held @ (counts[index] / totals**2), 12)
        fold = min(range(n_folds), key=lambda f: (growth[f], held[f, 0]))
        held[fold] += counts[index]
        parts[fold] += units[index].members
    return parts


def _notes(dataset: Dataset, counts: np.ndarray) -> tuple[str, ...]:
    """Note which classes lie in a single unit: while it is held out, nothing trains on them."""
    if dataset.task == "regression":
        return ()
    n_units = np.zeros(1 + len(dataset.outputs), dtype=np.int64)
    n_units[: counts.shape[1]] = (counts > 0).sum(axis=0)
    lonely = [name for name, n in zip(dataset.outputs, n_units[1:], strict=True) if n == 1]
    if not lonely:
        return ()
    one, several = ("class", "classes") if dataset.task == "classification" else ("label", "labels")
    which = f"1 {one} lies" if len(lonely) == 1 else f"{len(lonely)} {several} lie"
    lacking = f"{which} in one picture or group only, and cannot be learned while it is held out"
    return (f"{lacking}: {name_some(lonely)}.",)
