"""Limits of shares know which answers err together: those of one group, and the labels of one picture."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from support.pages import shown_text

from unfreeze.evaluation.predictions import Predictions, read_predictions, write_predictions
from unfreeze.metrics import wilson
from unfreeze.records import RunRecord, TrainOptions, read_json, write_json
from unfreeze.reporting import write_report
from unfreeze.reporting.confidence import confidence_sentences, reliability
from unfreeze.reporting.shares import share_right
from unfreeze.reporting.tables import output_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CLASSES = ("cat", "dog")


def classified(right: Sequence[bool], *, sure: float, groups: Sequence[str] | None = None) -> Predictions:
    """Pictures of both classes in turn, each answered with the same certainty."""
    truth = np.arange(len(right)) % 2
    said = np.where(right, truth, 1 - truth)
    scores = np.where(np.eye(2)[said] > 0, sure, 1 - sure)
    files = [str(i) for i in range(len(right))]
    return Predictions.decide(scores, task="classification", outputs=CLASSES, files=files, truth=truth, groups=groups)


def patients(n: int, *, size: int, wrong: int) -> tuple[list[bool], list[str]]:
    """Patients with several pictures each, all right or all wrong."""
    return [i >= wrong for i in range(n) for _ in range(size)], [f"patient {i}" for i in range(n) for _ in range(size)]


def limits(sentence: str) -> tuple[int, int]:
    found = re.search(r"95% interval (\d+)% to (\d+)%", sentence)
    assert found is not None, sentence
    return int(found[1]), int(found[2])


def test_a_share_alone_has_wilsons_limits_and_in_clusters_those_of_the_clusters() -> None:
    right = np.array([True] * 160 + [False] * 40)
    alone = share_right(right)
    assert (alone.low, alone.high) == pytest.approx(wilson(0.8, 200), abs=1e-6)
    grouped = share_right(right, np.repeat(np.arange(10), 20))
    assert grouped.low is not None
    assert grouped.high is not None
    assert grouped.low < wilson(0.8, 10)[0] + 0.02
    assert grouped.high > wilson(0.8, 10)[1] - 0.02


def test_a_part_of_the_answers_counts_only_the_groups_that_it_holds() -> None:
    right = np.arange(40) % 4 > 0
    clusters = np.repeat(np.arange(10), 4)
    assert share_right(right, clusters + 90) == share_right(right, clusters)


def test_ten_patients_do_not_tell_what_two_hundred_pictures_would() -> None:
    right, groups = patients(10, size=20, wrong=2)
    (alone, *_) = confidence_sentences(classified(right, sure=0.93))
    grouped = confidence_sentences(classified(right, sure=0.93, groups=groups))
    assert "too sure of itself" in alone
    assert "do not tell the two apart" in grouped[0]
    low, high = limits(grouped[1])
    assert low < 50
    assert high > 92
    assert "count the 10 groups of pictures" in grouped[-1]


def test_the_labels_of_one_picture_are_not_as_many_observations() -> None:
    of_picture = np.arange(100) >= 8  # all 20 labels of eight pictures are wrong, those of the others right
    truth = np.tile(np.arange(20) % 2, (100, 1))
    said = np.where(of_picture[:, None], truth, 1 - truth)
    labels = Predictions.decide(
        np.where(said > 0, 0.95, 0.05),
        task="multilabel",
        outputs=[f"label {k}" for k in range(20)],
        files=[str(i) for i in range(100)],
        truth=truth,
    )
    averages, sure, why = confidence_sentences(labels)
    assert "do not tell the two apart" in averages
    low, high = limits(sure)
    assert low <= round(100 * wilson(0.92, 100)[0])
    assert high >= round(100 * wilson(0.92, 100)[1])
    assert "the labels of one picture err together" in why


def test_the_reliability_diagram_has_the_limits_of_groups_and_none_for_a_single_one() -> None:
    right, groups = patients(10, size=20, wrong=2)
    drawn = reliability(classified(right, sure=0.93, groups=groups)).drawing
    low = re.search(r"80% right \((\d+)% to", drawn)
    assert low is not None
    assert int(low[1]) < 50
    single = reliability(classified(right, sure=0.93, groups=["one"] * 200)).drawing
    assert "80% right" in single
    assert 'class="span"' in drawn
    assert 'class="span"' not in single
    assert "no interval" in confidence_sentences(classified(right, sure=0.93, groups=["one"] * 200))[1]


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_shares_by_class_and_label_have_the_limits_of_groups(task: str) -> None:
    right, groups = patients(10, size=20, wrong=2)
    of = classified(right, sure=0.93, groups=groups)
    if task == "multilabel":
        both = np.eye(2, dtype=np.int64)
        of = replace(of, task="multilabel", truth=both[of.truth], predicted=both[of.predicted])
    for row in output_table(of).rows:
        assert row[2] == "80%"
        low = re.search(r"(\d+)% to", row[3])
        assert low is not None
        assert int(low[1]) < 50
    for row in output_table(replace(of, groups=("one",) * 200)).rows:
        assert row[3] == ""


def test_a_run_that_kept_no_groups_says_that_its_intervals_do_not_know_them(make_run: Callable[..., Path]) -> None:
    directory = make_run(config=TrainOptions(group="patient"))
    warning = "does not say which pictures form a group"
    assert warning in shown_text(write_report(directory).read_text(encoding="utf-8"))
    record, table = read_json(directory / "run.json", RunRecord), directory / "predictions.csv"
    read = read_predictions(table, task="classification", outputs=record.classes)
    write_predictions(table, replace(read, groups=tuple(str(i // 5) for i in range(len(read)))))
    text = shown_text(write_report(directory).read_text(encoding="utf-8"))
    assert warning not in text
    assert "count the 16 groups of pictures" in text
    write_predictions(table, read)
    write_json(directory / "run.json", msgspec.structs.replace(record, config=TrainOptions()))
    assert warning not in shown_text(write_report(directory).read_text(encoding="utf-8"))
