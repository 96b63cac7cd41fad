"""Calibration on validation: a temperature for the probabilities, and the thresholds of prediction sets.

The best epoch was chosen on the same pictures. It was one of a few, so that little of the guarantee is lost; but it is
no longer exact (docs/reference/calibration.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from unfreeze.backbones import output_scores
from unfreeze.evaluation.conformal import calibrate_sets, least_groups
from unfreeze.evaluation.predictions import Predictions
from unfreeze.evaluation.temperature import fit_temperature
from unfreeze.metrics import evaluate_scores
from unfreeze.records import CalibrationRecord, ConformalRecord, Metrics, ModelRecord, RunMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.data import Dataset, Split

__all__ = ["Calibration", "calibrate_run"]

FIGURES = ("log_loss", "ece")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A network's record with what was calibrated in it, and what run.json says of it.

    Attributes:
        model: the network's record: its temperature and its prediction sets' threshold.
        record: log loss and calibration error before and after; None for regression.
        notes: what the user should know.
    """

    model: ModelRecord
    record: CalibrationRecord | None
    notes: tuple[str, ...]


def calibrate_run(
    outputs: np.ndarray,
    model: ModelRecord,
    dataset: Dataset,
    split: Split,
    *,
    level: float | None = None,
    seed: int = 0,
) -> Calibration:
    """Calibrate a trained network on validation; test pictures only tell what that was worth.

    Args:
        outputs: float32 (n, n_outputs), the raw outputs for the validation and then the test pictures, in the order
            of the split; see `predict_outputs`.
        model: the network's record; what an earlier calibration left in it is not used.
        dataset: the pictures; their groups, if any, count as one each.
        split: which of them validate and test.
        level: the share of truths that prediction sets are to hold; None: no sets.
        seed: of the resampling behind the intervals.
    """
    own = msgspec.structs.replace(model, temperature=1.0, conformal=None)
    calibrated, record = own, None
    if own.task != "regression":
        val = outputs[: len(split.val)]
        truth = dataset.targets[list(split.val)]
        groups = _groups(dataset, split.val)
        temperature = fit_temperature(val, truth, task=own.task, shift=own.prior_shift, groups=groups)
        calibrated = msgspec.structs.replace(own, temperature=temperature.value)
        before = _figures(outputs, own, dataset, split, seed=seed)
        record = CalibrationRecord(
            temperature=temperature.value,
            reason=temperature.reason,
            n_images=len(truth),
            before=before,
            after=before if calibrated == own else _figures(outputs, calibrated, dataset, split, seed=seed),
        )
    if level is None:
        return Calibration(model=calibrated, record=record, notes=())
    conformal = _conformal(outputs, calibrated, dataset, split, level=level)
    return Calibration(
        model=msgspec.structs.replace(calibrated, conformal=conformal),
        record=record,
        notes=() if conformal is not None else (_too_few(dataset, split, level=level),),
    )


def _conformal(
    outputs: np.ndarray, model: ModelRecord, dataset: Dataset, split: Split, *, level: float
) -> ConformalRecord | None:
    raw = torch.from_numpy(outputs[: len(split.val)])
    predictions = Predictions.decide(
        output_scores(raw, model).numpy(),
        decisions=output_scores(raw, model, balanced=True).numpy(),
        task=dataset.task,
        outputs=dataset.outputs,
        files=[dataset.files[i] for i in split.val],
    )
    return calibrate_sets(
        dataset.task,
        dataset.targets[list(split.val)],
        predictions.scores,
        predictions.predicted,
        level=level,
        groups=_groups(dataset, split.val),
    )


def _figures(outputs: np.ndarray, model: ModelRecord, dataset: Dataset, split: Split, *, seed: int) -> RunMetrics:
    """Return log loss and calibration error on validation and test."""
    scores = output_scores(torch.from_numpy(outputs), model).numpy()

    def figures(side: Sequence[int], rows: slice) -> Metrics:
        truth, probable = dataset.targets[list(side)], scores[rows]
        groups = _groups(dataset, side)
        if dataset.task == "multilabel":  # the labels of one picture err together
            pairs, clusters = _as_two_classes(truth, probable, groups)
            return evaluate_scores("classification", *pairs, groups=clusters, seed=seed, names=FIGURES)
        return evaluate_scores("classification", truth, probable, groups=groups, seed=seed, names=FIGURES)

    n_val = len(split.val)
    return RunMetrics(val=figures(split.val, slice(0, n_val)), test=figures(split.test, slice(n_val, None)))


def _as_two_classes(
    truth: np.ndarray, scores: np.ndarray, groups: Sequence[str] | None
) -> tuple[tuple[np.ndarray, np.ndarray], NDArray[np.intp]]:
    """Return each (picture, label) pair as an answer of two classes: the label is there, or not; and its group."""
    flat = scores.reshape(-1)
    pairs = truth.reshape(-1).astype(np.int64), np.stack([1 - flat, flat], axis=1)
    owners = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    return pairs, np.repeat(owners, scores.shape[1])


def _groups(dataset: Dataset, side: Sequence[int]) -> list[str] | None:
    return None if dataset.groups is None else [dataset.groups[i] for i in side]


def _too_few(dataset: Dataset, split: Split, *, level: float) -> str:
    groups = _groups(dataset, split.val)
    n, what = (len(split.val), "pictures") if groups is None else (len(set(groups)), "groups of pictures")
    kind = "intervals" if dataset.task == "regression" else "sets"
    return (
        f"No prediction {kind}: --conformal {level:g} needs at least {least_groups(level)} validation {what}, "
        f"but there are {n}. Give it more pictures, or ask for a lower level."
    )
