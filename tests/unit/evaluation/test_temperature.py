"""The temperature is found where there is one, left alone where there is none, and bounded where nothing is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from unfreeze.evaluation.temperature import fit_temperature, logit_losses
from unfreeze.metrics import score
from unfreeze.records import TaskName

Array = NDArray[np.float64]


def drawn(n: int, *, seed: int = 0, n_classes: int = 5, spread: float = 2.0) -> tuple[Array, NDArray[np.int64]]:
    """Draw logits, and classes with the very probabilities that their softmax says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (n, n_classes))
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("true", [0.4, 1.8, 4.0])
def test_a_known_temperature_is_recovered(true: float) -> None:
    logits, truth = drawn(8000)
    found = fit_temperature(true * logits, truth, task="classification")
    assert found.reason == "fitted"
    assert found.value == pytest.approx(true, rel=0.06)


def test_a_known_temperature_of_labels_is_recovered() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, (3000, 4))
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert fit_temperature(2.5 * logits, truth, task="multilabel").value == pytest.approx(2.5, rel=0.06)


def test_the_prior_shift_is_added_after_the_division() -> None:
    rng = np.random.default_rng(0)
    shift = (1.5, 0.0, -2.0)
    logits = rng.normal(0, 2, (6000, 3))
    truth = (logits + shift + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(3 * logits, truth, task="classification", shift=shift).value == pytest.approx(3, rel=0.06)
    assert fit_temperature(3 * logits, truth, task="classification").value > 3.5


def test_an_overconfident_network_becomes_better_calibrated_on_other_pictures() -> None:
    logits, truth = drawn(1200)
    val, test = slice(0, 200), slice(200, None)
    found = fit_temperature(3 * logits[val], truth[val], task="classification")
    before, after = softmax(3 * logits[test]), softmax(3 * logits[test] / found.value)
    for metric in ("log_loss", "ece"):
        assert score(metric, truth[test], after) < 0.7 * score(metric, truth[test], before)
    assert score("accuracy", truth[test], after) == score("accuracy", truth[test], before)


def test_a_calibrated_network_is_mostly_left_alone() -> None:
    reasons = [fit_temperature(*drawn(100, seed=seed), task="classification").reason for seed in range(100)]
    assert reasons.count("fitted") <= 12


def test_few_pictures_or_groups_fit_nothing() -> None:
    logits, truth = drawn(49)
    assert fit_temperature(5 * logits, truth, task="classification").reason == "few"
    logits, truth = drawn(200)
    groups = [f"patient {i % 9}" for i in range(200)]
    assert fit_temperature(5 * logits, truth, task="classification", groups=groups).reason == "few"


def test_no_mistake_on_validation_does_not_make_certain() -> None:
    logits, _ = drawn(60)
    right = logits.argmax(axis=1)
    found = fit_temperature(logits, right, task="classification")
    assert found.reason == "fitted"
    assert 0.1 < found.value < 1


def test_pictures_of_one_group_count_as_one() -> None:
    logits, truth = drawn(60)
    repeated, groups = np.repeat(1.15 * logits, 20, axis=0), [str(i // 20) for i in range(1200)]
    alone = fit_temperature(1.15 * logits, truth, task="classification")
    grouped = fit_temperature(repeated, np.repeat(truth, 20), task="classification", groups=groups)
    assert grouped.reason == alone.reason
    assert grouped.value == pytest.approx(alone.value, rel=1e-3)
    assert fit_temperature(repeated, np.repeat(truth, 20), task="classification").value != grouped.value


def correlated_labels(
    n: int, k: int, *, shared: float, rng: np.random.Generator, size: int = 1
) -> tuple[Array, NDArray[np.float32]]:
    """Draw labels that each have the probability which is said, but come and go together within groups of pictures."""
    logits = rng.normal(-1.5, 1.5, (n, k))
    common = rng.normal(size=(n // size, 1)).repeat(size, axis=0)
    noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=(n, k))
    return logits, (ndtr(noise) < expit(logits)).astype(np.float32)


@pytest.mark.parametrize(("n", "k", "shared"), [(60, 20, 0.6), (200, 20, 0.9), (200, 5, 0.5), (60, 20, 0.0)])
def test_calibrated_labels_that_come_together_are_mostly_left_alone(n: int, k: int, shared: float) -> None:
    rng = np.random.default_rng(0)
    sets = [correlated_labels(n, k, shared=shared, rng=rng) for _ in range(200)]
    reasons = [fit_temperature(*each, task="multilabel").reason for each in sets]
    assert reasons.count("fitted") <= 0.09 * len(sets), "5%, and two and a half standard errors of 200 sets"


def test_labels_of_calibrated_groups_of_pictures_are_mostly_left_alone() -> None:
    rng, groups = np.random.default_rng(0), [str(i // 10) for i in range(300)]
    sets = [correlated_labels(300, 10, shared=0.7, size=10, rng=rng) for _ in range(100)]
    reasons = [fit_temperature(*each, task="multilabel", groups=groups).reason for each in sets]
    assert reasons.count("fitted") <= 9


@pytest.mark.parametrize("true", [0.6, 1.6])
def test_a_temperature_of_labels_that_come_together_is_still_found(true: float) -> None:
    rng = np.random.default_rng(0)
    sets = [correlated_labels(200, 10, shared=0.3, rng=rng) for _ in range(50)]
    found = [fit_temperature(true * logits, truth, task="multilabel") for logits, truth in sets]
    assert sum(each.reason == "fitted" for each in found) >= 45
    assert np.median([each.value for each in found]) == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_diverged_network_is_left_alone(task: TaskName) -> None:
    logits, truth = drawn(100)
    real = truth if task == "classification" else np.eye(5, dtype=np.float32)[truth]
    assert fit_temperature(np.full_like(logits, np.nan), real, task=task).reason == "no_gain"


def test_losses_are_exact_where_probabilities_would_be_rounded_to_zero() -> None:
    logits = np.array([[200.0, 0.0]])
    assert logit_losses(logits, np.array([1]), task="classification").tolist() == [200.0]
    assert logit_losses(logits, np.array([[0, 0]], dtype=np.float32), task="multilabel").tolist() == [
        pytest.approx(200 + np.log(2))
    ]
