"""The one-standard-error rule, and whether anything was learned."""

from __future__ import annotations

import numpy as np
import pytest

from unfreeze.advice.choosing import beats_chance, cheapest_within_noise, could_beat_chance, gain_of, paired_error
from unfreeze.comparison.statistics import RowOutputs

TRUTH = np.tile([0, 1], 100)


def answers(n_wrong: int, *, first: int = 0) -> np.ndarray:
    """Outputs of a classifier that is wrong on some pictures, from the given one on."""
    guess = TRUTH.copy()
    guess[first : first + n_wrong] = 1 - guess[first : first + n_wrong]
    return np.eye(2)[guess]


def row(name: str, outputs: np.ndarray, cost: float) -> RowOutputs:
    return RowOutputs(name=name, outputs=(outputs,), cost=cost)


def test_a_dearer_way_is_taken_only_for_more_than_one_standard_error() -> None:
    cheap, little, much = answers(40), answers(38, first=4), answers(10)
    rows = [row("cheap", cheap, 1.0), row("little", little, 5.0)]
    assert cheapest_within_noise(rows, TRUTH, metric="accuracy") == 0
    assert cheapest_within_noise([*rows, row("much", much, 9.0)], TRUTH, metric="accuracy") == 2


def test_of_equal_costs_the_better_is_taken() -> None:
    rows = [row("a", answers(40), 1.0), row("b", answers(38, first=4), 1.0)]
    assert cheapest_within_noise(rows, TRUTH, metric="accuracy") == 1


def test_the_error_of_a_difference_is_that_of_the_pictures_that_part_the_two() -> None:
    one, other = answers(20), answers(20, first=10)  # 10 + 10 pictures part them, of 200; 2 are supposed
    assert paired_error("accuracy", TRUTH, one, other) == pytest.approx(np.sqrt(22) / 200, rel=0.02)
    assert 0 < paired_error("accuracy", TRUTH, one, one) < 0.01, "the next picture could part them"
    groups = [str(i // 10) for i in range(200)]  # each ten err together
    assert paired_error("accuracy", TRUTH, one, other, groups) > 2 * paired_error("accuracy", TRUTH, one, other)


def test_one_picture_is_no_difference_and_three_are() -> None:
    for n_fewer, taken in ((1, 0), (3, 1)):
        rows = [row("cheap", answers(20), 1.0), row("dear", answers(20 - n_fewer), 5.0)]
        assert cheapest_within_noise(rows, TRUTH, metric="accuracy") == taken


def test_a_gain_is_what_is_better_also_of_errors() -> None:
    truth = np.linspace(0, 1, 50)
    gain, _ = gain_of("mae", truth, truth + 0.1, truth + 0.3)
    assert gain == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(3))
def test_random_answers_do_not_beat_chance_and_good_ones_do(seed: int) -> None:
    random = np.random.default_rng(seed).dirichlet(np.ones(2), len(TRUTH))
    assert not beats_chance("balanced_accuracy", TRUTH, random)
    assert beats_chance("balanced_accuracy", TRUTH, answers(60))


def test_a_constant_does_not_beat_chance() -> None:
    truth = np.random.default_rng(0).normal(size=60)
    assert not beats_chance("mae", truth, np.zeros(60))
    assert beats_chance("mae", truth, truth + 0.3)


def test_what_a_metric_leaves_open_does_not_beat_chance() -> None:
    one_class = np.zeros(20, dtype=int)
    assert not beats_chance("auroc", one_class, np.full((20, 2), 0.5))


def test_rows_whose_metric_is_not_a_number_come_last() -> None:
    broken = np.full((len(TRUTH), 2), np.nan)
    rows = [row("broken", broken, 1.0), row("poor", answers(90), 2.0), row("good", answers(10), 9.0)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        taken = cheapest_within_noise([rows[i] for i in order], TRUTH, metric="log_loss")
        assert rows[order[taken]].name == "good"
    assert cheapest_within_noise([row("dear", broken, 5.0), rows[0]], TRUTH, metric="log_loss") == 1


def test_groups_that_decide_alike_could_be_parted_by_a_whole_group() -> None:
    groups = [str(i // 10) for i in range(200)]
    alike = answers(20)
    assert paired_error("accuracy", TRUTH, alike, alike, groups) == pytest.approx(np.sqrt(2) * 10 / 200)


@pytest.mark.parametrize("seed", range(5))
def test_luck_with_a_few_groups_does_not_beat_chance(seed: int) -> None:
    groups = [str(i // 20) for i in range(200)]
    of_groups = np.array([0, 1] * 5)
    guesses = of_groups.copy()
    guesses[np.random.default_rng(seed).choice(10, 3, replace=False)] ^= 1  # 7 of 10 groups, 140 of 200 pictures
    truth, outputs = np.repeat(of_groups, 20), np.eye(2)[np.repeat(guesses, 20)]
    assert beats_chance("accuracy", truth, outputs), "as if the pictures were independent"
    assert not beats_chance("accuracy", truth, outputs, groups)


def test_groups_of_different_sizes_can_beat_chance() -> None:
    groups = [str(i) for i in range(60) for _ in range(1 + i % 4)]
    truth = np.array([int(name) % 2 for name in groups])
    assert beats_chance("accuracy", truth, np.eye(2)[truth], groups)


def test_of_very_few_pictures_even_right_answers_could_be_luck() -> None:
    assert not could_beat_chance("balanced_accuracy", np.array([0, 0, 0, 1, 1, 1]))
    assert could_beat_chance("balanced_accuracy", TRUTH)
    assert not could_beat_chance("accuracy", TRUTH, [str(i // 50) for i in range(200)])
    assert could_beat_chance("mae", np.linspace(0, 1, 30)[:, None])
    assert could_beat_chance("map", np.eye(3)[np.arange(30) % 3])
