"""A folder of class folders as a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.data.dataset import Dataset, name_some
from unfreeze.data.groups import PARENT, describe_groups, group_by_parent, group_by_pattern
from unfreeze.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.data.listing import Listing

__all__ = ["SPLIT_NAMES", "Layout", "class_layout", "folder_dataset"]

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The pictures of a folder that lie in class folders, with what their paths say.

    Attributes:
        files: (n,) names, sorted.
        classes: (n,) the class folder of each.
        folders: (n,) the folder below the class folder in which each lies, "" if there is none.
        splits: (n,) sides by the folders train, val(id), test at the top; None if there are none.
        empty_splits: split folders without a picture in a class folder.
        nameless: class folders that hold files without an extension and no picture.
        notes: what was left out.
    """

    files: tuple[str, ...]
    classes: tuple[str, ...]
    folders: tuple[str, ...]
    splits: tuple[str, ...] | None
    empty_splits: tuple[str, ...]
    nameless: tuple[str, ...]
    notes: tuple[str, ...]


def class_layout(listing: Listing) -> Layout:
    """Read classes and splits off the paths of a listing.

    The class is the first folder of a path, or the second where the first is a split. Folders named
    train, val, valid, validation or test (in upper or lower case) at the top are splits, never classes.
    Class folders beside split folders are part of train if there is no folder train; else they are
    left out, and this is noted.
    """
    rows: list[tuple[str, str, str, str | None]] = []
    loose = []
    for file in listing.pictures:
        *above, _ = file.split("/")
        side = SPLIT_NAMES.get(above[0].lower()) if above else None
        inner = above if side is None else above[1:]
        if inner:
            rows.append((file, inner[0], "/".join(inner[1:]), side))
        else:
            loose.append(file)
    top = {name: SPLIT_NAMES[name.lower()] for name in listing.folders if name.lower() in SPLIT_NAMES}
    filled = {row[3] for row in rows}
    outside = [row for row in rows if row[3] is None] if top else []
    notes = _notes(listing, loose)
    if outside and "train" in top.values():
        rows = [row for row in rows if row[3] is not None]
        notes.append(
            f"Left out {len(outside)} pictures in folders beside the split folders "
            f"({name_some(dict.fromkeys(row[1] for row in outside))})."
        )
    elif outside:
        notes.append(f"The {len(outside)} pictures outside the folder {name_some(sorted(top))} are taken for train.")
    files, classes, folders, sides = zip(*rows, strict=True) if rows else ((), (), (), ())
    notes += _odd_classes(listing, classes, folders, has_splits=bool(top))
    return Layout(
        files=files,
        classes=classes,
        folders=folders,
        splits=tuple(side or "train" for side in sides) if top else None,
        empty_splits=tuple(name for name, side in sorted(top.items()) if side not in filled),
        nameless=_nameless(listing, classes, has_splits=bool(top)),
        notes=tuple(notes),
    )


def folder_dataset(root: Path, layout: Layout, *, group: str | None = None) -> Dataset:
    """Return the dataset of a folder of class folders; the classes are in alphabetical order.

    Args:
        root: the folder.
        layout: of `class_layout`.
        group: None, "parent" or a regular expression for file names.

    Raises:
        DataError: no pictures in class folders, or a split folder without any.
        ConfigError: a grouping that does not fit.
    """
    if not layout.files:
        raise DataError(
            f'"{root}" has no pictures in class folders. Expected one folder for each class with its pictures '
            "in it, or a CSV or Parquet table with the columns file and label. " + " ".join(layout.notes)
        )
    if layout.empty_splits:
        raise DataError(
            f'No picture lies in a class folder of {name_some(layout.empty_splits)} (below "{root}"). '
            "Put pictures there, or remove the folder: that part is then drawn from train."
        )
    if layout.nameless:
        raise DataError(
            f"No file of the class folder {name_some(layout.nameless)} has an extension, so that none was taken for a "
            "picture and the class would be missing. Name the files as what they are (.jpg, .png, .dcm), or move the "
            "folder away."
        )
    outputs = tuple(sorted(set(layout.classes)))
    index = {name: i for i, name in enumerate(outputs)}
    notes = list(layout.notes)
    groups = None
    if group == PARENT:
        groups = group_by_parent(layout.files, layout.folders)
        notes.append(describe_groups(groups, "sub-folder"))
    elif group is not None:
        groups = group_by_pattern(layout.files, group)
        notes.append(describe_groups(groups, f'the pattern "{group}"'))
    return Dataset(
        root=root,
        files=layout.files,
        task="classification",
        outputs=outputs,
        targets=np.array([index[name] for name in layout.classes], dtype=np.int64),
        groups=groups,
        splits=layout.splits,
        notes=tuple(notes),
    )


def _notes(listing: Listing, loose: list[str]) -> list[str]:
    notes = []
    if loose:
        notes.append(f"Left out {len(loose)} pictures that lie in no class folder: {name_some(loose)}.")
    if foreign := [name for name in listing.others if "/" in name]:
        notes.append(f"Left out {len(foreign)} files whose extension is not a picture's: {name_some(foreign)}.")
    if listing.runs:
        notes.append(f"Left out {len(listing.runs)} run directories: {name_some(listing.runs)}.")
    return notes


def _nameless(listing: Listing, classes: tuple[str, ...], *, has_splits: bool) -> tuple[str, ...]:
    """Return class folders whose files have no extension, as DICOM files often have none, where no picture is."""
    found = set()
    for file in listing.others:
        *above, name = file.split("/")
        inner = above[1:] if has_splits and above and above[0].lower() in SPLIT_NAMES else above
        if inner and "." not in name:
            found.add(inner[0])
    return tuple(sorted(found - set(classes)))


def _odd_classes(
    listing: Listing, classes: tuple[str, ...], folders: tuple[str, ...], *, has_splits: bool
) -> list[str]:
    """Note class folders that are empty, differ in case only, or only wrap the real ones."""
    notes = []
    names = sorted(set(classes))
    candidates = set()
    for folder in listing.folders:
        head, *rest = folder.split("/")
        inner = rest if has_splits and head.lower() in SPLIT_NAMES else [head, *rest]
        if len(inner) == 1:
            candidates.add(inner[0])
    if names and (empty := sorted(candidates - set(names))):
        notes.append(f"Folders without pictures are no classes: {name_some(empty)}.")
    lower = [name.lower() for name in names]
    if twins := [name for name in names if lower.count(name.lower()) > 1]:
        notes.append(f"Classes that differ in upper and lower case only: {name_some(twins)}.")
    inside = sorted({folder.split("/")[0] for folder in folders if folder})
    if len(names) == 1 and len(inside) > 1 and all(folders):
        notes.append(
            f'All pictures lie in the one folder "{names[0]}", which has folders of its own ({name_some(inside)}): '
            "if these are the classes, give that folder."
        )
    return notes
