r"""predictions.csv: one row per picture: what is true, what was predicted, and the probabilities behind it.

The columns are `file`, `split`, `group`, `truth`, `prediction` and `prob:CLASS` for each class or label. Several
labels of one picture are joined by "|" (a "|" or "\" within a name is written with a "\" before it). Of several
regression targets each has its own `truth:TARGET` and `prediction:TARGET`. Without known truths, `truth` is
left out, `split` where no split is known, and `group` where pictures are not grouped.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.errors import RunError
from unfreeze.records import TaskName, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Predictions", "join_labels", "read_predictions", "split_labels", "write_predictions"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """What a network said of some pictures.

    Attributes:
        task: the task.
        outputs: class names, label names or target columns.
        files: (n,) names of the pictures.
        splits: (n,) train, val or test; None if unknown.
        groups: (n,) what each picture belongs to (patient, item); None where each is its own, or that is unknown.
        truth: int64 (n,) class numbers, (n, k) zeros and ones, or float (n, k) in their units; or None.
        predicted: the same form as `truth`.
        scores: (n, c) probabilities, or the predicted values again.
    """

    task: TaskName
    outputs: tuple[str, ...]
    files: tuple[str, ...]
    splits: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    truth: np.ndarray | None = None
    predicted: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.files)
        parts = {
            "splits": self.splits,
            "groups": self.groups,
            "truth": self.truth,
            "predicted": self.predicted,
            "scores": self.scores,
        }
        for name, part in parts.items():
            assert part is None or len(part) == n, f"{n} files but {len(part)} {name}"

    @classmethod
    def decide(
        cls,
        scores: np.ndarray,
        *,
        task: TaskName,
        outputs: Sequence[str],
        files: Sequence[str],
        splits: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        truth: np.ndarray | None = None,
        decisions: np.ndarray | None = None,
    ) -> Predictions:
        """Return predictions that take the class with the highest score, or the labels from one half on.

        Args:
            scores: (n, c) probabilities, or (n, k) values in their units.
            task: the task.
            outputs: class names, label names or target columns.
            files: (n,) names of the pictures.
            splits: (n,) train, val or test.
            groups: (n,) what each picture belongs to.
            truth: the form of `Predictions.truth`.
            decisions: like `scores`, where it is not the probabilities that decide.
        """
        deciding = scores if decisions is None else decisions
        predicted = deciding
        if task == "classification":
            predicted = deciding.argmax(axis=1)
        elif task == "multilabel":
            predicted = (deciding >= 0.5).astype(np.int64)  # noqa: PLR2004 - more likely than not
        return cls(
            task=task,
            outputs=tuple(outputs),
            files=tuple(files),
            splits=None if splits is None else tuple(splits),
            groups=None if groups is None else tuple(groups),
            truth=truth if truth is None or task != "regression" else truth.reshape(len(files), len(outputs)),
            predicted=predicted,
            scores=scores,
        )

    def __len__(self) -> int:
        return len(self.files)

    def of(self, split: str) -> Predictions:
        """Return those of one split; all if no split is known."""
        if self.splits is None:
            return self
        kept = [i for i, name in enumerate(self.splits) if name == split]
        return Predictions(
            task=self.task,
            outputs=self.outputs,
            files=tuple(self.files[i] for i in kept),
            splits=(split,) * len(kept),
            groups=None if self.groups is None else tuple(self.groups[i] for i in kept),
            truth=None if self.truth is None else self.truth[kept],
            predicted=self.predicted[kept],
            scores=self.scores[kept],
        )

    def shown(self, values: np.ndarray, *, digits: int = 7) -> list[str]:
        """Return truths or predictions as text: a class, labels joined by "|", a value, or `a=1, b=2`.

        `digits` are the significant ones of a value; 7 are all that float32 tells.
        """
        if self.task == "classification":
            return [self.outputs[int(k)] for k in values]
        if self.task == "multilabel":
            return [join_labels([name for name, on in zip(self.outputs, row, strict=True) if on]) for row in values]
        texts = [[_number(value, digits=digits) for value in row] for row in values]
        if len(self.outputs) == 1:
            return [row[0] for row in texts]
        return [", ".join(f"{name}={v}" for name, v in zip(self.outputs, row, strict=True)) for row in texts]


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as CSV in UTF-8, whole or not at all."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    columns: dict[str, Sequence[str]] = {"file": predictions.files}
    if predictions.splits is not None:
        columns["split"] = predictions.splits
    if predictions.groups is not None:
        columns["group"] = predictions.groups
    for name, values in (("truth", predictions.truth), ("prediction", predictions.predicted)):
        if values is None:
            continue
        if predictions.task == "regression" and len(predictions.outputs) > 1:
            for k, output in enumerate(predictions.outputs):
                columns[f"{name}:{output}"] = [_number(v) for v in values[:, k]]
        else:
            columns[name] = predictions.shown(values)
    if predictions.task != "regression":
        for k, output in enumerate(predictions.outputs):
            columns[f"prob:{output}"] = [_number(v) for v in predictions.scores[:, k]]
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, file.getvalue())


def read_predictions(path: Path, *, task: TaskName, outputs: Sequence[str]) -> Predictions:
    """Read predictions back.

    Args:
        path: the CSV file.
        task: the task they were made for.
        outputs: class names, label names or target columns, in the order of the network's outputs.

    Raises:
        RunError: there is no such file, or it is not of this task and these outputs.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise RunError(f'"{path.parent}" has no {path.name}.') from None
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise RunError(f'"{path}" cannot be read as CSV: {error}.') from error
    try:
        return _parsed(rows, task=task, outputs=tuple(outputs))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f'"{path}" is not a table of {task} predictions for {len(outputs)} outputs: '
            f"{type(error).__name__} at {error}. It belongs to another run, or was edited by hand."
        ) from error


def join_labels(names: Sequence[str]) -> str:
    r"""Return label names as one text.

    >>> print(join_labels(["fish", "a|b"]))
    fish|a\|b
    """
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)


def split_labels(text: str) -> list[str]:
    r"""Return the names that `join_labels` made one text of.

    >>> split_labels("fish|a\\|b")
    ['fish', 'a|b']
    """
    names = re.findall(r"(?:\\.|[^|\\])+", text, flags=re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in names]


def _parsed(rows: list[dict[str, str]], *, task: TaskName, outputs: tuple[str, ...]) -> Predictions:
    number_of = {name: k for k, name in enumerate(outputs)}
    header = rows[0].keys() if rows else {}
    single = len(outputs) == 1

    def column(name: str) -> np.ndarray:
        if task == "classification":
            return np.array([number_of[row[name]] for row in rows], dtype=np.int64)
        if task == "multilabel":
            marks = np.zeros((len(rows), len(outputs)), dtype=np.int64)
            for i, row in enumerate(rows):
                marks[i, [number_of[label] for label in split_labels(row[name])]] = 1
            return marks
        keys = [name] if single else [f"{name}:{output}" for output in outputs]
        return np.array([[float(row[key]) for key in keys] for row in rows]).reshape(-1, len(outputs))

    predicted = column("prediction")
    known = any(name == "truth" or name.startswith("truth:") for name in header)
    scores = predicted
    if task != "regression":
        scores = np.array([[float(row[f"prob:{name}"]) for name in outputs] for row in rows], dtype=np.float32)
    return Predictions(
        task=task,
        outputs=outputs,
        files=tuple(row["file"] for row in rows),
        splits=tuple(row["split"] for row in rows) if "split" in header else None,
        groups=tuple(row["group"] for row in rows) if "group" in header else None,
        truth=column("truth") if known else None,
        predicted=predicted,
        scores=scores.reshape(-1, len(outputs)),
    )


def _number(value: float, *, digits: int = 7) -> str:
    return f"{float(value):.{digits}g}"
