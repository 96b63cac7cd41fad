"""A CSV or Parquet table with a `file` column as a dataset."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from unfreeze.data.dataset import Dataset, name_some
from unfreeze.data.folder import SPLIT_NAMES
from unfreeze.data.groups import PARENT, describe_groups, group_by_parent, group_by_pattern
from unfreeze.data.targets import Column, Encoded, TaskChoice, decide_task, encode, is_binary, is_missing
from unfreeze.errors import ConfigError, DataError, did_you_mean, raise_together

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FILE_COLUMN", "TABLE_EXTENSIONS", "Table", "read_table", "table_dataset"]

TABLE_EXTENSIONS = frozenset({".csv", ".parquet"})
FILE_COLUMN = "file"
LABEL_COLUMN = "label"
SPLIT_COLUMN = "split"
DUPLICATE_MARK = "_duplicated_"  # what polars appends to the second column of a name


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as text, with where each row stands in its file."""

    path: Path
    frame: pl.DataFrame
    rows: tuple[int, ...]  # counted from 0, rows without any value left out

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(self.frame.columns)

    def column(self, name: str) -> Column:
        """Return a column's cells as text without white space around it; empty ones are None."""
        return Column(name, tuple(_text(value) for value in self.frame[name].to_list()))

    def where(self, row: int) -> str:
        """Return how a row is called: by its line in a CSV file, else by its number from 1."""
        if self.path.suffix.lower() == ".csv":
            return f"line {self.rows[row] + 2}"  # the first line is the header
        return f"row {self.rows[row] + 1}"


def read_table(path: Path) -> Table:
    """Read a CSV (separated by comma, semicolon or tab, UTF-8) or Parquet file.

    Raises:
        DataError: it cannot be read, has no rows, no column `file`, or two columns of one name.
    """
    import polars as pl

    try:
        if path.suffix.lower() == ".csv":
            frame = pl.read_csv(path, infer_schema=False, separator=_separator(path))
        else:
            frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f'The table "{path}" cannot be read: {reason}. Expected a CSV file in UTF-8 or a Parquet file.'
        ) from None
    names = [name.strip() for name in frame.columns]
    if twice := sorted({n.split(DUPLICATE_MARK)[0] for n in names if DUPLICATE_MARK in n} & set(names)):
        raise DataError(f'The table "{path}" has several columns named {name_some(twice)}. Rename all but one.')
    frame.columns = names
    if FILE_COLUMN not in names:
        raise DataError(
            f'The table "{path}" has no column "{FILE_COLUMN}" with the names of the pictures. '
            f"Its columns: {name_some(names, n=20)}. Rename the one that names them."
        )
    frame = frame.select(pl.exclude(pl.Binary, pl.Struct, pl.List, pl.Array, pl.Object)).with_row_index("\0row")
    frame = frame.filter(~pl.all_horizontal(pl.exclude("\0row").is_null()))
    if frame.is_empty():
        raise DataError(f'The table "{path}" has no rows.')
    return Table(path, frame.drop("\0row"), tuple(frame["\0row"].to_list()))


def table_dataset(
    path: Path,
    *,
    task: TaskChoice = "auto",
    target: Sequence[str] = (),
    group: str | None = None,
    split: str | None = None,
) -> Dataset:
    """Return the dataset of a table; its pictures lie in or below the table's folder.

    Args:
        path: the table.
        task: what is learned; `decide_task` states the rule of "auto".
        target: target columns. Without: the column `label`, else all columns of 0 and 1 as labels.
        group: a column, "parent" or a regular expression for file names.
        split: a column with train, val (valid, validation) and test. Without: a column `split` that
            holds nothing else, else the folders train, val(id), test in which the pictures lie.

    Raises:
        ConfigError: unknown columns, or settings that do not fit the columns; all together.
        DataError: rows that cannot be used, all kinds together.
    """
    table = read_table(path)
    columns = _settings(table, target=target, task=task, group=group, split=split)
    task_found, why = decide_task(columns, task=task)
    encoded = encode(columns, task=task_found, where=table.where)
    files, problems = _files(table)
    splits, split_problems, split_note = _splits(table, files, split)
    groups, group_problems, group_note = _groups(table, files, group, encoded if not problems else None)
    raise_together([*problems, *encoded.problems, *split_problems, *group_problems], DataError)
    notes = (why, *encoded.notes, split_note, group_note)
    return Dataset(
        root=path.parent,
        files=tuple(files),
        task=task_found,
        outputs=encoded.outputs,
        targets=encoded.targets,
        groups=groups,
        splits=splits,
        notes=tuple(note for note in notes if note),
    )


def _settings(
    table: Table, *, target: Sequence[str], task: TaskChoice, group: str | None, split: str | None
) -> list[Column]:
    """Return the target columns; raise all wrong column names together."""
    known = [name for name in table.columns if name != FILE_COLUMN]
    problems = []
    for option, name in [*(("--target", name) for name in target), ("--split", split)]:
        if name is not None and name not in known:
            problems.append(
                f'{option} "{name}" is not a column of "{table.path.name}".{did_you_mean(name, known)} '
                f"Its columns: {name_some(known, n=20)}."
                + (" Several targets are given one by one: --target A --target B." if "," in name else "")
            )
    if len(set(target)) < len(target):
        problems.append(f"--target names a column twice: {', '.join(target)}.")
    if both := [name for name in target if name in {group, split}]:
        problems.append(f"{name_some(both)} cannot be target and group or split at once.")
    raise_together(problems, ConfigError)
    if target:
        return [table.column(name) for name in target]
    if LABEL_COLUMN in known and task != "multilabel":
        return [table.column(LABEL_COLUMN)]
    free = (table.column(name) for name in known if name not in {group, split})
    binary = [column for column in free if is_binary(column)] if task in {"auto", "multilabel"} else []
    if not binary:
        wanted = "" if task == "multilabel" else f'a column "{LABEL_COLUMN}" or '
        raise ConfigError(
            f'Nothing says what to learn from "{table.path.name}": expected {wanted}columns of 0 and 1, or --target. '
            f"Its columns: {name_some(known, n=20)}."
        )
    # What never varies (a flag "checked" that is always 1) cannot be learned; asked for, it is an error later.
    varied = [column for column in binary if len({text for text in column.texts if not is_missing(text)}) > 1]
    return varied or binary


def _files(table: Table) -> tuple[list[str], list[str]]:
    """Return the names as they are on the disk, and what is wrong with them."""
    root = table.path.parent
    names = table.column(FILE_COLUMN).texts
    listings: dict[Path, dict[str, str]] = {}
    files: list[str] = []
    wrong: dict[str, list[str]] = {"empty": [], "outside": [], "missing": [], "twice": []}
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        where = table.where(row)
        if name is None:
            wrong["empty"].append(where)
        elif (inner := _inside(name)) is None:
            wrong["outside"].append(f'"{name}" ({where})')
        elif (found := _on_disk(root, inner, listings)) is None:
            wrong["missing"].append(f'"{name}" ({where})')
        elif found in seen:
            wrong["twice"].append(f'"{name}" ({table.where(seen[found])} and {where})')
        else:
            seen[found] = row
            files.append(found)
    texts = {
        "empty": f'rows have no name in the column "{FILE_COLUMN}"',
        "outside": f'files lie outside the table\'s folder "{root}" (names are relative to it, without ".." upwards)',
        "missing": f'files are missing below "{root}"',
        "twice": "rows name a picture that another row has named already",
    }
    remedies = {
        "empty": "Fill them in, or remove the rows.",
        "outside": "Move the table beside the pictures.",
        "missing": "Correct the names, or remove the rows.",
        "twice": "Remove the rows that are too many.",
    }
    return files, [
        f"{len(rows)} {texts[kind]}: {name_some(rows)}. {remedies[kind]}" for kind, rows in wrong.items() if rows
    ]


def _inside(name: str) -> str | None:
    r"""Return a relative name with "." and ".." resolved, or None if it leads out of the folder.

    Only the name is judged: a link in the folder that points elsewhere is the user's own.
    """
    inner = posixpath.normpath(name)
    if name.startswith("/") or PureWindowsPath(name).drive or inner == ".." or inner.startswith("../"):
        return None
    return inner


def _on_disk(root: Path, name: str, listings: dict[Path, dict[str, str]]) -> str | None:
    r"""Return the name of an existing file: as given, with Windows's "\", or in other Unicode form."""
    for candidate in dict.fromkeys((name, posixpath.normpath(name.replace("\\", "/")))):
        if candidate.startswith(("/", "../")):
            continue
        if _is_file(root / candidate):
            return candidate
        # macOS writes "é" as two code points, tables mostly as one.
        folder, _, last = candidate.rpartition("/")
        parent = root / folder
        if not candidate.isascii() and parent.is_dir():
            if parent not in listings:
                listings[parent] = {unicodedata.normalize("NFC", entry.name): entry.name for entry in parent.iterdir()}
            if entry := listings[parent].get(unicodedata.normalize("NFC", last)):
                return f"{folder}/{entry}" if folder else entry
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system allows, say: a cell that holds no name
        return False


def _splits(table: Table, files: Sequence[str], split: str | None) -> tuple[tuple[str, ...] | None, list[str], str]:
    """Return the side of each row, the problems, and the note that tells where it comes from."""
    name = split or (SPLIT_COLUMN if SPLIT_COLUMN in table.columns else None)
    if name is not None:
        texts = [(text or "").lower() for text in table.column(name).texts]
        wrong = [row for row, text in enumerate(texts) if text not in SPLIT_NAMES]
        if not wrong:
            return tuple(SPLIT_NAMES[text] for text in texts), [], f'Split by the column "{name}".'
        if split is not None:
            named = name_some(f'"{texts[row]}" ({table.where(row)})' for row in wrong)
            expected = ", ".join(SPLIT_NAMES)
            return None, [f'{len(wrong)} values of "{name}" are not one of {expected}: {named}.'], ""
        return None, [], f'The column "{name}" holds other values than train, val and test and is not used.'
    tops = [file.split("/")[0].lower() if "/" in file else "" for file in files]
    if not any(top in SPLIT_NAMES for top in tops):
        return None, [], ""
    sides = {SPLIT_NAMES[top] for top in tops if top in SPLIT_NAMES}
    if "train" in sides and (beside := [f for f, top in zip(files, tops, strict=True) if top not in SPLIT_NAMES]):
        note = f"Split by folders ({', '.join(sorted(sides))}); {len(beside)} pictures beside them are taken for train."
    else:
        note = f"Split by folders ({', '.join(sorted(sides))})."
    return tuple(SPLIT_NAMES.get(top, "train") for top in tops), [], note


def _groups(
    table: Table, files: Sequence[str], group: str | None, encoded: Encoded | None
) -> tuple[tuple[str, ...] | None, list[str], str]:
    """Return the group of each row, the problems, and the note; without usable files only columns are read."""
    if group is None:
        return None, [], ""
    if group in table.columns:
        texts = table.column(group).texts
        if empty := [table.where(row) for row, text in enumerate(texts) if is_missing(text)]:
            return None, [f'{len(empty)} values of the group "{group}" are missing: {name_some(empty)}.'], ""
        groups = tuple(text or "" for text in texts)
        return groups, [], describe_groups(groups, f'the column "{group}"')
    if encoded is None:
        return None, [], ""
    if group == PARENT:
        groups = group_by_parent(files, _folders(files, encoded))
        return groups, [], describe_groups(groups, "sub-folder")
    try:
        groups = group_by_pattern(files, group)
    except ConfigError as error:
        hint = did_you_mean(group, table.columns)
        raise ConfigError(f"{error}{hint} It is not a column either.") from None
    return groups, [], describe_groups(groups, f'the pattern "{group}"')


def _folders(files: Sequence[str], encoded: Encoded) -> list[str]:
    """Return the folder of each picture below what names its split or class, as in class folders."""
    paths = [file.split("/")[:-1] for file in files]
    if any(path and path[0].lower() in SPLIT_NAMES for path in paths):
        paths = [path[1:] if path and path[0].lower() in SPLIT_NAMES else path for path in paths]
    if encoded.targets.ndim == 1:
        labels: Iterable[str] = (encoded.outputs[i] for i in encoded.targets)
        if all(path and path[0] == label for path, label in zip(paths, labels, strict=True)):
            paths = [path[1:] for path in paths]
    return ["/".join(path) for path in paths]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).strip() or None


def _separator(path: Path) -> str:
    with path.open("rb") as file:
        header = file.readline()
    return max(",;\t", key=lambda mark: header.count(mark.encode()))
