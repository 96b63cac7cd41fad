"""The worst pictures, the worst confusions, and their evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from unfreeze.evaluation import Predictions, worst_confusions, worst_mistakes, write_evidence
from unfreeze.evaluation.mistakes import Confusion

if TYPE_CHECKING:
    from pathlib import Path


def classified(truth: list[int], scores: list[list[float]]) -> Predictions:
    return Predictions.decide(
        np.array(scores),
        task="classification",
        outputs=("cat", "dog"),
        files=[f"{i}.png" for i in range(len(truth))],
        splits=["test"] * len(truth),
        truth=np.array(truth),
    )


def test_the_two_most_frequent_confusions_are_counted_against_their_class() -> None:
    truth = ["a", "a", "a", "a", "b", "b", "c", "c"]
    guess = ["b", "b", "a", "c", "a", "b", "c", "a"]
    assert worst_confusions(truth, guess) == (Confusion("a", "b", 2, 4), Confusion("b", "a", 1, 2))
    assert worst_confusions(["a"], ["a"]) == ()


def test_the_surest_mistakes_come_first_and_right_answers_never() -> None:
    found = worst_mistakes(classified([0, 0, 1, 1], [[0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), n=2)
    assert [(m.file, m.truth, m.prediction, m.confidence) for m in found] == [
        ("1.png", "cat", "dog", 0.9),
        ("3.png", "dog", "cat", 0.7),
    ]
    assert worst_mistakes(classified([0], [[0.9, 0.1]])) == ()


def test_several_labels_count_by_the_wrong_one_that_was_surest() -> None:
    predictions = Predictions.decide(
        np.array([[0.9, 0.05], [0.6, 0.9], [0.9, 0.9]]),
        task="multilabel",
        outputs=("fish", "shark"),
        files=["a", "b", "c"],
        truth=np.array([[1, 1], [0, 1], [1, 1]]),
    )
    found = worst_mistakes(predictions)
    assert [(m.file, m.truth, m.prediction) for m in found] == [
        ("a", "fish|shark", "fish"),
        ("b", "shark", "fish|shark"),
    ]
    assert found[0].confidence == pytest.approx(0.95)


def test_the_greatest_errors_of_several_targets_are_compared_by_their_spread() -> None:
    predictions = Predictions.decide(
        np.array([[10.0, 1.0], [20.0, 5.0], [28.0, 3.0]]),
        task="regression",
        outputs=("grams", "legs"),
        files=["a", "b", "c"],
        truth=np.array([[10.0, 1.0], [20.0, 2.0], [30.0, 3.0]]),
    )
    found = worst_mistakes(predictions)
    assert [(m.file, m.error, m.truth) for m in found] == [
        ("b", 3.0, "grams=20, legs=2"),
        ("c", -2.0, "grams=30, legs=3"),
    ]


def test_evidence_keeps_numbered_thumbnails_and_an_index_and_forgets_earlier_ones(tmp_path: Path) -> None:
    root, run = tmp_path / "data", tmp_path / "run"
    root.mkdir()
    (run / "evidence").mkdir(parents=True)
    (run / "evidence" / "worst-09.jpg").write_bytes(b"old")
    Image.new("RGB", (400, 100), "red").save(root / "0.png")
    Image.new("L", (20, 30), 9).save(root / "1.png")
    index = write_evidence(run, classified([0, 0, 0], [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]), root=root)
    assert [mistake.thumbnail for mistake in index] == ["worst-01.jpg", "worst-02.jpg", None]  # 2.png is gone
    assert sorted(path.name for path in (run / "evidence").iterdir()) == ["worst-01.jpg", "worst-02.jpg", "worst.json"]
    with Image.open(run / "evidence" / "worst-01.jpg") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (160, 40))
    rows = json.loads((run / "evidence" / "worst.json").read_text())
    assert {key: rows[0][key] for key in ("file", "truth", "prediction", "confidence")} == {
        "file": "0.png",
        "truth": "cat",
        "prediction": "dog",
        "confidence": pytest.approx(0.9),
    }


def test_no_pictures_have_no_mistakes(tmp_path: Path) -> None:
    nothing = classified([0], [[0.9, 0.1]]).of("val")
    assert write_evidence(tmp_path, nothing, root=tmp_path) == ()
    empty = Predictions.decide(np.zeros((0, 1)), task="regression", outputs=("x",), files=[], truth=np.zeros((0, 1)))
    assert worst_mistakes(empty) == ()
