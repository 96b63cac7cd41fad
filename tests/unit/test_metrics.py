"""Metrics: values against definitions, bounds on odd splits, and the coverage of their intervals."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import expit

from unfreeze.errors import ConfigError
from unfreeze.metrics import (
    HIGHER_IS_BETTER,
    METRICS,
    PRIMARY,
    check_metric,
    evaluate_metric,
    evaluate_scores,
    heaviest_mistake,
    is_better,
    picture_contribution,
    picture_influence,
    score,
    wilson,
)
from unfreeze.metrics.components import COMPONENTS, RANKED

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.records import TaskName


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def one_hot(classes: list[int], n: int) -> np.ndarray:
    return np.eye(n)[classes] * 0.98 + 0.02 / n


# -- names -------------------------------------------------------------------------------------


def test_every_task_has_its_primary_metric_among_its_metrics() -> None:
    assert PRIMARY == {"classification": "balanced_accuracy", "multilabel": "map", "regression": "mae"}
    assert all(PRIMARY[task] in METRICS[task] for task in METRICS)


def test_no_metric_given_is_the_primary_one() -> None:
    assert check_metric(None, "multilabel") == "map"
    assert check_metric("f1_micro", "multilabel") == "f1_micro"


def test_an_unknown_metric_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r'no metric "acuracy". Did you mean "accuracy".*balanced_accuracy, macro'):
        check_metric("acuracy", "classification")


def test_a_metric_of_another_task_is_answered_with_that_task_and_the_metrics_of_this_one() -> None:
    with pytest.raises(ConfigError, match=r'"mae" is for regression tasks, but this task is classification.*accuracy'):
        check_metric("mae", "classification")
    with pytest.raises(ConfigError, match='no metric "nonsense"'):
        score("nonsense", np.array([0]), np.array([[1.0, 0.0]]))


@pytest.mark.parametrize("name", sorted(HIGHER_IS_BETTER))
def test_better_follows_the_metrics_direction_and_anything_beats_nothing(name: str) -> None:
    lower = name in {"log_loss", "ece", "mae", "rmse"}
    assert is_better(name, 0.2, 0.3) is lower
    assert is_better(name, 0.3, 0.2) is not lower
    assert not is_better(name, 0.2, 0.2)
    assert is_better(name, 0.2, None)
    assert is_better(name, 0.2, math.nan)
    assert not is_better(name, math.nan, None)


# -- values ------------------------------------------------------------------------------------


def test_classification_metrics_have_their_textbook_values() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    scores = one_hot([0, 0, 1, 1, 1, 0], 3)
    assert score("accuracy", truth, scores) == pytest.approx(4 / 6)
    assert score("balanced_accuracy", truth, scores) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert score("macro_f1", truth, scores) == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    expected = -(4 * math.log(0.98 + 0.02 / 3) + 2 * math.log(0.02 / 3)) / 6
    assert score("log_loss", truth, scores) == pytest.approx(expected)
    assert score("ece", truth, scores) == pytest.approx(abs(4 / 6 - (0.98 + 0.02 / 3)))


def test_ece_adds_the_gaps_of_confidence_bins_by_their_share() -> None:
    # Three pictures at 0.95 of which one is right, one at 0.6 that is right.
    truth = np.array([0, 1, 1, 0])
    scores = np.array([[0.95, 0.05], [0.95, 0.05], [0.95, 0.05], [0.6, 0.4]])
    assert score("ece", truth, scores) == pytest.approx(0.75 * (0.95 - 1 / 3) + 0.25 * 0.4)


def test_multilabel_metrics_have_their_textbook_values() -> None:
    truth = np.array([[1, 0], [0, 0], [1, 1], [0, 1]])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.6], [0.1, 0.4]])
    assert score("map", truth, scores) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert score("f1_micro", truth, scores) == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert score("f1_macro", truth, scores) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_regression_metrics_are_in_the_targets_units_and_take_one_column_or_several() -> None:
    truth, guess = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    assert score("mae", truth, guess) == pytest.approx(1)
    assert score("rmse", truth[:, None], guess[:, None]) == pytest.approx(math.sqrt(5 / 3))
    assert score("r2", truth, guess) == pytest.approx(1 - 5 / (42 / 9))
    two = np.stack([truth, truth], axis=1)
    assert score("mae", two, np.stack([guess, truth], axis=1)) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics as reference

    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 80)
    scores = softmax(np.round(rng.normal(size=(80, 4)) + np.eye(4)[truth], 1))
    guess = scores.argmax(axis=1)
    assert score("macro_f1", truth, scores) == pytest.approx(reference.f1_score(truth, guess, average="macro"))
    assert score("log_loss", truth, scores) == pytest.approx(reference.log_loss(truth, scores))
    assert score("auroc", truth, scores) == pytest.approx(reference.roc_auc_score(truth, scores, multi_class="ovr"))
    labels = (rng.random((80, 4)) < 0.3).astype(int)
    shown = np.clip(np.round(0.3 * labels + 0.7 * rng.random((80, 4)), 1), 0, 1)
    assert score("map", labels, shown) == pytest.approx(reference.average_precision_score(labels, shown))
    for average in ("micro", "macro"):
        expected = reference.f1_score(labels, shown >= 0.5, average=average)
        assert score(f"f1_{average}", labels, shown) == pytest.approx(expected)
    values, predicted = rng.normal(size=(2, 80, 3))
    for name, function in (
        ("mae", reference.mean_absolute_error),
        ("rmse", reference.root_mean_squared_error),
        ("r2", reference.r2_score),
    ):
        assert score(name, values, predicted) == pytest.approx(function(values, predicted))


def out_of_fold(name: str, *, n: int = 300, n_folds: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truths, scores on one scale, and the number of the fold that gave each."""
    rng = np.random.default_rng(0)
    truth = (
        rng.integers(0, 3, n) if name == "auroc" else (rng.random((n, 4)) < (0.4, 0.2, 0.1, 0.02)).astype(np.float32)
    )
    marks = np.eye(3)[truth] if name == "auroc" else truth
    return truth, expit(rng.normal(size=marks.shape) + 2 * marks - 1), np.arange(n) % n_folds


@pytest.mark.parametrize("name", sorted(RANKED))
def test_one_stratum_is_no_strata(name: str) -> None:
    truth, scores, _ = out_of_fold(name)
    one = np.zeros(len(truth), dtype=np.intp)
    assert evaluate_metric(name, truth, scores, strata=one) == evaluate_metric(name, truth, scores)
    np.testing.assert_array_equal(
        picture_influence(name, truth, scores, strata=one), picture_influence(name, truth, scores)
    )


@pytest.mark.parametrize("name", sorted(RANKED))
def test_what_ranks_does_not_look_at_the_scales_of_the_networks_of_other_folds(name: str) -> None:
    truth, scores, folds = out_of_fold(name)
    scale = np.array([1.0, 0.1, 0.5, 0.9, 0.02])[folds][:, None]
    assert score(name, truth, scores * scale, strata=folds) == score(name, truth, scores, strata=folds)
    assert score(name, truth, scores * scale) < score(name, truth, scores) - 0.05
    influence = picture_influence(name, truth, scores, strata=folds)
    np.testing.assert_array_equal(picture_influence(name, truth, scores * scale, strata=folds), influence)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_out_of_fold_areas_and_precisions_are_means_over_folds_by_their_positives() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth, scores, folds = out_of_fold("map")
    areas, precisions = [], []
    for real, said in zip(truth.T, scores.T, strict=True):
        parts = [(real[folds == f], said[folds == f]) for f in range(5) if real[folds == f].any()]
        weights = [part.sum() for part, _ in parts]
        areas.append(np.average([roc_auc_score(*part) for part in parts], weights=weights))
        precisions.append(np.average([average_precision_score(*part) for part in parts], weights=weights))
    assert score("map", truth, scores, strata=folds) == pytest.approx(np.mean(precisions))
    of_label = [
        score("auroc", real.astype(int), np.stack([1 - p, p], axis=1), strata=folds)
        for real, p in zip(truth.T, scores.T, strict=True)
    ]
    assert of_label == pytest.approx(areas)


def test_where_no_fold_has_two_classes_there_is_no_area() -> None:
    truth = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert np.isnan(score("auroc", truth, scores, strata=truth))
    assert score("auroc", truth, scores, strata=np.array([0, 1, 0, 1])) == 1


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_the_components_behind_an_interval_average_to_the_value_with_ties_and_influence_is_its_derivative(
    name: str,
) -> None:
    rng = np.random.default_rng(3)
    if name in METRICS["classification"]:
        truth = rng.integers(0, 4, 80)
        scores = softmax(np.round(rng.normal(size=(80, 4)) + 2 * np.eye(4)[truth], 1))
    else:
        truth = (rng.random((80, 4)) < 0.3).astype(float)
        scores = np.clip(np.round(0.3 * truth + 0.7 * rng.random((80, 4)), 1), 0, 1)
    split = COMPONENTS[name](truth, scores)
    assert np.mean([part.value for part in split.parts]) == pytest.approx(score(name, truth, scores))
    # A picture that occurs a hundredth more often: repeat all 100 times, and one of them once more.
    many, more = np.repeat(np.arange(80), 20), np.append(np.repeat(np.arange(80), 20), 7)
    change = score(name, truth[more], scores[more]) - score(name, truth[many], scores[many])
    assert change * 20 == pytest.approx(split.influence[7], rel=0.1, abs=1e-4)
    assert split.influence.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["log_loss", "ece", "mae", "rmse", "r2"])
def test_influence_is_the_derivative_of_losses_errors_and_calibration_by_a_pictures_weight(name: str) -> None:
    rng = np.random.default_rng(3)
    if name in METRICS["classification"]:
        truth: np.ndarray = rng.integers(0, 4, 80)
        scores = softmax(rng.normal(size=(80, 4)) + 2 * np.eye(4)[truth])
    else:
        truth = rng.normal(size=(80, 2))
        scores = truth + rng.normal(size=(80, 2))
    influence = picture_influence(name, truth, scores)
    many, more = np.repeat(np.arange(80), 50), np.append(np.repeat(np.arange(80), 50), 7)
    change = score(name, truth[more], scores[more]) - score(name, truth[many], scores[many])
    assert change * 50 == pytest.approx(influence[7], rel=0.05, abs=1e-5)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_heaviest_mistake_is_one_of_the_rarest_class_and_unbounded_metrics_have_none() -> None:
    truth = np.repeat([0, 1, 2], [50, 30, 5])
    scores = one_hot(truth.tolist(), 3)
    assert heaviest_mistake("balanced_accuracy", truth, scores) == pytest.approx(1 / 15)
    assert heaviest_mistake("log_loss", truth, scores) == 0


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_contributions_of_right_pictures_add_up_to_the_metric_and_are_influences_before_the_mean_is_taken_off(
    name: str,
) -> None:
    truth = np.repeat([0, 1, 2], [9, 6, 3])
    scores = one_hot([0, 1, 2, 2, 1, 0] * 3, 3)
    contribution = picture_contribution(name, truth, scores)
    right = scores.argmax(axis=1) == truth
    assert contribution.sum() == pytest.approx(score(name, truth, scores))
    assert (contribution[~right] == 0).all()
    shift = contribution - picture_influence(name, truth, scores)
    assert all(np.ptp(shift[truth == k]) == pytest.approx(0) for k in range(3))


@pytest.mark.parametrize("name", ["auroc", "log_loss", "ece"])
def test_metrics_that_count_no_right_pictures_contribute_their_influences(name: str) -> None:
    truth = np.arange(12) % 3
    scores = softmax(np.random.default_rng(0).normal(size=(12, 3)))
    assert (picture_contribution(name, truth, scores) == picture_influence(name, truth, scores)).all()


# -- odd splits --------------------------------------------------------------------------------


def test_a_class_missing_from_the_split_is_left_out_of_averages_also_when_it_is_predicted() -> None:
    truth = np.array([0, 0, 1, 1])
    scores = one_hot([0, 2, 1, 1], 4)
    assert score("balanced_accuracy", truth, scores) == pytest.approx(0.75)
    assert score("macro_f1", truth, scores) == pytest.approx((2 / 3 + 1) / 2)
    found = evaluate_scores("classification", truth, scores)
    assert all(interval.value is not None for interval in found.values())


def test_a_label_without_positives_is_left_out_of_averages() -> None:
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    scores = np.array([[0.9, 0.9], [0.2, 0.1], [0.8, 0.3]])
    assert score("map", truth, scores) == pytest.approx(1)
    assert score("f1_macro", truth, scores) == pytest.approx(1)
    assert score("f1_micro", truth, scores) == pytest.approx(4 / 5)


def test_no_label_at_all_leaves_every_multilabel_metric_open() -> None:
    found = evaluate_scores("multilabel", np.zeros((3, 2)), np.full((3, 2), 0.1))
    assert all((i.value, i.low, i.high) == (None, None, None) for i in found.values())


def test_constant_targets_have_no_r2_but_errors() -> None:
    found = evaluate_scores("regression", np.full(9, 2.0), np.linspace(1.5, 2.8, 9))
    assert found["r2"].value is None
    assert found["mae"].low is not None


def test_one_class_has_no_auroc_but_accuracy() -> None:
    found = evaluate_scores("classification", np.zeros(5, dtype=int), one_hot([0, 0, 0, 1, 0], 2))
    assert found["auroc"].value is None
    assert found["accuracy"].value == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("task", "truth", "scores"),
    [
        ("classification", np.array([1]), np.array([[0.2, 0.8]])),
        ("classification", np.array([1]), np.array([[1.0, 0.0]])),
        ("multilabel", np.array([[1, 0]]), np.array([[0.2, 0.8]])),
        ("regression", np.array([[1.0]]), np.array([[3.0]])),
    ],
)
def test_a_single_picture_gives_values_and_wide_or_no_limits(
    task: TaskName, truth: np.ndarray, scores: np.ndarray
) -> None:
    for name, interval in evaluate_scores(task, truth, scores).items():
        if interval.low is not None and interval.high is not None and name != "ece":
            assert interval.high - interval.low > 0.5
    assert evaluate_scores("regression", np.array([1.0]), np.array([3.0]))["mae"].low is None


def test_scores_of_a_diverged_network_are_no_number_and_never_better() -> None:
    scores = np.array([[np.nan, np.nan], [0.5, 0.5]])
    assert math.isnan(score("accuracy", np.array([0, 1]), scores))
    assert evaluate_scores("classification", np.array([0, 1]), scores)["log_loss"].value is None


def test_certain_and_wrong_costs_a_finite_loss_and_float32_sums_do_not_warn() -> None:
    scores = softmax(np.random.default_rng(0).normal(size=(50, 7)) * 30).astype(np.float32)
    scores[0] = [1, 0, 0, 0, 0, 0, 0]
    found = evaluate_scores("classification", np.full(50, 1), scores)["log_loss"]
    assert found.value is not None
    assert found.value < 17


def test_perfect_values_have_no_error_to_judge_by() -> None:
    found = evaluate_scores("regression", np.arange(5.0), np.arange(5.0))
    assert (found["mae"].value, found["mae"].low, found["mae"].high) == (0, None, None)
    assert found["r2"].value == 1


def test_truths_and_scores_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 truths but 1 scores"):
        score("mae", np.zeros(2), np.zeros(1))


def test_what_is_predicted_may_be_decided_by_other_scores_than_the_probabilities() -> None:
    truth = np.array([0, 1, 1, 0])
    probable, decisions = one_hot([0, 0, 0, 0], 2), one_hot([0, 1, 1, 0], 2)
    found = evaluate_scores("classification", truth, probable, decisions=decisions)
    assert found["accuracy"].value == 1
    assert found["log_loss"].value == pytest.approx(score("log_loss", truth, probable))


# -- intervals ---------------------------------------------------------------------------------


def test_accuracy_has_wilsons_interval() -> None:
    truth = np.zeros(40, dtype=int)
    found = evaluate_scores("classification", truth, one_hot([0] * 34 + [1] * 6, 2))["accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson(0.85, 40), abs=1e-6)
    assert wilson(0.85, 40) == pytest.approx((0.7093, 0.9294), abs=1e-4)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_trap_29_no_interval_has_zero_width_where_everything_is_right(task: TaskName) -> None:
    classes = [0, 1, 2] * 20
    truth: np.ndarray = np.array(classes) if task == "classification" else np.eye(3)[classes]
    for name, interval in evaluate_scores(task, truth, one_hot(classes, 3)).items():
        assert interval.low is not None
        assert interval.high is not None
        assert interval.high - interval.low > 0.01, name


def test_trap_29_groups_widen_every_interval_most_where_pictures_of_a_group_succeed_together() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    of_group = np.arange(120) // 5
    logits = 2 * np.eye(3)[truth] * (1 + rng.normal(size=24)[of_group])[:, None] + rng.normal(size=(120, 3))
    scores = softmax(logits)
    alone = evaluate_scores("classification", truth, scores)
    grouped = evaluate_scores("classification", truth, scores, groups=[f"patient {g}" for g in of_group])
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece"):
        a, b = alone[name], grouped[name]
        assert a.value == b.value
        assert None not in (a.low, a.high, b.low, b.high)
        assert b.high - b.low > 1.1 * (a.high - a.low), name  # type: ignore[operator]
    assert evaluate_scores("classification", truth, scores, groups=["one"] * 120)["accuracy"].low is None


def test_groups_of_one_picture_each_are_as_good_as_no_groups() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    scores = softmax(rng.normal(size=(200, 3)) + 2 * np.eye(3)[truth])
    alone = evaluate_scores("classification", truth, scores)
    grouped = evaluate_scores("classification", truth, scores, groups=[str(i) for i in range(200)])
    for name in alone:
        assert grouped[name].low == pytest.approx(alone[name].low, abs=0.01)
        assert grouped[name].high == pytest.approx(alone[name].high, abs=0.01)


def test_intervals_are_the_same_each_time_and_hold_their_value() -> None:
    rng = np.random.default_rng(1)
    truth, guess = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    first = evaluate_scores("regression", truth, guess, seed=4)
    assert first == evaluate_scores("regression", truth, guess, seed=4)
    for interval in first.values():
        assert interval.low is not None
        assert interval.value is not None
        assert interval.high is not None
        assert interval.low < interval.value < interval.high


def coverage(task: TaskName, name: str, draw: Callable[[], dict[str, Any]], *, true: float, n: int = 300) -> float:
    from unfreeze.metrics.evaluating import _limits

    hits = 0
    for _ in range(n):
        sample = draw()
        limits = _limits(name, sample["truth"], sample["scores"], clusters=sample.get("clusters"), seed=0)
        assert limits is not None
        hits += limits[0] <= true <= limits[1]
    assert task in METRICS
    return hits / n


def test_trap_29_accuracy_at_120_pictures_and_99_percent_is_covered() -> None:
    rng = np.random.default_rng(0)

    def draw() -> dict[str, Any]:
        return {"truth": np.zeros(120, dtype=int), "scores": one_hot(list((rng.random(120) > 0.99) * 1), 2)}

    assert coverage("classification", "accuracy", draw, true=0.99) >= 0.93


@pytest.mark.parametrize("sizes", [(60, 20, 10, 5), (30, 30, 30, 30)])
@pytest.mark.parametrize("recall", [0.9, 0.99])
def test_trap_29_balanced_accuracy_of_four_classes_is_covered(sizes: tuple[int, ...], recall: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), sizes)

    def draw() -> dict[str, Any]:
        wrong = rng.random(len(truth)) > recall
        return {"truth": truth, "scores": one_hot(list((truth + wrong) % 4), 4)}

    assert coverage("classification", "balanced_accuracy", draw, true=recall) >= 0.9


@pytest.mark.parametrize(("n_groups", "size", "alike"), [(30, 5, 0.3), (12, 10, 0.3), (40, 3, 0.05)])
def test_trap_29_accuracy_of_pictures_in_groups_is_covered(n_groups: int, size: int, alike: float) -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(n_groups), size)
    spread = 1 / alike - 1

    def draw() -> dict[str, Any]:
        rate = rng.beta(0.9 * spread, 0.1 * spread, n_groups)[clusters]
        wrong = rng.random(len(clusters)) > rate
        return {
            "truth": np.zeros(len(wrong), dtype=int),
            "scores": one_hot(list(wrong * 1), 2),
            "clusters": clusters,
        }

    assert coverage("classification", "accuracy", draw, true=0.9) >= 0.9


@pytest.mark.parametrize("size", [1, 4])
def test_trap_29_mae_with_lognormal_errors_is_covered(size: int) -> None:
    rng = np.random.default_rng(0)
    clusters = np.arange(120) // size
    true = math.exp(0.5 if size == 1 else 0.5 + 0.5**2 / 2)

    def draw() -> dict[str, Any]:
        common = rng.normal(0, 0.5, 120)[clusters] if size > 1 else 0.0
        errors = rng.lognormal(0, 1, 120) * np.exp(common)
        return {"truth": np.zeros(120), "scores": errors, "clusters": clusters if size > 1 else None}

    assert coverage("regression", "mae", draw, true=true) >= 0.9


@pytest.mark.parametrize("name", ["macro_f1", "auroc", "log_loss", "ece"])
@pytest.mark.parametrize("strength", [2.0, 4.0])
def test_trap_29_the_other_classification_metrics_are_covered(name: str, strength: float) -> None:
    rng = np.random.default_rng(0)

    def sample(sizes: list[int]) -> dict[str, Any]:
        truth = np.repeat(np.arange(3), sizes)
        logits = strength * (rng.normal(size=(len(truth), 3)) + strength * np.eye(3)[truth])
        return {"truth": truth, "scores": softmax(logits)}

    large = sample([24_000, 12_000, 12_000])
    true = score(name, large["truth"], large["scores"])
    assert coverage("classification", name, lambda: sample([60, 30, 30]), true=true) >= 0.9


@pytest.mark.parametrize("name", ["map", "f1_micro", "f1_macro"])
def test_trap_29_multilabel_metrics_are_covered(name: str) -> None:
    rng = np.random.default_rng(0)

    def sample(n: int) -> dict[str, Any]:
        truth = (rng.random((n, 3)) < [0.5, 0.3, 0.15]).astype(float)
        common = 0.5 * rng.normal(size=(n, 1))
        return {
            "truth": truth,
            "scores": 1 / (1 + np.exp(-4 * (truth - 0.5) - rng.normal(size=(n, 3)) - common)),
        }

    large = sample(50_000)
    true = score(name, large["truth"], large["scores"])
    assert coverage("multilabel", name, lambda: sample(120), true=true) >= 0.9


@pytest.mark.parametrize("name", ["rmse", "r2"])
def test_trap_29_errors_of_a_normal_kind_are_covered(name: str) -> None:
    rng = np.random.default_rng(0)

    def draw() -> dict[str, Any]:
        truth = 2 * rng.normal(size=60)
        return {"truth": truth, "scores": truth + rng.normal(size=60)}

    assert coverage("regression", name, draw, true=1.0 if name == "rmse" else 0.75) >= 0.9


def test_ten_thousand_pictures_are_evaluated_without_a_matrix_of_pictures_by_pictures() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 10_000)
    scores = softmax(rng.normal(size=(10_000, 10)) + 3 * np.eye(10)[truth])
    found = evaluate_scores("classification", truth, scores, groups=[str(i // 4) for i in range(10_000)])
    for interval in found.values():
        assert interval.low is not None
        assert interval.high is not None
        assert interval.high - interval.low < 0.06


def test_metrics_load_neither_torch_nor_scikit_learn_before_they_are_asked() -> None:
    program = "import sys, unfreeze.metrics; print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
