"""A labelled set of pictures as one frozen value: which files, which targets, and what was noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.errors import DataError, did_you_mean, raise_together

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.data.scanning import Fingerprint
    from unfreeze.records import TaskName

__all__ = [
    "SIDES",
    "Dataset",
    "align_outputs",
    "check_trainable",
    "dataset_fingerprint",
    "drop_unreadable",
    "name_some",
]

SIDES = ("train", "val", "test")
N_REASONS = 5  # unreadable pictures that an error explains one by one


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures with their targets, in a fixed order.

    Attributes:
        root: the folder that the file names are relative to.
        files: names with "/" between the parts, one for each picture.
        task: what is learned.
        outputs: class names (classification), label names (multilabel) or target columns (regression).
        targets: int64 (n,) indices into `outputs`, or float32 (n, k) zeros and ones, or units. Read-only.
        groups: for each picture the name of what must stay on one side of the split, or None.
        splits: for each picture "train", "val" or "test" as the data say it, or None.
        notes: what the reader decided or left out, in sentences for the user.
    """

    root: Path
    files: tuple[str, ...]
    task: TaskName
    outputs: tuple[str, ...]
    targets: np.ndarray
    groups: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.files)
        shape = (n,) if self.task == "classification" else (n, len(self.outputs))
        assert self.targets.shape == shape, (self.targets.shape, shape)
        assert self.groups is None or len(self.groups) == n
        assert self.splits is None or len(self.splits) == n
        assert self.splits is None or set(self.splits) <= set(SIDES)
        dtype = np.int64 if self.task == "classification" else np.float32
        targets = np.array(self.targets, dtype=dtype)
        targets.setflags(write=False)
        object.__setattr__(self, "targets", targets)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures per class, positive pictures per label, or pictures per target column."""
        if self.task == "classification":
            numbers = np.bincount(self.targets, minlength=len(self.outputs))
        elif self.task == "multilabel":
            numbers = (self.targets > 0).sum(axis=0)
        else:
            numbers = np.full(len(self.outputs), len(self))
        return {name: int(number) for name, number in zip(self.outputs, numbers, strict=True)}

    def subset(self, indices: Sequence[int] | np.ndarray) -> Dataset:
        """Return the pictures of these indices, in their order, with the same outputs."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            files=tuple(self.files[i] for i in chosen),
            targets=self.targets[chosen],
            groups=None if self.groups is None else tuple(self.groups[i] for i in chosen),
            splits=None if self.splits is None else tuple(self.splits[i] for i in chosen),
        )


def drop_unreadable(dataset: Dataset, fingerprints: Sequence[Fingerprint], *, skip: bool) -> Dataset:
    """Return the dataset without the pictures that cannot be read, and say so in its notes.

    Args:
        dataset: the pictures.
        fingerprints: one for each of its files, in their order. Those whose `error` is None belong to
            the dataset that is returned, in the same order.
        skip: go on without the unreadable ones.

    Raises:
        DataError: some cannot be read and `skip` is false, none can be read, or a side that the data
            ask for (a folder `val`, say) has no readable picture.
    """
    assert tuple(f.file for f in fingerprints) == dataset.files, "fingerprints of another dataset"
    bad = [f for f in fingerprints if f.error is not None]
    if not bad:
        return dataset
    reasons = "".join(f"\n  {f.error}" for f in bad[:N_REASONS])
    more = f"\n  and {len(bad) - N_REASONS} more" if len(bad) > N_REASONS else ""
    if len(bad) == len(dataset):
        raise DataError(f"None of the {len(bad)} pictures can be read:{reasons}{more}")
    if not skip:
        raise DataError(
            f"{len(bad)} of {len(dataset)} pictures cannot be read:{reasons}{more}\n"
            "Mend or remove them, or go on without them by --skip-unreadable."
        )
    named = name_some(f.file for f in bad)
    rest = dataset.subset([i for i, f in enumerate(fingerprints) if f.error is None])
    if lost := set(dataset.splits or ()) - set(rest.splits or ()):
        raise DataError(
            f"No picture of {' and '.join(sorted(lost))} can be read: {named}. "
            "Mend them, or take that part out of the data; it is then drawn from train."
        )
    note = f"Left out {len(bad)} of {len(dataset)} pictures that cannot be read: {named}."
    return replace(rest, notes=(*rest.notes, note))


def dataset_fingerprint(dataset: Dataset, fingerprints: Sequence[Fingerprint]) -> str:
    """Return the sha256 (hex) over task, outputs and, for each picture, its name, content and target.

    The order of the pictures does not matter; where they lie on the disk does not either.

    Args:
        dataset: the pictures, readable ones only.
        fingerprints: one for each of its files, in their order.
    """
    assert tuple(f.file for f in fingerprints) == dataset.files, "fingerprints of another dataset"
    rows = sorted(
        (f.file.encode(), f.sha256.encode(), np.ascontiguousarray(target).tobytes())
        for f, target in zip(fingerprints, dataset.targets, strict=True)
    )
    digest = hashlib.sha256()
    for part in (dataset.task.encode(), *(name.encode() for name in dataset.outputs)):
        digest.update(len(part).to_bytes(8, "little") + part)
    for row in rows:
        for part in row:
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def align_outputs(dataset: Dataset, outputs: Sequence[str]) -> Dataset:
    """Return the dataset with its targets in the terms of a trained network's outputs.

    Classes may be missing or in another order (a folder with pictures of two of six classes, say);
    labels and columns that the network does not know are left out, and this is noted.

    Raises:
        DataError: a class is unknown to the network, or a label or column that it predicts is missing.
    """
    wanted = tuple(outputs)
    if dataset.outputs == wanted:
        return dataset
    known = {name: index for index, name in enumerate(wanted)}
    if dataset.task == "classification":
        used = [name for name, count in dataset.counts.items() if count]
        strange = [name for name in used if name not in known]
        if strange:
            raise DataError(
                f"The network knows the classes {name_some(wanted, n=20)}; the data also have "
                f"{name_some(strange)}.{did_you_mean(strange[0], wanted)} Rename or remove these."
            )
        table = np.array([known.get(name, -1) for name in dataset.outputs], dtype=np.int64)
        return replace(dataset, outputs=wanted, targets=table[dataset.targets])
    missing = [name for name in wanted if name not in dataset.outputs]
    if missing:
        raise DataError(
            f"The network predicts {name_some(wanted, n=20)}; the data have no column for "
            f"{name_some(missing)}.{did_you_mean(missing[0], dataset.outputs)}"
        )
    extra = [name for name in dataset.outputs if name not in known]
    notes = (f"Columns that the network does not predict are left out: {name_some(extra)}.",) if extra else ()
    columns = [dataset.outputs.index(name) for name in wanted]
    return replace(dataset, outputs=wanted, targets=dataset.targets[:, columns], notes=(*dataset.notes, *notes))


def check_trainable(dataset: Dataset) -> None:
    """Raise all reasons why nothing can be learned from these pictures, before any weights load.

    Raises:
        DataError: no pictures; one class; classes without pictures, or with fewer than the sides that
            have to be drawn; targets that never vary; given splits without train.
    """
    if not dataset.files:
        raise DataError(f'"{dataset.root}" has no pictures. Expected class folders with pictures, or a table.')
    if dataset.splits is not None and "train" not in dataset.splits:
        raise DataError(
            f"All {len(dataset)} pictures are given to {' and '.join(sorted(set(dataset.splits)))}: "
            "nothing is left to train on. Expected some in train."
        )
    if dataset.task == "classification":
        raise_together(_class_problems(dataset), DataError)
        return
    flat = [name for i, name in enumerate(dataset.outputs) if np.all(dataset.targets[:, i] == dataset.targets[0, i])]
    if len(flat) == len(dataset.outputs) or (flat and dataset.task == "regression"):
        raise DataError(
            f"The target never varies in {name_some(flat)}: all {len(dataset)} pictures have the same value. "
            "Choose other columns by --target."
        )
    n_sides = len(_drawn_sides(dataset))
    if len(dataset) < n_sides:
        raise DataError(f"Expected at least {n_sides} pictures, one for each of train, val, test; got {len(dataset)}.")


def name_some(names: Iterable[str], *, n: int = 3) -> str:
    """Join the first few names with commas and say how many more there are.

    >>> name_some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    listed = list(names)
    more = f" and {len(listed) - n} more" if len(listed) > n else ""
    return ", ".join(listed[:n]) + more


def _drawn_sides(dataset: Dataset) -> tuple[str, ...]:
    """Return the sides that are drawn from the pictures of train, train itself first."""
    given = set(dataset.splits or ())
    return ("train", *(side for side in SIDES[1:] if side not in given))


def _class_problems(dataset: Dataset) -> list[str]:
    names = [name for name, count in dataset.counts.items() if count]
    if len(names) < 2:  # noqa: PLR2004 - telling apart takes two
        advice = "Each class needs a folder of its own, or its own value in the label column."
        what = f"Expected at least two classes; all {len(dataset)} pictures are of {name_some(names)}."
        return [" ".join((what, advice, *dataset.notes))]
    pool = dataset.targets
    if dataset.splits is not None:
        pool = pool[np.array(dataset.splits) == "train"]
    counts = np.bincount(pool, minlength=len(dataset.outputs))
    sides = _drawn_sides(dataset)
    short = [f"{name} ({count})" for name, count in zip(dataset.outputs, counts, strict=True) if count < len(sides)]
    if not short:
        return []
    where = "" if dataset.splits is None else " in train"
    what = f"Expected at least {len(sides)} pictures of every class{where} (for {', '.join(sides)})"
    who = f"{len(short)} of {len(dataset.outputs)} classes have fewer: {name_some(short, n=10)}"
    return [f"{what}; {who}. Add pictures, or remove or merge these classes."]
