"""Heads tried on vectors: each held-out picture is judged by a head that has not seen it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from unfreeze.advice import frozen_ways
from unfreeze.advice.probing import Fold, _chosen, folds_of, linear_probe, neighbour_probe, read_outputs
from unfreeze.backbones import load_network
from unfreeze.metrics import score
from unfreeze.records import ModelRecord, TaskName, TrainOptions
from unfreeze.training import Silent
from unfreeze.training.inputs import StudiedData, open_data, study_data
from unfreeze.training.loss import loss_function
from unfreeze.training.vectors import DepthVectors

FOLDS = tuple(Fold(tuple(i for i in range(60) if i % 3 != k), tuple(range(k, 60, 3))) for k in range(3))


def record_of(task: TaskName, outputs: tuple[str, ...], **more: tuple[float, ...]) -> ModelRecord:
    network = load_network("test_resnet", task=task, outputs=outputs, size=32, pretrained=False, **more)
    return network.record


def test_a_linear_probe_reads_what_is_linear_in_the_vectors() -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 2
    rows = torch.from_numpy(generator.normal(size=(60, 200)).astype(np.float32))  # more features than pictures
    rows[:, :40] += 2 * torch.from_numpy(targets).float()[:, None]
    record = record_of("classification", ("a", "b"))
    loss = loss_function("classification")
    kept = rows.clone()
    found = linear_probe(rows, targets, FOLDS, record=record, loss=loss, metric="accuracy")
    read = read_outputs(found, record, metric="accuracy")
    assert score("accuracy", targets, read) > 0.8
    assert torch.equal(rows, kept), "the vectors are left as they were"
    np.testing.assert_allclose(
        found[::3], linear_probe(rows, targets, FOLDS[:1], record=record, loss=loss, metric="accuracy")[::3]
    )
    assert np.isnan(linear_probe(rows, targets, FOLDS[:1], record=record, loss=loss, metric="accuracy")[1]).all()


def test_neighbours_are_never_the_picture_itself_nor_of_its_fold() -> None:
    rows = torch.eye(60)  # every picture is alone: what is right can only be known from itself
    targets = np.random.default_rng(0).integers(0, 2, 60)
    votes = neighbour_probe(rows, targets, FOLDS, record=record_of("classification", ("a", "b")), n_neighbours=1)
    twin = torch.eye(60)
    twin[1] = twin[0]  # fold 1 looks like fold 0
    voted = neighbour_probe(twin, targets, FOLDS, record=record_of("classification", ("a", "b")), n_neighbours=1)
    assert voted[1].argmax() == targets[0]
    assert voted[0].argmax() == targets[1]
    assert votes.sum(axis=1) == pytest.approx(1)


def test_values_are_judged_in_their_units() -> None:
    generator = np.random.default_rng(0)
    rows = torch.from_numpy(generator.normal(size=(60, 5)).astype(np.float32))
    targets = (1000 + 200 * rows[:, :1].numpy()).astype(np.float32)
    record = record_of("regression", ("weight",), target_mean=(1000.0,), target_std=(200.0,))
    loss = loss_function("regression", target_mean=(1000.0,), target_std=(200.0,))
    found = linear_probe(rows, targets, FOLDS, record=record, loss=loss, metric="mae")
    read = read_outputs(found, record, metric="mae")
    assert score("mae", targets, read) < 20


def test_features_of_other_units_do_not_hide_those_that_tell() -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 2
    rows = generator.normal(size=(60, 4)) * [100, 100, 100, 0.001]
    rows[:, 3] += 0.01 * targets
    record, loss = record_of("classification", ("a", "b")), loss_function("classification")

    def reached(*groups: slice) -> float:
        found = linear_probe(
            torch.from_numpy(rows).float(), targets, FOLDS, record=record, loss=loss, metric="accuracy", groups=groups
        )
        return score("accuracy", targets, read_outputs(found, record, metric="accuracy"))

    assert reached(slice(0, 3), slice(3, 4)) == 1.0
    assert reached(slice(0, 4)) < 0.9, "the median of all is the others'"


def vectors_of_depths() -> DepthVectors:
    """Of a stem with two poolings, and features."""
    return DepthVectors(
        setup=cast("Any", None), loss=cast("Any", None), rows=torch.zeros(2, 10), seconds=0.0,
        columns={"stem": slice(0, 4), "features": slice(4, 10)}, groups=(slice(0, 2), slice(2, 4), slice(4, 10)),
    )  # fmt: skip


def test_each_depth_knows_which_of_its_columns_have_the_same_units() -> None:
    vectors = vectors_of_depths()
    assert vectors.groups_at("stem") == (slice(0, 2), slice(2, 4))
    assert vectors.groups_at("features") == (slice(0, 6),)
    assert vectors.groups_at(None) == vectors.groups


@pytest.mark.parametrize("depth", ["stem", "features", None])
def test_probes_are_told_the_units_of_their_columns(depth: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, told = vectors_of_depths(), list[Any]()
    monkeypatch.setattr(frozen_ways, "linear_probe", lambda *_, groups, **__: told.append(groups))
    judge = SimpleNamespace(vectors=vectors, targets=None, record=None, metric="accuracy", check=None)
    frozen_ways.Judge.linear(cast("frozen_ways.Judge", judge), depth, ())
    assert told == [vectors.groups_at(depth)]


def test_what_judges_a_fold_was_chosen_on_the_others() -> None:
    """A candidate that is right by luck on one fold alone is not taken there."""
    targets = np.arange(60) % 2
    right, wrong = np.eye(2, dtype=np.float32)[targets], np.eye(2, dtype=np.float32)[1 - targets]
    lucky, better = wrong.copy(), right.copy()
    lucky[list(FOLDS[0].held)] = right[list(FOLDS[0].held)]
    better[list(FOLDS[0].held)] = wrong[list(FOLDS[0].held)]
    record = record_of("classification", ("a", "b"))
    found = _chosen([lucky, better], targets, FOLDS, record=record, metric="accuracy")
    assert np.array_equal(found[list(FOLDS[0].held)], better[list(FOLDS[0].held)])
    alone = _chosen([lucky, better], targets, FOLDS[:1], record=record, metric="accuracy")
    assert np.array_equal(alone[list(FOLDS[0].held)], lucky[list(FOLDS[0].held)]), (
        "of one fold, its own pictures choose"
    )


def test_noise_is_not_judged_better_than_chance_by_trying_many_strengths() -> None:
    record, loss = record_of("classification", ("a", "b")), loss_function("classification")
    reached = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        rows, targets = torch.from_numpy(generator.normal(size=(60, 30)).astype(np.float32)), np.arange(60) % 2
        found = linear_probe(rows, targets, FOLDS, record=record, loss=loss, metric="accuracy", n_strengths=8)
        reached.append(score("accuracy", targets, read_outputs(found, record, metric="accuracy")))
    assert np.mean(reached) == pytest.approx(0.5, abs=0.05)


def studied(data: Path) -> StudiedData:
    return study_data(data, open_data(data, TrainOptions(cache=False)), TrainOptions(cache=False), Silent())


def test_a_rare_class_does_not_take_folds_from_the_others(make_image_folder: Callable[..., Path]) -> None:
    found = studied(make_image_folder(per_class=(40, 4)))
    folds = folds_of(found, seed=0)
    assert len(folds) == 5
    for fold in folds:
        assert set(found.dataset.targets[list(fold.train)]) == {0, 1}, "something trains on each class"
    assert sorted(i for fold in folds for i in fold.held) == sorted((*found.split.train, *found.split.val))


def test_a_class_that_lies_in_one_group_is_not_held_out_whole(make_image_table: Callable[..., Path]) -> None:
    who = [f"p{i // 2}" for i in range(60)] + ["lonely"] * 6
    kind = ["ab"[i // 2 % 2] for i in range(60)] + ["c"] * 6
    table = make_image_table({"kind": kind, "who": who})
    options = TrainOptions(cache=False, target=("kind",), group="who")
    found = study_data(table, open_data(table, options), options, Silent())
    (fold,) = folds_of(found, seed=0)
    assert fold.train == found.split.train
