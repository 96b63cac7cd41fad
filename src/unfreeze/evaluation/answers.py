"""What a network says of a picture, in words and numbers that a user reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.backbones import output_scores
from unfreeze.evaluation.conformal import prediction_intervals, prediction_sets
from unfreeze.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor

    from unfreeze.records import ConformalRecord, ModelRecord

__all__ = ["Decision", "Prediction", "interpret_outputs"]

Decision = str | tuple[str, ...] | float | Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a network says of one picture.

    Attributes:
        file: the picture, as it was given.
        prediction: a class name, the names of the labels found, the value, or the values by target; `None` with
            an error.
        scores: probability of each class or label, or value of each target in its units.
        classes: the prediction set: the classes that hold the true one as often as `--conformal` asked for, the most
            probable first; `None` where the run has none.
        intervals: the same for values: lower and upper end for each target.
        error: why the picture could not be read; `None` if it could.
    """

    file: str
    prediction: Decision | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    intervals: Mapping[str, tuple[float, float]] | None = None
    error: str | None = None


def interpret_outputs(outputs: Tensor, record: ModelRecord, *, files: Sequence[str]) -> list[Prediction]:
    """Return what a network's outputs for some pictures mean: decisions, calibrated scores, sets or intervals.

    Args:
        outputs: (B, n_outputs) logits, or standardised values; any float dtype, on any device.
        record: the network's.
        files: (B,) the pictures, as they were given.
    """
    raw = outputs.float().cpu()
    scores = output_scores(raw, record).numpy()
    decided = Predictions.decide(
        scores,
        decisions=output_scores(raw, record, balanced=True).numpy(),
        task=record.task,
        outputs=record.outputs,
        files=files,
    )
    classes, intervals = _sets(decided, record.conformal), _intervals(decided, record.conformal)
    return [
        Prediction(
            file=file,
            prediction=_decision(decided.predicted[i], record),
            scores=dict(zip(record.outputs, row, strict=True)),
            classes=classes[i],
            intervals=intervals[i],
        )
        for i, (file, row) in enumerate(zip(files, scores.tolist(), strict=True))
    ]


def _sets(decided: Predictions, conformal: ConformalRecord | None) -> list[tuple[str, ...] | None]:
    """Return the names in each picture's prediction set, the most probable first."""
    if conformal is None or decided.task != "classification":
        return [None] * len(decided)
    members = prediction_sets(decided.scores, decided.predicted, conformal)
    order = np.argsort(-decided.scores, axis=1, kind="stable")
    return [tuple(decided.outputs[k] for k in ranked if row[k]) for row, ranked in zip(members, order, strict=True)]


def _intervals(decided: Predictions, conformal: ConformalRecord | None) -> list[dict[str, tuple[float, float]] | None]:
    """Return the interval of each picture's values by target."""
    if conformal is None or decided.task != "regression":
        return [None] * len(decided)
    ends = np.stack(prediction_intervals(decided.predicted, conformal), axis=2)
    return [
        {name: (float(low), float(high)) for name, (low, high) in zip(decided.outputs, row, strict=True)}
        for row in ends
    ]


def _decision(predicted: np.ndarray, record: ModelRecord) -> Decision:
    if record.task == "classification":
        return record.outputs[int(predicted)]
    if record.task == "multilabel":
        return tuple(name for name, on in zip(record.outputs, predicted, strict=True) if on)
    values = {name: float(value) for name, value in zip(record.outputs, predicted, strict=True)}
    return values[record.outputs[0]] if len(values) == 1 else values
