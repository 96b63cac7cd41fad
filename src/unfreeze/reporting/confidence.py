"""Whether stated confidence can be believed: the reliability diagram and what it says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unfreeze.reporting.charts import reliability_chart
from unfreeze.reporting.shares import answer_clusters, share_right

if TYPE_CHECKING:
    from unfreeze.evaluation.predictions import Predictions
    from unfreeze.reporting.axes import Chart

__all__ = ["confidence_sentences", "reliability"]

SURE = 0.9
FEW = 20  # sure answers; of fewer nothing is said


def reliability(predictions: Predictions) -> Chart:
    """Return the reliability diagram of test predictions: answers by class, or labels said or denied."""
    confidence, right = _answers(predictions)
    of = "pictures" if predictions.task == "classification" else "labels"
    return reliability_chart(confidence, right, of=of, clusters=answer_clusters(predictions))


def confidence_sentences(predictions: Predictions) -> tuple[str, ...]:
    """Say how sure the network is, how often it is right, and how far its surest answers can be trusted."""
    (confidence, right), clusters = _answers(predictions), answer_clusters(predictions)
    gap = float(confidence.mean() - right.mean())
    said = f"On average it is {confidence.mean():.0%} sure and {right.mean():.0%} right"
    found = share_right(right, clusters)
    if found.low is None or found.high is None or found.low <= confidence.mean() <= found.high:
        sentences = [f"{said}: these test pictures do not tell the two apart."]
    else:
        sentences = [f"{said}: it is {'too sure of itself' if gap > 0 else 'more often right than it says'}."]
    sure = confidence >= SURE
    if (n := int(sure.sum())) >= FEW:
        found = share_right(right[sure], None if clusters is None else clusters[sure])
        limits = "no interval, for they all belong together"
        if found.low is not None and found.high is not None:
            limits = f"95% interval {found.low:.0%} to {found.high:.0%}"
        sentences.append(
            f"Of the {n} answers that it gave with at least {SURE:.0%}, {right[sure].mean():.0%} are right ({limits})."
        )
    if predictions.groups is not None:
        sentences.append(f"Intervals count the {len(set(predictions.groups))} groups of pictures, not single pictures.")
    elif predictions.task == "multilabel":
        sentences.append("Intervals count pictures: the labels of one picture err together.")
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
