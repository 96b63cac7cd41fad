"""predictions.csv: what is written is what is read."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from unfreeze.errors import RunError
from unfreeze.evaluation import Predictions, read_predictions, write_predictions

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.records import TaskName

ODD = ("plain", 'say "cheese", please', "Kühe|Stiere\\Kälber", "line\nbreak", "=1+1", "<script>")


def made_up(task: TaskName, outputs: tuple[str, ...], n: int = 7) -> Predictions:
    rng = np.random.default_rng(0)
    scores = rng.random((n, len(outputs))).astype(np.float32)
    truth: np.ndarray = rng.integers(0, len(outputs), n)
    if task == "multilabel":
        truth = rng.integers(0, 2, (n, len(outputs)))
        truth[0], scores[0] = 0, 0.1  # a picture without any label
    if task == "regression":
        truth, scores = rng.normal(size=(n, len(outputs))), 1e4 * rng.normal(size=(n, len(outputs)))
    return Predictions.decide(
        scores,
        task=task,
        outputs=outputs,
        files=[f'a/{i}, "ü".jpg' for i in range(n)],
        splits=["val"] * 3 + ["test"] * (n - 3),
        truth=truth,
    )


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize("outputs", [ODD, ("one",)])
def test_what_is_written_is_read_back_with_any_names(tmp_path: Path, task: TaskName, outputs: tuple[str, ...]) -> None:
    written = made_up(task, outputs)
    write_predictions(tmp_path / "predictions.csv", written)
    read = read_predictions(tmp_path / "predictions.csv", task=task, outputs=outputs)
    assert (read.files, read.splits, read.outputs) == (written.files, written.splits, outputs)
    assert read.truth is not None
    assert written.truth is not None
    np.testing.assert_allclose(read.truth, written.truth, rtol=1e-6)
    np.testing.assert_allclose(read.predicted, written.predicted, rtol=1e-6)
    np.testing.assert_allclose(read.scores, written.scores, rtol=1e-6)


def test_the_columns_are_file_split_truth_prediction_and_a_probability_by_class(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", made_up("classification", ("cat", "dog")))
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "split", "truth", "prediction", "prob:cat", "prob:dog"]
    assert rows[0]["prediction"] in {"cat", "dog"}


def test_groups_are_kept_where_there_are_any(tmp_path: Path) -> None:
    plain = made_up("classification", ("cat", "dog"))
    grouped = replace(plain, groups=('pat "1"', "2", "2", "3", "3", "3", ""))
    write_predictions(tmp_path / "p.csv", grouped)
    read = read_predictions(tmp_path / "p.csv", task="classification", outputs=("cat", "dog"))
    assert read.groups == grouped.groups
    assert read.of("test").groups == ("3", "3", "3", "")
    write_predictions(tmp_path / "p.csv", plain)
    assert read_predictions(tmp_path / "p.csv", task="classification", outputs=("cat", "dog")).groups is None


def test_several_labels_are_joined_and_several_targets_have_columns_of_their_own(tmp_path: Path) -> None:
    labels = Predictions.decide(
        np.array([[0.9, 0.2, 0.5]]),
        task="multilabel",
        outputs=("a", "b", "c"),
        files=["x"],
        truth=np.array([[1, 1, 0]]),
    )
    write_predictions(tmp_path / "m.csv", labels)
    assert (tmp_path / "m.csv").read_text().splitlines()[1] == "x,a|b,a|c,0.9,0.2,0.5"
    targets = Predictions.decide(
        np.array([[1.5, 2.0]]), task="regression", outputs=("w", "h"), files=["x"], truth=np.array([[1.0, 3.0]])
    )
    write_predictions(tmp_path / "r.csv", targets)
    assert (tmp_path / "r.csv").read_text() == "file,truth:w,truth:h,prediction:w,prediction:h\nx,1,3,1.5,2\n"
    single = Predictions.decide(
        np.array([[1.5]]), task="regression", outputs=("w",), files=["x"], truth=np.array([1.0])
    )
    write_predictions(tmp_path / "s.csv", single)
    assert (tmp_path / "s.csv").read_text() == "file,truth,prediction\nx,1,1.5\n"


def test_pictures_without_truth_have_no_truth_column(tmp_path: Path) -> None:
    unknown = Predictions.decide(np.array([[0.3, 0.7]]), task="classification", outputs=("cat", "dog"), files=["x.jpg"])
    write_predictions(tmp_path / "p.csv", unknown)
    assert (tmp_path / "p.csv").read_text() == "file,prediction,prob:cat,prob:dog\nx.jpg,dog,0.3,0.7\n"
    read = read_predictions(tmp_path / "p.csv", task="classification", outputs=("cat", "dog"))
    assert read.truth is None
    assert read.splits is None


def test_other_scores_than_the_probabilities_may_decide() -> None:
    found = Predictions.decide(
        np.array([[0.9, 0.1]]),
        decisions=np.array([[0.4, 0.6]]),
        task="classification",
        outputs=("common", "rare"),
        files=["x"],
    )
    assert found.shown(found.predicted) == ["rare"]
    assert found.scores[0, 0] == 0.9


def test_one_split_is_picked_out() -> None:
    everything = made_up("classification", ("cat", "dog"))
    test = everything.of("test")
    assert len(test) == 4
    assert test.files == everything.files[3:]
    np.testing.assert_array_equal(test.scores, everything.scores[3:])
    assert len(everything.of("train")) == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,split,truth,prediction,prob:cat\nx,test,cat,cat,1\n", "prob:dog"),
        ("file,split,truth,prediction,prob:cat,prob:dog\nx,test,cow,cat,1,0\n", "cow"),
        ("file,split,truth,prediction,prob:cat,prob:dog\nx,test,cat,cat,high,0\n", "high"),
        ("file,split,truth,prediction,prob:cat,prob:dog\nx,test,cat\n", "of another run, or was edited|None"),
    ],
)
def test_a_table_of_another_run_or_an_edited_one_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(RunError, match=problem):
        read_predictions(tmp_path / "p.csv", task="classification", outputs=("cat", "dog"))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no p\.csv"):
        read_predictions(tmp_path / "p.csv", task="classification", outputs=("cat", "dog"))
