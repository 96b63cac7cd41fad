"""All that a report reads, as one frozen value: the files of a run directory, the optional ones where they exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unfreeze.auditing.recording import FINDINGS, FindingRecord
from unfreeze.auditing.suspects import SUSPECTS, SuspectList
from unfreeze.errors import RunError
from unfreeze.evaluation.mistakes import EVIDENCE, PICTURES, PictureIndex
from unfreeze.evaluation.predictions import Predictions, read_predictions
from unfreeze.history import read_history
from unfreeze.metrics import METRICS
from unfreeze.records import LayerRecord, ModelRecord, RunRecord, TaskName, read_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Contents", "read_contents"]

SHOWN = ("phase", "phase_index", "train_loss", "val_loss", "lr_head", "lrs")  # of an epoch, beside what all have


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A run directory, read.

    Attributes:
        directory: where it is.
        record: run.json.
        model: model.json; None if there is none.
        layers: layers.json; empty if there is none.
        history: the rows of history.jsonl, one per epoch.
        predictions: predictions.csv; None if there is none.
        pictures: evidence/pictures.json; None if there is none.
        findings: evidence/findings.json; None if there is none.
        suspects: evidence/suspects.json; None if there is none.
    """

    directory: Path
    record: RunRecord
    model: ModelRecord | None
    layers: tuple[LayerRecord, ...]
    history: tuple[dict[str, Any], ...]
    predictions: Predictions | None
    pictures: PictureIndex | None
    findings: tuple[FindingRecord, ...] | None
    suspects: SuspectList | None

    @property
    def task(self) -> TaskName:
        """What was learned."""
        return _task(self.record, self.model)


def read_contents(directory: Path) -> Contents:
    """Read a run directory.

    Raises:
        RunError: it does not exist or has no run.json, or one of its files cannot be read.
    """
    if not directory.is_dir():
        raise RunError(f'"{directory}" does not exist; give the directory of a run.')
    record = read_json(directory / "run.json", RunRecord)
    model = _optional(directory / "model.json", ModelRecord)
    table, history = directory / "predictions.csv", directory / "history.jsonl"
    return Contents(
        directory=directory,
        record=record,
        model=model,
        layers=_optional(directory / "layers.json", tuple[LayerRecord, ...]) or (),
        history=tuple(read_history(history, required=SHOWN)) if history.is_file() else (),
        predictions=(
            read_predictions(table, task=_task(record, model), outputs=record.classes) if table.is_file() else None
        ),
        pictures=_optional(directory / EVIDENCE / PICTURES, PictureIndex),
        findings=_optional(directory / EVIDENCE / FINDINGS, tuple[FindingRecord, ...]),
        suspects=_optional(directory / EVIDENCE / SUSPECTS, SuspectList),
    )


def _optional(path: Path, kind: Any) -> Any:
    return read_json(path, kind) if path.is_file() else None


def _task(record: RunRecord, model: ModelRecord | None) -> TaskName:
    if model is not None:
        return model.task
    return next(task for task, names in METRICS.items() if record.primary_metric in names)
