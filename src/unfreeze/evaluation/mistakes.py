"""Which pictures a network got most wrong, and which classes it confuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.evaluation.predictions import Predictions

__all__ = ["Confusion", "Mistake", "worst_confusions", "worst_mistakes"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pictures of one class that were taken for another."""

    truth: str
    prediction: str
    count: int
    n_truth: int  # all pictures of the true class


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One picture that the network got wrong, as evidence/worst.json keeps it."""

    file: str
    truth: str
    prediction: str
    confidence: float | None = None  # in the wrong class or label, 0..1; None for regression
    error: float | None = None  # regression: prediction minus truth, of the target that is furthest off
    thumbnail: str | None = None  # the file name in evidence/; None if the picture could not be shown


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
    return tuple(
        Mistake(
            file=predictions.files[i],
            truth=truth,
            prediction=guess,
            confidence=None if confidence is None else float(confidence[i]),
            error=None if errors is None else float(errors[i]),
        )
        for i, truth, guess in zip(order, truths, guesses, strict=True)
    )


def _severity(predictions: Predictions) -> np.ndarray:
    """Return (n,) how far off the worst target of each picture is, in units of the targets' spreads."""
    severity: np.ndarray = np.abs(_relative_errors(predictions)).max(axis=1, initial=0.0)
    return severity


def _errors(predictions: Predictions) -> np.ndarray:
    """Return (n,) the error of the target that is furthest off, in its units."""
    assert predictions.truth is not None
    relative = np.abs(_relative_errors(predictions))
    worst = relative.argmax(axis=1) if len(predictions) else np.zeros(0, dtype=int)
    difference: np.ndarray = predictions.predicted - predictions.truth
    errors: np.ndarray = difference[np.arange(len(predictions)), worst]
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
    wrong = (truth > 0) != (predicted > 0)
    sure = np.where(predicted > 0, scores, 1 - scores)
    found: np.ndarray = np.where(wrong, sure, 0.0).max(axis=1, initial=0.0)
    return found
