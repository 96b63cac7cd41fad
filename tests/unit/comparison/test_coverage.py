"""How often the intervals of a comparison hold, by simulation; docs/reference/comparing.md has the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from unfreeze.comparison import RowOutputs, RowStatistics, compare_rows
from unfreeze.metrics import score

N_CLASSES = 3
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, list[list[np.ndarray]]]]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def classifiers(strengths: Sequence[float], *, n_seeds: int, shift: float = 0.0, size: int = 1) -> Draw:
    """Rows whose mistakes come from pictures (or groups) that are hard for all, for one row, and for one seed.

    Args:
        strengths: of each row's signal.
        n_seeds: per row.
        shift: standard deviation by which a seed makes a whole network stronger or weaker.
        size: pictures in a group, which share half of the noise.
    """

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        truth = np.arange(n // size).repeat(size) % N_CLASSES
        signal = np.eye(N_CLASSES)[truth]

        def noise(scale: float) -> np.ndarray:
            own = rng.normal(size=(n, N_CLASSES))
            if size > 1:
                own = (own + rng.normal(size=(n // size, N_CLASSES)).repeat(size, axis=0)) / np.sqrt(2)
            return scale * own

        common = noise(1.0)
        rows = []
        for strength in strengths:
            of_row = common + noise(0.5)
            seeds = [(strength + shift * rng.normal()) * signal + of_row + noise(0.5) for _ in range(n_seeds)]
            rows.append([softmax(1.5 * logits) for logits in seeds])
        return truth, rows

    return draw


def uneven(sizes: Sequence[int], right: Sequence[float], *, n_rows: int) -> Draw:
    """Equal rows that are right on a share of each class, independently; the classes have these sizes."""
    truth = np.arange(len(sizes)).repeat(sizes)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        assert n == len(truth)
        rows = []
        for _ in range(n_rows):
            is_right = rng.random(n) < np.asarray(right)[truth]
            decided = np.where(is_right, truth, (truth + 1) % len(sizes))
            rows.append([0.98 * np.eye(len(sizes))[decided] + 0.02 / len(sizes)])
        return truth, rows

    return draw


def compared(
    draw: Draw, n: int, *, n_sets: int, size: int = 1, metric: str | None = None
) -> list[tuple[RowStatistics, ...]]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n_sets):
        truth, outputs = draw(rng, n)
        rows = [RowOutputs(name=str(i), outputs=tuple(each), cost=1.0 + i) for i, each in enumerate(outputs)]
        groups = [str(i // size) for i in range(n)] if size > 1 else None
        found.append(compare_rows(rows, truth, task="classification", metric=metric, groups=groups))
    return found


def true_value(strength: float) -> float:
    truth, ((outputs,),) = classifiers([strength], n_seeds=1)(np.random.default_rng(1), 120_000)
    return score("balanced_accuracy", truth, outputs)


def share_covered(sets: Sequence[tuple[RowStatistics, ...]], true: Sequence[float]) -> tuple[float, float]:
    """Return how often a value lies in its interval, and how often all differences lie in theirs."""
    values, differences = [], []
    for rows in sets:
        best = next(i for i, each in enumerate(rows) if each.verdict == "best")
        inside = []
        for i, each in enumerate(rows):
            assert None not in (each.low, each.high, each.difference.low, each.difference.high)
            values.append(each.low <= true[i] <= each.high)  # type: ignore[operator]
            inside.append(each.difference.low <= true[i] - true[best] <= each.difference.high)  # type: ignore[operator]
        differences.append(all(inside))
    return float(np.mean(values)), float(np.mean(differences))


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [1, 3])
@pytest.mark.parametrize("n", [15, 60, 300])
def test_values_and_differences_are_covered_with_few_and_many_pictures(n: int, n_seeds: int) -> None:
    sets = compared(classifiers([1.4, 1.2], n_seeds=n_seeds), n, n_sets=400)
    value, difference = share_covered(sets, [true_value(1.4), true_value(1.2)])
    assert 0.92 <= value <= 0.99
    assert 0.92 <= difference <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_rows", "n_seeds"), [(60, 5, 2), (300, 2, 2), (300, 5, 1), (300, 10, 2), (60, 10, 1)])
def test_equal_rows_are_rarely_called_worse_however_many_there_are(n: int, n_rows: int, n_seeds: int) -> None:
    sets = compared(classifiers([1.2] * n_rows, n_seeds=n_seeds), n, n_sets=300)
    assert np.mean([any(each.verdict == "worse" for each in rows) for rows in sets]) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_equal_rows_are_rarely_called_worse_where_seeds_shift_whole_networks(n_seeds: int) -> None:
    sets = compared(classifiers([1.2, 1.2], n_seeds=n_seeds, shift=0.15), 200, n_sets=400)
    assert np.mean([any(each.verdict == "worse" for each in rows) for rows in sets]) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [2, 5])
@pytest.mark.parametrize(
    ("sizes", "right"),
    [((94, 6), (0.98, 0.5)), ((94, 6), (0.98, 0.8)), ((90, 10), (0.95, 0.6)), ((190, 4), (0.97, 0.5))],
)
@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
def test_equal_rows_are_rarely_called_worse_where_a_rare_class_decides(
    metric: str, sizes: tuple[int, int], right: tuple[float, float], n_rows: int
) -> None:
    sets = compared(uneven(sizes, right, n_rows=n_rows), sum(sizes), n_sets=200, metric=metric)
    assert np.mean([any(each.verdict == "worse" for each in rows) for rows in sets]) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.6])
@pytest.mark.parametrize(("n", "rate"), [(100, 0.1), (400, 0.3)])
def test_equal_rows_are_rarely_called_worse_out_of_fold_whatever_the_scales_of_the_networks(
    n: int, rate: float, shift: float
) -> None:
    rng, folds, found = np.random.default_rng(0), np.arange(n) % 5, []
    for _ in range(150):
        truth = (rng.random((n, 4)) < rate).astype(np.float64)
        truth[:5] = 1  # each fold has each label
        common = rng.normal(size=(n, 4))
        rows = []
        for name in "abc":
            logits = 1.5 * truth + common + 0.7 * rng.normal(size=(n, 4)) - 2
            scale, offset = np.exp(rng.normal(0, shift, (5, 1))), rng.normal(0, 2 * shift, (5, 4))
            outputs = 1 / (1 + np.exp(-scale[folds] * logits - offset[folds]))
            rows.append(RowOutputs(name=name, outputs=(outputs,), cost=1.0))
        found.append(compare_rows(rows, truth, task="multilabel", metric="map", folds=folds))
    assert np.mean([any(each.verdict == "worse" for each in rows) for rows in found]) <= 0.1


@pytest.mark.slow
def test_pictures_in_groups_are_covered_by_group() -> None:
    sets = compared(classifiers([1.2] * 3, n_seeds=1, size=5), 150, n_sets=300, size=5)
    value, difference = share_covered(sets, [true_value(1.2)] * 3)
    assert value >= 0.92
    assert difference >= 0.92
    blind = compared(classifiers([1.2] * 3, n_seeds=1, size=5), 150, n_sets=300)
    assert share_covered(blind, [true_value(1.2)] * 3)[0] < value


@pytest.mark.slow
def test_a_clearly_worse_row_among_five_is_found() -> None:
    sets = compared(classifiers([2.0] * 4 + [1.2], n_seeds=1), 200, n_sets=100)
    assert np.mean([rows[-1].verdict == "worse" for rows in sets]) >= 0.95
    assert np.mean([rows[0].recommended for rows in sets]) >= 0.8


def test_a_small_gain_is_told_on_many_pictures_and_not_on_few() -> None:
    few, many = (
        np.mean([rows[1].verdict == "worse" for rows in compared(classifiers([1.4, 1.2], n_seeds=1), n, n_sets=100)])
        for n in (60, 3000)
    )
    assert few < 0.3
    assert many > 0.9
