"""The worst pictures, the worst confusions, and their evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from unfreeze.data import InputSpec
from unfreeze.evaluation import Predictions, worst_confusions, worst_mistakes, write_evidence
from unfreeze.evaluation.attribution import HeatMaps
from unfreeze.evaluation.mistakes import Confusion, PictureIndex, least_certain

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def test_the_least_certain_are_those_between_two_classes_and_none_twice() -> None:
    predictions = classified([0, 1, 0, 1], [[0.9, 0.1], [0.51, 0.49], [0.6, 0.4], [0.45, 0.55]])
    found = least_certain(predictions, n=2)
    assert [(d.file, d.truth, d.explained, d.other) for d in found] == [
        ("1.png", "dog", "cat", "dog"),
        ("3.png", "dog", "dog", "cat"),
    ]
    assert found[0].confidence == pytest.approx(0.51)
    assert found[0].other_confidence == pytest.approx(0.49)
    assert [d.file for d in least_certain(predictions, n=2, leave_out={"1.png"})] == ["3.png", "2.png"]


def test_of_several_labels_the_one_nearest_to_even_is_the_doubt_and_values_have_none() -> None:
    several = Predictions.decide(
        np.array([[0.9, 0.2], [0.52, 0.99]]), task="multilabel", outputs=("fish", "shark"), files=["a", "b"],
        truth=np.array([[1, 0], [0, 1]]),
    )  # fmt: skip
    first, second = least_certain(several)
    assert (first.file, first.explained, first.other) == ("b", "fish", None)
    assert (second.file, second.explained, second.confidence) == ("a", "shark", pytest.approx(0.2))
    values = Predictions.decide(
        np.array([[1.0]]), task="regression", outputs=("x",), files=["a"], truth=np.array([[2.0]])
    )
    assert least_certain(values) == ()


def test_evidence_keeps_numbered_thumbnails_and_an_index_and_forgets_earlier_ones(tmp_path: Path) -> None:
    root, run = tmp_path / "data", tmp_path / "run"
    root.mkdir()
    (run / "evidence").mkdir(parents=True)
    (run / "evidence" / "mistake-09.jpg").write_bytes(b"old")
    Image.new("RGB", (448, 112), "red").save(root / "0.png")
    Image.new("L", (20, 30), 9).save(root / "1.png")
    predictions = classified([0, 0, 0, 0], [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.55, 0.45]])
    index = write_evidence(run, predictions, root=root, n=2)
    assert [mistake.thumbnail for mistake in index.mistakes] == ["mistake-01.jpg", None]  # 2.png is gone
    assert [doubt.thumbnail for doubt in index.doubts] == [None, "doubt-02.jpg"]
    assert sorted(path.name for path in (run / "evidence").iterdir()) == [
        "doubt-02.jpg", "mistake-01.jpg", "pictures.json",
    ]  # fmt: skip
    with Image.open(run / "evidence" / "mistake-01.jpg") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (224, 56))
    row = json.loads((run / "evidence" / "pictures.json").read_text())["mistakes"][0]
    assert {key: row[key] for key in ("file", "truth", "prediction", "explained", "confidence")} == {
        "file": "0.png",
        "truth": "cat",
        "prediction": "dog",
        "explained": "dog",
        "confidence": pytest.approx(0.9),
    }


def test_heat_maps_are_asked_for_what_was_said_and_lie_over_what_the_network_saw(tmp_path: Path) -> None:
    Image.new("RGB", (448, 224), "white").save(tmp_path / "0.png")
    asked: list[object] = []

    def explain(files: Sequence[str], outputs: Sequence[int]) -> HeatMaps:
        asked.extend([list(files), list(outputs)])
        return HeatMaps(maps=(np.eye(2, dtype=np.float32)[::-1],), layer="layer4")

    spec = InputSpec(size=(64, 64), crop="center", crop_pct=1.0)
    index = write_evidence(tmp_path, classified([0], [[0.1, 0.9]]), root=tmp_path, spec=spec, explain=explain)
    assert asked == [["0.png"], [1]]
    assert index.heat_layer == "layer4"
    assert index.mistakes[0].heat_map == "mistake-01-heat.png"
    with Image.open(tmp_path / "evidence" / "mistake-01-heat.png") as heat:
        opacity = np.asarray(heat.convert("RGBA"))[:, :, 3]
    assert opacity.shape == (56, 112)  # half the thumbnail's size: there is nothing fine in it
    assert not opacity[:, :28].any()  # of a centre crop the sides were not seen
    assert not opacity[:, 84:].any()
    assert opacity[4, 78] > 100
    assert opacity[4, 33] == 0


def test_no_pictures_have_no_mistakes(tmp_path: Path) -> None:
    nothing = classified([0], [[0.9, 0.1]]).of("val")
    assert write_evidence(tmp_path, nothing, root=tmp_path) == PictureIndex()
    empty = Predictions.decide(np.zeros((0, 1)), task="regression", outputs=("x",), files=[], truth=np.zeros((0, 1)))
    assert worst_mistakes(empty) == ()
