from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from unfreeze.comparison import Difference, RowOutputs, RowStatistics, compare_rows
from unfreeze.errors import ConfigError
from unfreeze.metrics import METRICS, evaluate_scores


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def decided(classes: np.ndarray, n: int = 2) -> np.ndarray:
    return np.eye(n)[classes] * 0.98 + 0.02 / n


def row(name: str, *outputs: np.ndarray, cost: float = 1.0) -> RowOutputs:
    return RowOutputs(name=name, outputs=outputs, cost=cost)


def noisy(truth: np.ndarray, strength: float, rng: np.random.Generator, n_classes: int = 3) -> np.ndarray:
    return softmax(strength * np.eye(n_classes)[truth] + rng.normal(size=(len(truth), n_classes)))


def by_name(found: tuple[RowStatistics, ...]) -> dict[str, RowStatistics]:
    return {each.name: each for each in found}


def test_a_clearly_worse_row_is_worse_and_of_the_others_the_cheapest_is_recommended() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 3
    found = compare_rows(
        [
            row("full", noisy(truth, 3.0, rng), cost=90),
            row("gradual", noisy(truth, 3.0, rng), cost=30),
            row("random", noisy(truth, 0.0, rng), cost=1),
        ],
        truth,
        task="classification",
    )
    assert {each.name for each in found if each.verdict != "worse"} == {"full", "gradual"}
    assert [each.name for each in found if each.recommended] == ["gradual"]
    worse = by_name(found)["random"].difference
    assert worse.high is not None
    assert worse.mean < worse.high < 0


@pytest.mark.parametrize(("cost", "expected"), [(1.05, "better"), (1.2, "cheaper")])
def test_a_tenth_of_the_cost_does_not_buy_a_worse_figure(cost: float, expected: str) -> None:
    truth = np.arange(100) % 2
    guess = np.where(np.arange(100) < 20, 1 - truth, truth)
    better = np.where(np.arange(100) < 18, 1 - truth, truth)
    found = compare_rows(
        [row("cheaper", decided(guess), cost=1), row("better", decided(better), cost=cost)],
        truth,
        task="classification",
    )
    assert [each.verdict for each in found] == ["tied", "best"]
    assert [each.name for each in found if each.recommended] == [expected]


def test_rows_keep_their_order_and_the_best_differs_from_itself_by_nothing() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    found = compare_rows([row("a", noisy(truth, 1, rng)), row("b", noisy(truth, 3, rng))], truth, task="classification")
    assert [each.name for each in found] == ["a", "b"]
    assert found[1].verdict == "best"
    assert found[1].difference == Difference(0.0, 0.0, 0.0)
    assert found[0].difference.mean == pytest.approx(found[0].value - found[1].value)


def test_errors_are_better_when_they_are_smaller() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=80)
    small, large = truth + 0.1 * rng.normal(size=80), truth + rng.normal(size=80)
    found = by_name(compare_rows([row("small", small), row("large", large)], truth, task="regression"))
    assert (found["small"].verdict, found["large"].verdict) == ("best", "worse")
    assert found["large"].difference.low is not None
    assert found["large"].difference.low > 0


@pytest.mark.parametrize("task", sorted(METRICS))
def test_with_one_seed_a_value_has_the_interval_of_its_evaluation(task: Any) -> None:
    rng = np.random.default_rng(0)
    groups = [str(i // 2) for i in range(90)]
    truth: np.ndarray = np.arange(90) % 3
    outputs = noisy(truth, 2.0, rng)
    if task == "multilabel":
        truth = np.eye(3)[truth]
    elif task == "regression":
        truth = rng.normal(size=90)
        outputs = truth + rng.normal(size=90)
    for metric, interval in evaluate_scores(task, truth, outputs, groups=groups).items():
        (found,) = compare_rows([row("only", outputs)], truth, task=task, metric=metric, groups=groups)
        assert (found.value, found.low, found.high) == pytest.approx((interval.value, interval.low, interval.high))
        assert (found.verdict, found.recommended) == ("best", True)


def test_perfect_rows_are_tied_with_room_for_doubt_and_the_cheapest_is_recommended() -> None:
    truth = np.arange(10) % 2
    found = compare_rows(
        [row("dear", decided(truth), cost=9), row("cheap", decided(truth), cost=1)], truth, task="classification"
    )
    dear, cheap = found
    assert (dear.verdict, cheap.verdict, cheap.recommended) == ("tied", "best", True)
    assert dear.difference.low is not None
    assert dear.difference.low < -0.1
    assert cheap.low is not None
    assert cheap.low < 0.9


@pytest.mark.parametrize("sizes", [(6, 6), (94, 6)])
def test_four_pictures_of_six_are_no_difference_as_in_mcnemars_exact_test(sizes: tuple[int, int]) -> None:
    truth = np.repeat([0, 1], sizes)
    never, mostly = np.zeros_like(truth), truth.copy()
    mostly[sizes[0] : sizes[0] + 2] = 0
    found = compare_rows([row("never", decided(never)), row("mostly", decided(mostly))], truth, task="classification")
    assert [each.verdict for each in found] == ["tied", "best"]  # exact p = 0.125


def test_the_rarest_class_widens_what_perfect_rows_could_differ_by() -> None:
    common, rare = np.arange(100) % 2, (np.arange(100) < 4).astype(int)
    lows = []
    for truth in (common, rare):
        found = compare_rows([row("a", decided(truth)), row("b", decided(truth))], truth, task="classification")
        low = found[1].difference.low
        assert low is not None
        lows.append(low)
    assert lows[1] < 5 * lows[0]


@pytest.mark.parametrize("metric", METRICS["classification"])
def test_ten_pictures_and_a_class_of_one_are_enough_for_a_verdict_of_some_kind(metric: str) -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0] * 9 + [2])
    rows = [row(name, *(noisy(truth, 2.0, rng) for _ in range(2))) for name in "abc"]
    found = compare_rows(rows, truth, task="classification", metric=metric)
    assert sum(each.verdict == "best" for each in found) == 1
    assert sum(each.recommended for each in found) == 1


def test_groups_count_once_so_that_repeated_pictures_tell_no_more() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    a, b = noisy(truth, 1.0, rng), noisy(truth, 2.0, rng)
    once = by_name(compare_rows([row("a", a), row("b", b)], truth, task="classification"))["a"].difference
    many = [row("a", np.repeat(a, 5, axis=0)), row("b", np.repeat(b, 5, axis=0))]
    groups = [f"item {i // 5}" for i in range(300)]
    grouped = compare_rows(many, np.repeat(truth, 5), task="classification", groups=groups)
    assert by_name(grouped)["a"].difference == pytest.approx(once)
    blind = by_name(compare_rows(many, np.repeat(truth, 5), task="classification"))["a"].difference
    assert blind.high is not None
    assert once.high is not None
    assert blind.high < once.high - 0.02


def test_one_group_ties_everything_without_limits() -> None:
    truth = np.arange(10) % 2
    rows = [row("right", decided(truth), cost=2), row("wrong", decided(1 - truth))]
    right, wrong = compare_rows(rows, truth, task="classification", groups=["one"] * 10)
    assert (right.verdict, wrong.verdict, wrong.recommended) == ("best", "tied", True)
    assert wrong.difference == Difference(-1.0, None, None)
    assert (right.low, right.high) == (None, None)


def test_seeds_that_shift_a_whole_network_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(150) % 3
    base = rng.normal(size=(150, 3))
    alike = row("alike", *(softmax(1.5 * np.eye(3)[truth] + base) for _ in range(3)))
    shifting = row("shifting", *(softmax(k * np.eye(3)[truth] + base) for k in (0.7, 1.5, 2.3)))
    (one,), (other,) = (compare_rows([r], truth, task="classification") for r in (alike, shifting))
    assert None not in (one.low, one.high, other.low, other.high)
    assert other.high - other.low > 1.5 * (one.high - one.low)  # type: ignore[operator]


def test_seeds_that_err_on_different_pictures_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(150) % 3

    def width(n_seeds: int) -> float:
        of_row = row("only", *(noisy(truth, 1.5, rng) for _ in range(n_seeds)))
        (found,) = compare_rows([of_row], truth, task="classification")
        assert None not in (found.low, found.high)
        return found.high - found.low  # type: ignore[operator]

    assert np.mean([width(5) for _ in range(10)]) < 0.8 * np.mean([width(1) for _ in range(10)])


def test_what_is_wrong_with_rows_is_said_together() -> None:
    truth = np.arange(4) % 2
    broken = decided(truth)
    broken[0] = np.nan
    rows = [row("a", decided(truth)), row("a", decided(truth)[:2], cost=float("inf")), row("b", broken)]
    with pytest.raises(
        ConfigError,
        match=r"(?s)4 problems.*twice: a.*cost of .a. is inf, but must be a finite number.*for 2 pictures.*diverged",
    ):
        compare_rows(rows, truth, task="classification")
    with pytest.raises(ConfigError, match="same seeds, at least one, but has a: 1, b: 2"):
        compare_rows([row("a", decided(truth)), row("b", *[decided(truth)] * 2)], truth, task="classification")
    with pytest.raises(ConfigError, match="needs a group, but 1 groups"):
        compare_rows([row("a", decided(truth))], truth, task="classification", groups=["x"])
    with pytest.raises(ConfigError, match="needs a fold, but 1 folds"):
        compare_rows([row("a", decided(truth))], truth, task="classification", folds=[0])
    with pytest.raises(ConfigError, match="0 rows and 4 pictures"):
        compare_rows([], truth, task="classification")


def test_a_metric_that_the_task_lacks_or_these_pictures_leave_open_is_refused() -> None:
    truth = np.zeros(5, dtype=int)
    with pytest.raises(ConfigError, match="for regression tasks"):
        compare_rows([row("a", decided(truth))], truth, task="classification", metric="mae")
    with pytest.raises(ConfigError, match="auroc is not defined on these 5 pictures"):
        compare_rows([row("a", decided(truth))], truth, task="classification", metric="auroc")


def test_statistics_load_no_torch() -> None:
    program = "import sys; from unfreeze.comparison import compare_rows; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
