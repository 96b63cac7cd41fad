from __future__ import annotations

import math

import numpy as np
import pytest

from unfreeze.comparison.paired import (
    Measured,
    crossed_spread,
    differences_to,
    measure,
    paired_spread,
    simultaneous_level,
    student_t,
)


def of_right(right: np.ndarray) -> Measured:
    """What accuracy says of rows (rows, seeds, pictures) of zeros and ones."""
    values = right.mean(axis=2)
    n = right.shape[2]
    influences = (right - values[:, :, None]) / n
    return Measured(values=values, influences=influences, contributions=right / n, mistake=1 / n)


def two_rows(n: int, *, only_first: int, only_second: int, both: int = 0) -> Measured:
    first, second = np.zeros(n), np.zeros(n)
    first[: only_first + both] = 1
    second[only_first : only_first + both + only_second] = 1
    return of_right(np.stack([first, second])[:, None, :])


@pytest.mark.parametrize(("n", "only_first", "only_second"), [(60, 6, 1), (400, 12, 20), (40, 5, 0)])
def test_the_difference_of_two_accuracies_has_the_error_of_bonett_and_price(
    n: int, only_first: int, only_second: int
) -> None:
    rows = two_rows(n, only_first=only_first, only_second=only_second, both=20)
    a, b = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    error = math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    spread = paired_spread(rows, 1, 0)
    assert n * math.sqrt(spread.pictures) == pytest.approx((n + 2) * error, rel=0.01)
    mean, low, high = differences_to(rows, 0)[1]
    assert mean == pytest.approx((only_second - only_first) / n)
    assert high - low == pytest.approx(2 * student_t(spread.degrees) * math.sqrt(spread.pictures))


def test_five_pictures_on_one_side_are_no_difference_and_seven_are() -> None:
    # McNemar's exact test: p = 0.0625 at five, 0.016 at seven.
    assert differences_to(two_rows(100, only_first=5, only_second=0, both=80), 0)[1, 2] > 0
    assert differences_to(two_rows(100, only_first=7, only_second=0, both=80), 0)[1, 2] < 0


def test_rows_that_decide_alike_may_differ_by_what_two_more_pictures_could_do() -> None:
    found = differences_to(two_rows(100, only_first=0, only_second=0, both=100), 0)[1]
    assert found.tolist() == pytest.approx([0, -student_t(99) * math.sqrt(2) / 100, student_t(99) * math.sqrt(2) / 100])


def test_all_right_against_all_wrong_is_a_difference_even_of_ten_pictures() -> None:
    mean, low, high = differences_to(two_rows(10, only_first=10, only_second=0), 0)[1]
    assert mean == -1
    assert low < high < 0


def test_one_group_of_pictures_cannot_tell() -> None:
    contributions = np.array([[[0.5]], [[0.7]]])
    measured = Measured(
        values=contributions[:, :, 0], influences=np.zeros((2, 1, 1)), contributions=contributions, mistake=1.0
    )
    assert np.isnan(differences_to(measured, 1)[0, 1:]).all()


def test_equal_losses_cannot_tell() -> None:
    nothing = np.zeros((2, 1, 30))
    measured = Measured(values=np.full((2, 1), 0.5), influences=nothing, contributions=nothing)
    assert np.isnan(differences_to(measured, 1)[0, 1:]).all()


def test_the_level_of_independent_rows_is_that_of_tukeys_range() -> None:
    from scipy.stats import norm, studentized_range

    for n_rows in (3, 10):
        independent = np.random.default_rng(0).standard_normal((n_rows, 40_000))
        level = simultaneous_level(independent)
        assert norm.isf(level / 2) == pytest.approx(
            studentized_range.isf(0.05, n_rows, np.inf) / math.sqrt(2), abs=0.04
        )


def test_rows_that_are_the_same_cost_no_level() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 200))
    assert simultaneous_level(np.stack([one, other, one, other])) == pytest.approx(0.05, abs=0.005)
    assert simultaneous_level(np.stack([one, one, one])) == 0.05
    assert simultaneous_level(np.zeros((4, 9))) == 0.05


def test_seeds_that_agree_on_every_picture_but_shift_together_are_a_spread_of_their_own() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=300) / 300
    pictures -= pictures.mean()
    spread = crossed_spread(np.array([0.7, 0.8, 0.9]), np.stack([pictures] * 3))
    assert spread.seeds == pytest.approx(0.01 / 3)
    assert spread.pictures == pytest.approx(np.sum(pictures**2))
    whole = (spread.pictures + spread.seeds) ** 2
    alone = crossed_spread(np.array([0.7]), pictures[None]).degrees
    assert spread.degrees == pytest.approx(whole / (spread.pictures**2 / alone + spread.seeds**2 / 2))


def test_normal_influences_have_about_as_many_degrees_of_freedom_as_there_are_pictures() -> None:
    influences = np.random.default_rng(0).normal(size=(1, 100_000))
    assert crossed_spread(np.zeros(1), influences).degrees == pytest.approx(100_000, rel=0.02)
    assert crossed_spread(np.zeros(1), np.array([[-0.1, 0.1] * 20])).degrees == 39, "never more"


def test_a_few_pictures_that_carry_the_variance_have_two_degrees_of_freedom_each() -> None:
    influences = np.zeros((1, 1000))
    influences[0, :6] = 0.1
    assert crossed_spread(np.zeros(1), influences).degrees == pytest.approx(12, rel=0.01)


def test_the_supposed_pictures_have_the_weight_of_the_class_that_parts_the_rows() -> None:
    truth = np.repeat([0, 1], [90, 10])
    perfect = np.eye(2)[truth]
    for wrong, n_class, n_wrong in (((0, 1, 2), 90, 3), ((90, 91, 92, 93, 94, 95), 10, 6)):
        guess = truth.copy()
        guess[list(wrong)] = 1 - guess[list(wrong)]
        spread = paired_spread(measure("balanced_accuracy", truth, [[perfect], [np.eye(2)[guess]]]), 0, 1)
        weight = 0.5 / n_class
        assert spread.pictures == pytest.approx((n_wrong - n_wrong**2 / n_class + 2) * weight**2)


def test_groups_are_summed_and_a_mistake_of_a_whole_group_is_supposed() -> None:
    truth = np.arange(20) % 2
    alike = [[np.eye(2)[truth]]] * 2
    measured = measure("accuracy", truth, alike, np.arange(20) // 4)
    assert measured.influences.shape == measured.contributions.shape == (2, 1, 5)
    assert paired_spread(measured, 0, 1).pictures == pytest.approx(2 * (4 / 20) ** 2)


def test_seeds_that_disagree_on_single_pictures_count_at_most_twice() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2000, 4, 50)) / 50
    values = noise.sum(axis=2)
    spreads = [crossed_spread(v, n - v[:, None] / 50) for v, n in zip(values, noise, strict=True)]
    found = np.mean([spread.pictures + spread.seeds for spread in spreads])
    assert found == pytest.approx(2 * values.mean(axis=1).var(), rel=0.1)


def test_one_seed_knows_nothing_of_seeds() -> None:
    assert crossed_spread(np.array([0.7]), np.full((1, 5), 0.1)).seeds == 0


def test_draws_are_the_same_each_time() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 50))
    assert simultaneous_level(rows, seed=1) == simultaneous_level(rows, seed=1)
