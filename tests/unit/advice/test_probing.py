"""Heads tried on vectors: each held-out picture is judged by a head that has not seen it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unfreeze.advice.probing import Fold, linear_probe, neighbour_probe, read_outputs
from unfreeze.backbones import load_network
from unfreeze.metrics import score
from unfreeze.records import ModelRecord, TaskName
from unfreeze.training.loss import loss_function

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
