"""Open what a user calls DATA: a folder of class folders, a table, or a folder with a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.data.dataset import Dataset, name_some
from unfreeze.data.folder import Layout, class_layout, folder_dataset
from unfreeze.data.groups import PARENT
from unfreeze.data.listing import Listing, list_folder
from unfreeze.data.table import FILE_COLUMN, TABLE_EXTENSIONS, read_table, table_dataset
from unfreeze.errors import ConfigError, DataError, did_you_mean, raise_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.data.targets import TaskChoice

__all__ = ["open_dataset"]

TASKS = ("auto", "classification", "multilabel", "regression")


def open_dataset(
    path: str | Path,
    *,
    task: TaskChoice = "auto",
    target: Sequence[str] = (),
    group: str | None = None,
    split: str | None = None,
) -> Dataset:
    """Read which pictures there are and what they show; no picture is decoded.

    A folder of class folders is a classification, the class being the folder. Folders named train,
    val(id), test at the top are splits, never classes. A table (CSV or Parquet) names its pictures in
    the column `file`, relative to its own folder. Two or more class folders win over a table lying
    beside them (noted); a folder with pictures and one table uses the table.

    With `task="auto"`, class folders and columns of text are classes; several columns of 0 and 1 are
    labels; numbers with fractions, and whole numbers with more than 20 different values, are
    regressed. `unfreeze.data.targets.decide_task` states the rule in full; `Dataset.notes` says how
    it was applied.

    Args:
        path: a folder or a table.
        task: what is learned.
        target: a table's target columns; without, `label`, else all columns of 0 and 1.
        group: what must stay on one side of the split: a table's column, "parent" (the sub-folder
            in which a picture lies) or a pattern in the file name.
        split: a table's column that says train, val (valid, validation) or test.

    Raises:
        DataError: no such path, no pictures, or rows that cannot be used.
        ConfigError: settings that do not fit the data.
    """
    if task not in TASKS:
        raise ConfigError(f'Expected a task of {", ".join(TASKS)}, but got "{task}".{did_you_mean(task, TASKS)}')
    targets = (target,) if isinstance(target, str) else tuple(target)
    root = Path(path)
    if root.is_file():
        if root.suffix.lower() not in TABLE_EXTENSIONS:
            raise DataError(f'Expected a folder, or a table ending in .csv or .parquet, but got the file "{root}".')
        return table_dataset(root, task=task, target=targets, group=group, split=split)
    if not root.is_dir():
        raise DataError(
            f'There is no folder or table "{root}".{_near(root)} Give a folder with one folder of pictures per class, '
            "or a CSV or Parquet table."
        )
    listing = list_folder(root)
    layout = class_layout(listing)
    tables = [name for name in listing.others if "/" not in name and Path(name).suffix.lower() in TABLE_EXTENSIONS]
    if tables and len(set(layout.classes)) < 2:  # noqa: PLR2004 - one folder of pictures is no choice of classes
        table = _only_table(root, tables)
        return table_dataset(table, task=task, target=targets, group=group, split=split)
    _check_settings(root, tables, task=task, target=targets, group=group, split=split)
    dataset = _folder_or_reason(root, layout, listing, group)
    if not tables:
        return dataset
    note = f"Classes are the folders; the table beside them ({name_some(tables)}) is not used."
    return replace(dataset, notes=(note, *dataset.notes))


def _folder_or_reason(root: Path, layout: Layout, listing: Listing, group: str | None) -> Dataset:
    if not listing.pictures:
        others = f" It has {len(listing.others)} other files: {name_some(listing.others)}." if listing.others else ""
        raise DataError(
            f'"{root}" has no pictures.{others} Expected one folder for each class with its pictures in it, '
            "or a CSV or Parquet table with the columns file and label."
        )
    return folder_dataset(root, layout, group=group)


def _only_table(root: Path, tables: list[str]) -> Path:
    """Return the one table with a column `file`; tables of other things may lie beside it."""
    if len(tables) == 1:
        return root / tables[0]
    usable = []
    for name in tables:
        try:
            read_table(root / name)
        except DataError:
            continue
        usable.append(name)
    if len(usable) == 1:
        return root / usable[0]
    raise DataError(
        f'"{root}" has {len(tables)} tables ({name_some(tables)}), {len(usable) or "none"} of them with a column '
        f'"{FILE_COLUMN}". Give the one that you mean.'
    )


def _check_settings(
    root: Path, tables: list[str], *, task: TaskChoice, target: Sequence[str], group: str | None, split: str | None
) -> None:
    """Raise all settings that class folders cannot follow: none is ignored in silence."""
    give = f' Give the table "{root / tables[0]}" instead.' if tables else ""
    problems = []
    if task not in {"auto", "classification"}:
        problems.append(f"--task {task} needs a table with target columns; class folders are a classification.{give}")
    if target:
        problems.append(f"--target {', '.join(target)} needs a table; class folders have no columns.{give}")
    if split is not None:
        problems.append(
            f"--split {split} needs a table; class folders are split by folders train, val, test at the top.{give}"
        )
    raise_together(problems, ConfigError)
    if group is not None and group != PARENT and tables and group in _columns(root, tables):
        raise ConfigError(f'--group "{group}" is a column of a table that class folders do not use.{give}')


def _columns(root: Path, tables: list[str]) -> set[str]:
    names: set[str] = set()
    for table in tables:
        try:
            names.update(read_table(root / table).columns)
        except DataError:
            continue
    return names


def _near(path: Path) -> str:
    parent = path.parent
    return did_you_mean(path.name, [entry.name for entry in parent.iterdir()]) if parent.is_dir() else ""
