"""Whether stated confidence can be believed: the reliability diagram and what it says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unfreeze.metrics import wilson
from unfreeze.reporting.charts import Chart, reliability_chart

if TYPE_CHECKING:
    from unfreeze.evaluation.predictions import Predictions

__all__ = ["confidence_sentences", "reliability"]

SURE = 0.9
FEW = 20  # sure answers; of fewer nothing is said


def reliability(predictions: Predictions) -> Chart:
    """Return the reliability diagram of test predictions: answers by class, or labels said or denied."""
    confidence, right = _answers(predictions)
    of = "pictures" if predictions.task == "classification" else "labels"
    return reliability_chart(confidence, right, of=of)


def confidence_sentences(predictions: Predictions) -> tuple[str, ...]:
    """Say how sure the network is, how often it is right, and how far its surest answers can be trusted."""
    confidence, right = _answers(predictions)
    gap = float(confidence.mean() - right.mean())
    said = f"On average it is {confidence.mean():.0%} sure and {right.mean():.0%} right"
    low, high = wilson(float(right.mean()), len(right))
    if low <= confidence.mean() <= high:
        sentences = [f"{said}: these test pictures do not tell the two apart."]
    else:
        sentences = [f"{said}: it is {'too sure of itself' if gap > 0 else 'more often right than it says'}."]
    sure = confidence >= SURE
    n = int(sure.sum())
    if n >= FEW:
        low, high = wilson(float(right[sure].mean()), n)
        sentences.append(
            f"Of the {n} answers that it gave with at least {SURE:.0%}, {right[sure].mean():.0%} are right "
            f"(95% interval {low:.0%} to {high:.0%})."
        )
    return tuple(sentences)


def _answers(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each answer, and whether it is right, (m,) each."""
    truth, scores = predictions.truth, predictions.scores
    assert truth is not None
    if predictions.task == "classification":
        chosen = scores[np.arange(len(truth)), predictions.predicted]
        return chosen, predictions.predicted == truth
    says = predictions.predicted > 0
    stated = np.where(says, scores, 1 - scores).ravel()
    return stated, (says == (truth > 0)).ravel()
