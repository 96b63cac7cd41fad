"""What an album held at one moment, and the data set that it is to a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unfreeze.data import Dataset, Fingerprint
from unfreeze.data.groups import group_by_pattern
from unfreeze.teaching.folder import ClassFolders
from unfreeze.teaching.names import RECORDINGS, is_recorded

__all__ = ["Snapshot", "class_of", "dataset_of"]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What an album held at one moment.

    Attributes:
        version: counts the changes since the album was opened.
        classes: all class names, sorted; some may have no pictures.
        fingerprints: of the readable pictures, by file name relative to the folder, in the names' order.
        unreadable: why pictures cannot be read, by file name.
    """

    version: int
    classes: tuple[str, ...]
    fingerprints: Mapping[str, Fingerprint]
    unreadable: Mapping[str, str]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many readable pictures each class has."""
        found = Counter(class_of(file) for file in self.fingerprints)
        return {name: found[name] for name in self.classes}


def dataset_of(folders: ClassFolders, snapshot: Snapshot, classes: Sequence[str]) -> Dataset:
    """Return the pictures of some classes as a data set; frames of one recording are a group."""
    number_of = {name: number for number, name in enumerate(classes)}
    files = tuple(file for file in snapshot.fingerprints if class_of(file) in number_of)
    grouped = len(classes) > 1 and any(map(is_recorded, files))
    return Dataset(
        root=folders.root,
        files=files,
        task="classification",
        outputs=tuple(classes),
        targets=np.array([number_of[class_of(file)] for file in files], dtype=np.int64),
        groups=group_by_pattern(files, RECORDINGS) if grouped else None,
    )


def class_of(file: str) -> str:
    """Return the class of a picture by its name."""
    return file.partition("/")[0]
