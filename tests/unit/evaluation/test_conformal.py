"""Prediction sets and intervals hold the truth as often as they promise, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from unfreeze.evaluation.conformal import (
    calibrate_sets,
    conformal_metrics,
    least_groups,
    prediction_intervals,
    prediction_sets,
)
from unfreeze.records import ConformalRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drawn(n: int, rng: np.random.Generator, *, spread: float, trust: float = 1.0) -> tuple[Floats, Ints]:
    """Draw probabilities and classes; with `trust` other than 1 the probabilities are wrong."""
    logits = rng.normal(0, spread, (n, 6))
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    powers = np.exp(trust * logits)
    return powers / powers.sum(axis=1, keepdims=True), truth


def calibrated(probable: Floats, truth: Ints, *, level: float) -> ConformalRecord:
    found = calibrate_sets("classification", truth, probable, probable.argmax(axis=1), level=level)
    assert found is not None
    return found


def mean_coverage(*, spread: float, trust: float, level: float, n: int) -> float:
    rng, shares = np.random.default_rng(0), []
    for _ in range(300):
        conformal = calibrated(*drawn(n, rng, spread=spread, trust=trust), level=level)
        probable, truth = drawn(200, rng, spread=spread, trust=trust)
        sets = prediction_sets(probable, probable.argmax(axis=1), conformal)
        shares.append(sets[np.arange(200), truth].mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("trust", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(("level", "n"), [(0.9, 19), (0.8, 60)])
def test_sets_hold_the_truth_as_often_as_promised_however_wrong_the_probabilities(
    trust: float, level: float, n: int
) -> None:
    coverage = mean_coverage(spread=2, trust=trust, level=level, n=n)
    assert level - 0.01 < coverage < level + 1 / (n + 1) + 0.01


def test_where_the_prediction_alone_is_right_often_enough_sets_hold_nothing_else() -> None:
    rng = np.random.default_rng(0)
    probable, truth = drawn(400, rng, spread=20)
    conformal = calibrated(probable, truth, level=0.9)
    assert conformal.thresholds == (0.0,)
    probable, _ = drawn(100, rng, spread=20)
    assert (prediction_sets(probable, probable.argmax(axis=1), conformal).sum(axis=1) == 1).all()


def test_a_set_holds_what_is_predicted_also_where_that_is_not_the_most_probable() -> None:
    probable = np.array([[0.05, 0.9, 0.05], [0.3, 0.3, 0.4]])
    conformal = ConformalRecord(level=0.9, thresholds=(0.65,), n_images=20)
    sets = prediction_sets(probable, np.array([0, 2]), conformal)  # as after balanced training
    assert sets.tolist() == [[True, True, False], [False, False, True]]


def test_sets_are_those_of_mapie_where_its_own_hold_every_prediction() -> None:
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc, unused-ignore] # sklearn ships no types
        """Probabilities as its features say."""

        classes_ = np.arange(6)
        n_features_in_ = 6

        def fit(self, *_: object) -> Given:
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict_proba(self, features: Floats) -> Floats:
            return features

        def predict(self, features: Floats) -> Ints:
            return np.asarray(features.argmax(axis=1))

    rng = np.random.default_rng(0)
    probable, truth = drawn(150, rng, spread=1)
    others, _ = drawn(300, rng, spread=1)
    peer = SplitConformalClassifier(Given(), confidence_level=0.9, conformity_score="lac", prefit=True)
    _, theirs = peer.conformalize(probable, truth).predict_set(others)
    ours = prediction_sets(others, others.argmax(axis=1), calibrated(probable, truth, level=0.9))
    assert theirs[np.arange(300), others.argmax(axis=1), 0].all()
    np.testing.assert_array_equal(ours, theirs[:, :, 0])


def test_intervals_of_each_target_hold_the_truth_as_often_as_promised() -> None:
    rng, shares = np.random.default_rng(0), []
    scale = np.array([1.0, 40.0])

    def values(n: int) -> tuple[Floats, Floats]:
        truth = rng.normal(0, 3, (n, 2)) * scale
        return truth, truth + rng.standard_t(3, (n, 2)) * scale

    for _ in range(300):
        truth, predicted = values(29)
        conformal = calibrate_sets("regression", truth, predicted, predicted, level=0.9)
        assert conformal is not None
        truth, predicted = values(100)
        low, high = prediction_intervals(predicted, conformal)
        shares.append(((low <= truth) & (truth <= high)).mean(axis=0))
    assert (np.abs(np.mean(shares, axis=0) - 0.9) < [0.02, 0.02]).all()


@pytest.mark.slow
def test_pictures_of_a_new_group_are_covered_though_groups_err_together() -> None:
    rng = np.random.default_rng(0)
    covered: dict[bool, list[float]] = {True: [], False: []}

    def patients(n_groups: int) -> tuple[Floats, Floats, list[str]]:
        """Draw errors that differ between patients; a difficult patient has few pictures."""
        difficulty = rng.exponential(1, n_groups)
        sizes = np.where(difficulty > 1.5, 1, 15)
        owner = np.repeat(np.arange(n_groups), sizes)
        truth = rng.normal(0, 1, len(owner))
        return truth, truth + difficulty[owner] * rng.choice([-1, 1], len(owner)), [str(i) for i in owner]

    for _ in range(400):
        truth, predicted, groups = patients(20)
        for by_group, shares in covered.items():
            conformal = calibrate_sets(
                "regression", truth, predicted, predicted, level=0.9, groups=groups if by_group else None
            )
            assert conformal is not None
            new_truth, new, owners = patients(30)
            low, high = prediction_intervals(new, conformal)
            held = (low[:, 0] <= new_truth) & (new_truth <= high[:, 0])
            by_owner = [held[np.asarray(owners) == owner].mean() for owner in set(owners)]
            shares.append(float(np.mean(by_owner)))
    assert np.mean(covered[True]) > 0.89
    assert np.mean(covered[False]) < 0.87  # what ignoring the groups would do


@pytest.mark.parametrize(("level", "least"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_too_few_pictures_promise_nothing(level: float, least: int) -> None:
    assert least_groups(level) == least
    rng = np.random.default_rng(0)
    probable, truth = drawn(least, rng, spread=2)
    predicted = probable.argmax(axis=1)
    assert calibrate_sets("classification", truth, probable, predicted, level=level) is not None
    fewer = slice(0, least - 1)
    few = calibrate_sets("classification", truth[fewer], probable[fewer], predicted[fewer], level=level)
    assert few is None
    one_group = ["a"] * least
    if least > 1:
        found = calibrate_sets("classification", truth, probable, predicted, level=level, groups=one_group)
        assert found is None


def test_coverage_and_set_size_come_with_intervals() -> None:
    rng = np.random.default_rng(0)
    conformal = calibrated(*drawn(100, rng, spread=2), level=0.9)
    probable, truth = drawn(200, rng, spread=2)
    predicted = probable.argmax(axis=1)
    found = conformal_metrics("classification", truth, probable, predicted, conformal)
    sets = prediction_sets(probable, predicted, conformal)
    assert found["coverage"].value == sets[np.arange(200), truth].mean()
    assert found["set_size"].value == sets.sum(axis=1).mean()
    for interval in found.values():
        assert interval.low is not None
        assert interval.high is not None
        assert interval.value is not None
        assert interval.low < interval.value < interval.high
    grouped = conformal_metrics(
        "classification", truth, probable, predicted, conformal, groups=[str(i // 10) for i in range(200)]
    )
    assert grouped["coverage"].value == found["coverage"].value
    assert conformal_metrics("classification", truth, probable, predicted, None) == {}
    nothing = conformal_metrics("classification", truth[:0], probable[:0], predicted[:0], conformal)
    assert {interval.value for interval in nothing.values()} == {None}
