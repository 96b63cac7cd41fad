"""Predictions as rows: objects for JSON, cells for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unfreeze.data.listing import escape_name
from unfreeze.evaluation.predictions import join_labels

if TYPE_CHECKING:
    from unfreeze.evaluation import Prediction
    from unfreeze.records import ModelRecord, TaskName

__all__ = ["Row", "TableColumns", "decision_text", "row_of", "set_text"]

Row = Mapping[str, Any]
"""One picture: file, prediction, scores, error; set or intervals where the run has them. What JSON has of it."""


def row_of(prediction: Prediction) -> Row:
    """Return a prediction as an object of JSON."""
    return {
        "file": escape_name(prediction.file),
        "prediction": prediction.prediction,
        "scores": dict(prediction.scores),
        **({} if prediction.classes is None else {"set": prediction.classes}),
        **({} if prediction.intervals is None else {"intervals": dict(prediction.intervals)}),
        "error": prediction.error,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """The columns of a table: they follow from the network alone, so that they are known before any picture is.

    `file`, `prediction`, `set` (classes, with `--conformal`), `prob:CLASS` for each class or label, `error`. For values
    `prediction`, `low` and `high` (with `--conformal`), of several targets `prediction:TARGET` and so on.

    Attributes:
        task: the task.
        outputs: class names, label names or target columns.
        has_sets: whether there are prediction sets or intervals.
    """

    task: TaskName
    outputs: tuple[str, ...]
    has_sets: bool

    @classmethod
    def of(cls, record: ModelRecord) -> TableColumns:
        """Return the columns for a network."""
        has_sets = record.conformal is not None and record.task != "multilabel"
        return cls(task=record.task, outputs=record.outputs, has_sets=has_sets)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return ("file", *self.texts[1:-1], *self.numbers, "error")

    @property
    def texts(self) -> tuple[str, ...]:
        """Those that hold text; the others hold numbers."""
        decided = ["prediction", *(["set"] if self.has_sets else [])] if self.task != "regression" else []
        return ("file", *decided, "error")

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those that hold numbers."""
        if self.task != "regression":
            return tuple(f"prob:{name}" for name in self.outputs)
        kinds = ("prediction", "low", "high") if self.has_sets else ("prediction",)
        several = len(self.outputs) > 1  # one target: its value is the prediction
        return tuple(f"{kind}:{name}" if several else kind for name in self.outputs for kind in kinds)

    def cells(self, row: Row) -> tuple[list[str | None], list[float | None]]:
        """Return the texts and the numbers of a row, by `texts` and `numbers`; None where there is none."""
        file, error, scores = row["file"], row["error"], row["scores"]
        if error is not None:
            return [file, *[None] * (len(self.texts) - 2), error], [None] * len(self.numbers)
        if self.task != "regression":
            decided = [decision_text(row["prediction"]), *([set_text(row)] if self.has_sets else [])]
            return [file, *decided, None], [_number(scores[name]) for name in self.outputs]
        numbers: list[float | None] = []
        for name in self.outputs:
            numbers += [_number(scores[name]), *(row["intervals"][name] if self.has_sets else ())]
        return [file, None], numbers

    def csv_cells(self, row: Row) -> list[str]:
        """Return the cells of a row as CSV has them, in the order of `names`."""
        texts, numbers = self.cells(row)
        shown = ("" if value is None else f"{value:.7g}" for value in numbers)
        return [*(text or "" for text in texts[:-1]), *shown, texts[-1] or ""]


def decision_text(decision: Any) -> str:
    """Return what was decided as text: a class, labels joined by "|", a value, values by target; empty for None."""
    if decision is None:
        return ""
    if isinstance(decision, str):
        return decision
    if isinstance(decision, Mapping):
        return ", ".join(f"{name}={value:.6g}" for name, value in decision.items())
    return join_labels(decision) if isinstance(decision, Sequence) else f"{decision:.6g}"


def set_text(row: Row) -> str:
    """Return the prediction set, or the interval of each target, as text; empty where there is none."""
    if "set" in row:
        return join_labels(row["set"])
    ends = {name: f"{low:.6g} to {high:.6g}" for name, (low, high) in row.get("intervals", {}).items()}
    return ", ".join(ends.values() if len(ends) == 1 else (f"{name} {text}" for name, text in ends.items()))


def _number(value: float | None) -> float:
    """Return a score; JSON knows no other numbers than finite ones, and has null for them."""
    return float("nan") if value is None else value
