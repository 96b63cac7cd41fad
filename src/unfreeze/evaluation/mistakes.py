"""Which pictures a network got most wrong, which it is least certain of, and which classes it confuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from unfreeze.evaluation.predictions import Predictions

__all__ = [
    "EVIDENCE",
    "PICTURES",
    "Confusion",
    "Doubt",
    "Mistake",
    "PictureIndex",
    "least_certain",
    "worst_confusions",
    "worst_mistakes",
]

EVIDENCE, PICTURES = "evidence", "pictures.json"
EVEN = 0.5  # the probability of a label that says nothing


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pictures of one class that were taken for another."""

    truth: str
    prediction: str
    count: int
    n_truth: int  # all pictures of the true class


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One picture that the network got wrong, as evidence/pictures.json keeps it."""

    file: str
    truth: str
    prediction: str
    confidence: float | None = None  # in the wrong class or label, 0..1; None for regression
    error: float | None = None  # regression: prediction minus truth, of the target that is furthest off
    explained: str  # the class, label or target that is wrong: what a heat map explains
    thumbnail: str | None = None  # the file name in evidence/; None if the picture could not be shown
    heat_map: str | None = None  # the file name in evidence/; None where there is none


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One picture that the network is least certain of, as evidence/pictures.json keeps it."""

    file: str
    truth: str
    explained: str  # the likeliest class, or the label that is nearest to even
    confidence: float  # its probability
    other: str | None = None  # the second likeliest class
    other_confidence: float | None = None
    thumbnail: str | None = None
    heat_map: str | None = None


class PictureIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures evidence/ shows, as evidence/pictures.json keeps it."""

    mistakes: tuple[Mistake, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    heat_layer: str = ""  # whose activations the heat maps are; empty without heat maps
    notes: tuple[str, ...] = ()


def worst_confusions(truth: Sequence[str], prediction: Sequence[str], *, n: int = 2) -> tuple[Confusion, ...]:
    """Return the `n` most frequent pairs of a true class and a wrong one predicted for it.

    Of equally frequent pairs, the one that takes the larger share of its class comes first, then by name.

    >>> worst_confusions(["cat", "cat", "dog"], ["dog", "cat", "dog"])
    (Confusion(truth='cat', prediction='dog', count=1, n_truth=2),)
    """
    sizes = Counter(truth)
    pairs = Counter((real, guess) for real, guess in zip(truth, prediction, strict=True) if real != guess)
    found = [Confusion(real, guess, count, sizes[real]) for (real, guess), count in pairs.items()]
    return tuple(sorted(found, key=lambda c: (-c.count, c.n_truth, c.truth, c.prediction))[:n])


def worst_mistakes(predictions: Predictions, *, n: int = 24) -> tuple[Mistake, ...]:
    """Return the `n` mistakes that the network was surest of, or the greatest errors of a regression.

    Errors of several targets are compared in units of each target's spread. A picture of several labels
    counts by the wrong label, present or absent, that the network was surest of.

    Args:
        predictions: with known truths.
        n: how many at most.
    """
    assert predictions.truth is not None, "mistakes need truths"
    errors = _errors(predictions) if predictions.task == "regression" else None
    confidence = None if errors is not None else _confidence_in_wrong(predictions)
    severity = confidence if confidence is not None else _severity(predictions)
    order = [int(i) for i in np.argsort(-severity, kind="stable")[:n] if severity[i] > 0]
    truths = predictions.shown(predictions.truth[order], digits=4)
    guesses = predictions.shown(predictions.predicted[order], digits=4)
    wrong = _wrong_outputs(predictions)
    return tuple(
        Mistake(
            file=predictions.files[i],
            truth=truth,
            prediction=guess,
            confidence=None if confidence is None else float(confidence[i]),
            error=None if errors is None else float(errors[i]),
            explained=predictions.outputs[int(wrong[i])],
        )
        for i, truth, guess in zip(order, truths, guesses, strict=True)
    )


def least_certain(predictions: Predictions, *, n: int = 10, leave_out: Collection[str] = ()) -> tuple[Doubt, ...]:
    """Return the `n` pictures whose two likeliest classes are closest, or that have the label nearest to even.

    A regression says nothing of its certainty: none.

    Args:
        predictions: with known truths.
        n: how many at most.
        leave_out: names of pictures that are shown already.
    """
    assert predictions.truth is not None, "doubts are shown beside truths"
    if predictions.task == "regression" or not len(predictions):
        return ()
    rows = np.arange(len(predictions))
    if predictions.task == "classification":
        ranked = np.argsort(-predictions.scores, axis=1, kind="stable")
        first, second = ranked[:, 0], ranked[:, 1]
        margins = predictions.scores[rows, first] - predictions.scores[rows, second]
    else:
        distances = np.abs(predictions.scores - EVEN)
        first, second = distances.argmin(axis=1), None
        margins = distances[rows, first]
    order = [int(i) for i in np.argsort(margins, kind="stable") if predictions.files[i] not in leave_out][:n]
    truths = predictions.shown(predictions.truth[order])
    return tuple(
        Doubt(
            file=predictions.files[i],
            truth=truth,
            explained=predictions.outputs[int(first[i])],
            confidence=float(predictions.scores[i, first[i]]),
            other=None if second is None else predictions.outputs[int(second[i])],
            other_confidence=None if second is None else float(predictions.scores[i, second[i]]),
        )
        for i, truth in zip(order, truths, strict=True)
    )


def _wrong_outputs(predictions: Predictions) -> np.ndarray:
    """Return (n,) the number of the class, label or target that each picture's mistake is about."""
    wrong: np.ndarray
    if predictions.task == "classification":
        return predictions.predicted
    if predictions.task == "multilabel":
        wrong = _sureness_of_wrong(predictions).argmax(axis=1)
    else:
        wrong = np.abs(_relative_errors(predictions)).argmax(axis=1) if len(predictions) else np.zeros(0, dtype=int)
    return wrong


def _severity(predictions: Predictions) -> np.ndarray:
    """Return (n,) how far off the worst target of each picture is, in units of the targets' spreads."""
    severity: np.ndarray = np.abs(_relative_errors(predictions)).max(axis=1, initial=0.0)
    return severity


def _errors(predictions: Predictions) -> np.ndarray:
    """Return (n,) the error of the target that is furthest off, in its units."""
    assert predictions.truth is not None
    difference: np.ndarray = predictions.predicted - predictions.truth
    errors: np.ndarray = difference[np.arange(len(predictions)), _wrong_outputs(predictions)]
    return errors


def _relative_errors(predictions: Predictions) -> np.ndarray:
    assert predictions.truth is not None
    spread = predictions.truth.std(axis=0) if len(predictions) else 1.0
    relative: np.ndarray = (predictions.predicted - predictions.truth) / np.where(spread > 0, spread, 1.0)
    return relative


def _confidence_in_wrong(predictions: Predictions) -> np.ndarray:
    """Return (n,) how sure the network was of what is wrong; 0 where nothing is."""
    truth, predicted, scores = predictions.truth, predictions.predicted, predictions.scores
    assert truth is not None
    if predictions.task == "classification":
        chosen = scores[np.arange(len(predicted)), predicted]
        return np.where(truth == predicted, 0.0, chosen)
    found: np.ndarray = _sureness_of_wrong(predictions).max(axis=1, initial=0.0)
    return found


def _sureness_of_wrong(predictions: Predictions) -> np.ndarray:
    """Return (n, k) how sure the network was of each label that is wrong, present or absent; 0 where it is right."""
    assert predictions.truth is not None
    says = predictions.predicted > 0
    sure = np.where(says, predictions.scores, 1 - predictions.scores)
    found: np.ndarray = np.where((predictions.truth > 0) != says, sure, 0.0)
    return found
