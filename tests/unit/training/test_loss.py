from __future__ import annotations

import numpy as np
import pytest
import torch

from unfreeze.backbones import output_scores
from unfreeze.records import ModelRecord, WeightsRecord
from unfreeze.training.loss import class_weights, loss_function, prior_shift, sampling_weights


def record(task: str, n: int, **changes: object) -> ModelRecord:
    return ModelRecord(
        architecture="test_resnet",
        task=task,
        outputs=tuple(f"c{i}" for i in range(n)),
        size=(32, 32),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        interpolation="bicubic",
        crop="squash",
        n_parameters=1,
        weights=WeightsRecord(kind="random", source="seed 0"),
        **changes,
    )


def test_class_weights_make_all_classes_count_alike() -> None:
    targets = np.array([0] * 8 + [1] * 2)
    weights = class_weights(targets, task="classification", n_outputs=2)
    assert weights.tolist() == [0.625, 2.5]
    assert weights[targets].mean() == pytest.approx(1.0)


def test_sampling_weights_draw_every_class_equally_often() -> None:
    targets = np.array([0] * 8 + [1] * 2)
    weights = sampling_weights(targets, n_outputs=2)
    assert weights[:8].sum() == pytest.approx(weights[8:].sum())


def test_multilabel_weights_are_negatives_over_positives() -> None:
    labels = np.array([[1, 0], [0, 0], [0, 1], [0, 1]], dtype=np.float32)
    assert class_weights(labels, task="multilabel", n_outputs=2).tolist() == [3.0, 1.0]


def test_trap_31_probabilities_of_a_balanced_training_speak_of_the_natural_frequencies() -> None:
    """With nothing to tell classes apart, a balanced network says one half; nature says nine of ten."""
    targets = np.array([0] * 90 + [1] * 10)
    for balance in ("weights", "sampling"):
        shift = prior_shift(targets, task="classification", n_outputs=2, balance=balance)
        model = record("classification", 2, prior_shift=shift)
        uninformed = torch.zeros(1, 2)
        assert output_scores(uninformed, model)[0].tolist() == pytest.approx([0.9, 0.1])
        assert output_scores(uninformed, model, balanced=True)[0].tolist() == pytest.approx([0.5, 0.5])


def test_trap_31_multilabel_probabilities_too() -> None:
    labels = np.zeros((100, 1), dtype=np.float32)
    labels[:20] = 1
    shift = prior_shift(labels, task="multilabel", n_outputs=1, balance="weights")
    model = record("multilabel", 1, prior_shift=shift)
    assert output_scores(torch.zeros(1, 1), model).item() == pytest.approx(0.2)


def test_without_balancing_nothing_is_shifted() -> None:
    assert prior_shift(np.array([0, 1]), task="classification", n_outputs=2, balance="none") is None


def test_trap_30_regression_learns_standardised_targets_and_answers_in_units() -> None:
    loss = loss_function("regression", target_mean=(100.0,), target_std=(20.0,))
    assert loss(torch.tensor([[1.0]]), torch.tensor([[120.0]])).item() == 0
    model = record("regression", 1, target_mean=(100.0,), target_std=(20.0,))
    assert output_scores(torch.tensor([[1.0]]), model).item() == pytest.approx(120.0)


def test_weighted_cross_entropy_is_what_torch_computes() -> None:
    weights = np.array([1.0, 3.0])
    loss = loss_function("classification", weights=weights, label_smoothing=0.1)
    outputs, targets = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]), label_smoothing=0.1)(outputs, targets)
    assert loss(outputs, targets).item() == pytest.approx(expected.item())
