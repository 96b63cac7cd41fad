"""Prediction with a real small network, and the evaluation that ends a run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from unfreeze.backbones import load_network
from unfreeze.data import batches, open_dataset, split_dataset
from unfreeze.evaluation import evaluate_run, predict, predict_outputs, read_predictions
from unfreeze.metrics import METRICS, score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.backbones import Network
    from unfreeze.data import Dataset, Split
    from unfreeze.records import RunMetrics, TaskName

MODEL = "test_resnet"


def small_network(dataset: Dataset, *, shift: tuple[float, ...] | None = None) -> Network:
    regression = dataset.task == "regression"
    return load_network(
        MODEL,
        task=dataset.task,
        outputs=dataset.outputs,
        size=32,
        pretrained=False,
        target_mean=(5.0,) * len(dataset.outputs) if regression else None,
        target_std=(2.0,) * len(dataset.outputs) if regression else None,
        prior_shift=shift,
    )


def evaluated(network: Network, dataset: Dataset, split: Split, directory: Path) -> RunMetrics:
    stream = batches(dataset, (*split.val, *split.test), network.spec, batch_size=8)
    return evaluate_run(predict_outputs(network, stream), network.record, dataset, split, directory=directory)


def test_scores_come_in_the_order_of_the_batches_whatever_the_batch_size(image_folder: Path) -> None:
    dataset = open_dataset(image_folder)
    network = small_network(dataset)
    order = np.array([5, 0, 17, 3, 9])
    one = predict(network, batches(dataset, order, network.spec, batch_size=5))
    other = predict(network, batches(dataset, order, network.spec, batch_size=2))
    assert one.shape == (5, 2)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(one.sum(axis=1), 1, atol=1e-6)
    alone = predict(network, batches(dataset, order[2:3], network.spec, batch_size=1))
    np.testing.assert_allclose(one[2:3], alone, atol=1e-6)


def test_predicting_leaves_modes_buffers_and_gradients_as_they_were(image_folder: Path) -> None:
    dataset = open_dataset(image_folder)
    network = small_network(dataset)
    network.train()
    network.backbone.eval()  # as with a frozen backbone
    modes = {name: module.training for name, module in network.named_modules()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    outputs = predict_outputs(network, batches(dataset, np.arange(4), network.spec, batch_size=4))
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in network.named_buffers())
    assert all(parameter.grad is None for parameter in network.parameters())
    network.eval()
    np.testing.assert_array_equal(
        outputs, predict_outputs(network, batches(dataset, np.arange(4), network.spec, batch_size=4))
    )


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("classification", {"label": ["cat", "dog", "cow"] * 14}),
        ("multilabel", {"fish": [1, 0, 1, 0, 1, 0] * 7, "shark": [0, 1, 1, 0, 0, 0] * 7}),
        ("regression", {"weight": [1.5 + i % 7 for i in range(42)], "height": [i / 3 for i in range(42)]}),
    ],
)
def test_a_run_is_evaluated_on_validation_and_test(
    tmp_path: Path, make_image_table: Callable[..., Path], task: TaskName, columns: dict[str, list[object]]
) -> None:
    dataset = open_dataset(make_image_table(columns), task=task, target=tuple(columns))
    split = split_dataset(dataset)
    network = small_network(dataset)
    run = tmp_path / "run"
    run.mkdir()
    metrics = evaluated(network, dataset, split, run)
    assert tuple(metrics.val) == tuple(metrics.test) == METRICS[task]
    read = read_predictions(run / "predictions.csv", task=task, outputs=dataset.outputs)
    assert read.files == tuple(dataset.files[i] for i in (*split.val, *split.test))
    assert read.splits == ("val",) * len(split.val) + ("test",) * len(split.test)
    test = read.of("test")
    assert test.truth is not None
    for name, interval in metrics.test.items():
        expected = score(name, test.truth, test.scores)
        assert interval.value == (None if np.isnan(expected) else pytest.approx(expected, rel=1e-4, abs=1e-5))
    index = json.loads((run / "evidence" / "pictures.json").read_text())
    assert all(row["file"] in test.files and row["thumbnail"] for row in (*index["mistakes"], *index["doubts"]))


@pytest.mark.parametrize("group", [None, r"(\d\d)\d\."])
def test_a_run_keeps_the_groups_of_its_pictures(
    tmp_path: Path, make_image_table: Callable[..., Path], group: str | None
) -> None:
    dataset = open_dataset(make_image_table({"label": ["cat", "dog", "cow"] * 30}), group=group)
    split = split_dataset(dataset)
    evaluated(small_network(dataset), dataset, split, tmp_path)
    read = read_predictions(tmp_path / "predictions.csv", task="classification", outputs=dataset.outputs)
    expected = None if dataset.groups is None else tuple(dataset.groups[i] for i in (*split.val, *split.test))
    assert (read.groups is None) == (group is None)
    assert read.groups == expected


def test_after_class_weights_the_balanced_scores_decide_and_the_natural_ones_are_reported(
    tmp_path: Path, image_folder: Path
) -> None:
    dataset = open_dataset(image_folder)
    split = split_dataset(dataset)
    network = small_network(dataset, shift=(20.0, -20.0))  # cats are said to be very much more frequent
    metrics = evaluated(network, dataset, split, tmp_path)
    table = read_predictions(tmp_path / "predictions.csv", task="classification", outputs=dataset.outputs)
    assert (table.scores[:, 0] > 0.99).all()
    network.record = type(network.record)(
        **{name: getattr(network.record, name) for name in network.record.__struct_fields__ if name != "prior_shift"}
    )
    plain = evaluated(network, dataset, split, tmp_path)
    assert metrics.test["accuracy"] == plain.test["accuracy"]
    assert metrics.test["log_loss"] != plain.test["log_loss"]


def test_reading_predictions_does_not_load_torch() -> None:
    program = (
        "import sys; from unfreeze.evaluation import read_predictions, worst_mistakes; print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
