"""Which columns of a table are learned, as which task, and their values as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from unfreeze.data.dataset import name_some
from unfreeze.errors import ConfigError

if TYPE_CHECKING:
    from unfreeze.records import TaskName

__all__ = ["MAX_WHOLE_NUMBER_CLASSES", "Column", "Encoded", "decide_task", "encode", "is_binary", "is_missing"]

MAX_WHOLE_NUMBER_CLASSES = 20
MIN_PICTURES_PER_VALUE = 3  # on average: a class needs one picture each in train, val and test
MIN_SHARE_OF_NUMBERS = 0.9  # below it, a column is text in which some values look like numbers

Text = str | None
TaskChoice = Literal["auto", "classification", "multilabel", "regression"]
_MISSING = frozenset({"", "nan"})
_MISSING_NUMBERS = frozenset({"", "nan", "na", "n/a", "none", "null", "-"})
_BINARY = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table as text; empty cells are None."""

    name: str
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Targets as arrays; where there are problems, the values in the rows concerned mean nothing."""

    outputs: tuple[str, ...]
    targets: np.ndarray
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def decide_task(columns: Sequence[Column], *, task: TaskChoice = "auto") -> tuple[TaskName, str]:
    """Return the task that these columns ask for, and the sentence that tells the user why.

    The rule of `auto` (trap 30), for one column:

    - text: classification;
    - whole numbers: classification if there are at most 20 different ones, and on average at least
      three pictures of each; else regression (ages and counts are not classes);
    - numbers with fractions: regression.

    Several columns: multilabel if all hold only 0 and 1 (or true and false); else regression if all
    hold numbers. A column holds numbers if at least nine in ten of its filled cells do; the others
    are then reported as errors.

    Raises:
        ConfigError: columns that have no task in common, or several for classification.
    """
    names = name_some([column.name for column in columns], n=8)
    if task == "classification" and len(columns) > 1:
        raise ConfigError(
            f"Classification takes one column, but got {len(columns)} targets: {names}. "
            "Choose one, or use --task multilabel for columns of 0 and 1."
        )
    if task != "auto":
        return task, f"Task: {task}, from {names}, as asked."
    if len(columns) == 1:
        return _task_of_one(columns[0])
    if all(is_binary(column) for column in columns):
        return "multilabel", f"Task: multilabel, as the {len(columns)} columns {names} hold only 0 and 1."
    if text := [column.name for column in columns if not _holds_numbers(column)]:
        raise ConfigError(
            f"Several targets must all be columns of 0 and 1 (multilabel) or all numbers (regression), "
            f"but these hold text: {name_some(text)}. Choose one column for classification."
        )
    return "regression", f"Task: regression of {len(columns)} columns of numbers: {names}."


def encode(columns: Sequence[Column], *, task: TaskName, where: Callable[[int], str]) -> Encoded:
    """Turn columns into targets, and list every row that cannot be.

    Args:
        columns: one for classification, k else.
        task: what they are read as.
        where: gives the name of a row for messages ("line 3").

    Returns:
        Targets int64 (n,) in the order of the sorted class names (whole numbers by size), or
        float32 (n, k).
    """
    if task == "classification":
        return _encode_classes(columns[0], where)
    read = _binary if task == "multilabel" else _number
    missing = _MISSING if task == "multilabel" else _MISSING_NUMBERS
    expected = "0 or 1" if task == "multilabel" else "a number"
    values, problems = [], []
    for column in columns:
        numbers = np.array([read(text) for text in column.texts], dtype=np.float64)
        values.append(numbers.astype(np.float32))
        wrong = np.flatnonzero(~np.isfinite(numbers))
        empty = [row for row in wrong.tolist() if is_missing(column.texts[row], missing)]
        problems += _empty_cells(column, empty, where)
        if other := [row for row in wrong.tolist() if not is_missing(column.texts[row], missing)]:
            named = name_some(f'"{column.texts[row]}" ({where(row)})' for row in other)
            comma = any("," in (column.texts[row] or "") for row in other)
            hint = " Decimals are written with a point." if comma and task == "regression" else ""
            problems.append(
                f'{len(other)} values of "{column.name}" are not {expected}: {named}. '
                f"Correct them, or remove the rows.{hint}"
            )
    return Encoded(tuple(c.name for c in columns), np.stack(values, axis=1), tuple(problems))


def is_binary(column: Column) -> bool:
    """Tell whether all filled cells are 0 or 1 (or true or false), and at least one is filled."""
    seen = {text.lower() for text in set(column.texts) if text is not None and text.lower() not in _MISSING}
    return bool(seen) and seen <= set(_BINARY)


def is_missing(text: Text, missing: frozenset[str] = _MISSING) -> bool:
    """Tell whether a cell is empty or NaN."""
    return text is None or text.lower() in missing


def _task_of_one(column: Column) -> tuple[TaskName, str]:
    filled = [text for text in column.texts if not is_missing(text)]
    numbers = [value for text in filled if math.isfinite(value := _number(text))]
    if not _holds_numbers(column):
        hint = ""
        if 2 * len(numbers) > len(filled):
            other = next(text for text in filled if not math.isfinite(_number(text)))
            hint = (
                f' {len(numbers)} of {len(filled)} values are numbers; if it is a quantity, mend others as "{other}".'
            )
        n = len(set(filled))
        return "classification", f'Task: classification, as "{column.name}" holds text: {n} classes.{hint}'
    n_values = len(set(numbers))
    if any(value != round(value) for value in numbers):
        return "regression", f'Task: regression, as "{column.name}" holds numbers with fractions.'
    if n_values <= MAX_WHOLE_NUMBER_CLASSES and len(numbers) >= MIN_PICTURES_PER_VALUE * n_values:
        return "classification", (
            f'Task: classification, as "{column.name}" holds {n_values} different whole numbers '
            f"(at most {MAX_WHOLE_NUMBER_CLASSES} are taken for classes). For quantities use --task regression."
        )
    return "regression", (
        f'Task: regression, as "{column.name}" holds {n_values} different whole numbers in {len(numbers)} pictures '
        f"(at most {MAX_WHOLE_NUMBER_CLASSES}, with {MIN_PICTURES_PER_VALUE} pictures each on average, are taken "
        "for classes). If they number classes, use --task classification."
    )


def _holds_numbers(column: Column) -> bool:
    filled = [text for text in column.texts if not is_missing(text, _MISSING_NUMBERS)]
    n_numbers = sum(not math.isnan(_number(text)) for text in filled)
    return bool(filled) and n_numbers >= MIN_SHARE_OF_NUMBERS * len(filled)


def _encode_classes(column: Column, where: Callable[[int], str]) -> Encoded:
    # "n/a" among numbers is a hole; among words it may be a class.
    missing = _MISSING_NUMBERS if _holds_numbers(column) else _MISSING
    empty = [row for row, text in enumerate(column.texts) if is_missing(text, missing)]
    names = _class_names(column, missing)
    outputs = sorted({name for name in names if name is not None}, key=_class_order)
    index = {name: i for i, name in enumerate(outputs)}
    targets = np.array([-1 if name is None else index[name] for name in names], dtype=np.int64)
    lower = [name.lower() for name in outputs]
    twins = [name for name in outputs if lower.count(name.lower()) > 1] if len(set(lower)) < len(lower) else []
    notes = (f"Classes that differ in upper and lower case only: {name_some(twins)}.",) if twins else ()
    return Encoded(tuple(outputs), targets, tuple(_empty_cells(column, empty, where)), notes)


def _class_names(column: Column, missing: frozenset[str]) -> list[Text]:
    """Return the cells as names; "1.0" is "1" where all are whole numbers and none has leading zeros."""
    names = [None if is_missing(text, missing) else text for text in column.texts]
    different = {name for name in names if name is not None}
    whole = all(math.isfinite(value := _number(name)) and value == round(value) for name in different)
    padded = any(name.startswith("0") and name[1:2].isdigit() for name in different)
    if not whole or padded:
        return names
    return [None if name is None else str(round(_number(name))) for name in names]


def _class_order(name: str) -> tuple[float, str]:
    value = _number(name)
    return (value, name) if math.isfinite(value) else (math.inf, name)


def _empty_cells(column: Column, rows: Sequence[int], where: Callable[[int], str]) -> list[str]:
    if not rows:
        return []
    named = name_some(where(int(row)) for row in rows)
    return [f'{len(rows)} values of "{column.name}" are missing or NaN: {named}. Fill them in, or remove the rows.']


def _number(text: Text) -> float:
    """Return a cell as a number: NaN if it is not one."""
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan


def _binary(text: Text) -> float:
    return _BINARY.get((text or "").lower(), math.nan)
