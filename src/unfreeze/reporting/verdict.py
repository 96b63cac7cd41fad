"""The headline: what the run reached, and what that is worth."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.evaluation.mistakes import worst_confusions
from unfreeze.metrics import HIGHER_IS_BETTER, few_test_pictures
from unfreeze.reporting.wording import METRIC_NAMES, count, figure, interval

if TYPE_CHECKING:
    from unfreeze.reporting.contents import Contents

__all__ = ["Verdict", "chance_level", "give_verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The headline of a report.

    Attributes:
        figure: the primary metric on test as text; empty if there is none (yet).
        title: what the figure is.
        limits: its 95% interval as text; may be empty.
        sentences: what it is worth, the most important first.
        chance: what one reaches who never looks at a picture; None where that is not known.
        chance_name: how.
    """

    figure: str
    title: str
    limits: str
    sentences: tuple[str, ...]
    chance: float | None = None
    chance_name: str = ""


def give_verdict(contents: Contents) -> Verdict:
    """Judge a run by its primary metric on test."""
    record = contents.record
    name = record.primary_metric
    value = record.metrics.test.get(name)
    if record.status != "done" or value is None or value.value is None:
        return Verdict("", _title(contents), "", tuple(_unfinished(contents)))
    sentences = [*_against_guessing(contents), *_confusions(contents), *_doubts(contents)]
    chance, how = chance_level(contents)
    return Verdict(
        figure(name, value.value), _title(contents), interval(name, value), tuple(sentences), chance, how.lower()
    )


def _title(contents: Contents) -> str:
    n = contents.record.data.split_counts.get("test", 0)
    return f"{METRIC_NAMES[contents.record.primary_metric]} on {count(n)} test pictures"


def _unfinished(contents: Contents) -> list[str]:
    record = contents.record
    if record.status != "done":
        n = len(contents.history)
        resume = shlex.join(["unfreeze", "train", "--resume", "--out", str(contents.directory)])
        return [
            f"This training is {record.status}; {n} epoch{'s are' if n != 1 else ' is'} finished.",
            f"Nothing has been measured on the test pictures. Continue it with: {resume}",
        ]
    return ["The test pictures do not define this metric; see the others below."]


def _against_guessing(contents: Contents) -> list[str]:
    name, record = contents.record.primary_metric, contents.record
    chance, how = chance_level(contents)
    value = record.metrics.test[name]
    if chance is None or value.low is None or value.high is None:
        return []
    higher = HIGHER_IS_BETTER[name]
    better = value.low > chance if higher else value.high < chance
    said = f"{how} would reach {figure(name, chance)}"
    if better:
        return [f"{said}: the network has learned something real."]
    return [f"{said}: these test pictures cannot tell the network from that."]


def chance_level(contents: Contents) -> tuple[float | None, str]:
    """Return what a network reaches that never looks at the picture, and how it answers."""
    name, n = contents.record.primary_metric, len(contents.record.classes)
    if name == "balanced_accuracy":
        return 1 / n, "Guessing"
    test = contents.predictions.of("test") if contents.predictions is not None else None
    if test is None or test.truth is None or not len(test):
        return None, ""
    if name == "accuracy":
        return float(np.bincount(test.truth).max() / len(test)), "Always saying the most frequent class"
    if name == "map":
        shares = test.truth.mean(axis=0)
        return float(shares[shares > 0].mean()), "Ranking by chance"
    if name == "mae":
        return float(np.abs(test.truth - np.median(test.truth, axis=0)).mean()), "Always saying the median"
    return None, ""


def _confusions(contents: Contents) -> list[str]:
    if contents.task != "classification" or contents.predictions is None:
        return []
    test = contents.predictions.of("test")
    if test.truth is None:
        return []
    worst = worst_confusions(test.shown(test.truth), test.shown(test.predicted))
    if not worst:
        return ["No test picture was confused."]
    told = [f"{c.truth} for {c.prediction} ({c.count} of {c.n_truth})" for c in worst]
    return ["It takes " + " and ".join(told) + (" most often." if len(told) > 1 else ".")]


def _doubts(contents: Contents) -> list[str]:
    record = contents.record
    name, n = record.primary_metric, record.data.split_counts.get("test", 0)
    few = few_test_pictures(n, n_groups=record.data.n_test_groups)
    doubts = [few] if few else []
    on_val, on_test = record.metrics.val.get(name), record.metrics.test[name]
    if on_val is not None and on_val.value is not None and on_test.low is not None and on_test.high is not None:
        beyond = on_val.value > on_test.high if HIGHER_IS_BETTER[name] else on_val.value < on_test.low
        if beyond:
            doubts.append(
                f"Validation says {figure(name, on_val.value)}, better than the interval on test: the epoch was chosen "
                "on validation, or its pictures are easier."
            )
    return doubts
