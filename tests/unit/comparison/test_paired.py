from __future__ import annotations

import math

import numpy as np
import pytest

from unfreeze.comparison.paired import Measured, crossed_spread, differences_to, simultaneous_level, student_t


def of_right(right: np.ndarray) -> Measured:
    """What accuracy says of rows (rows, seeds, pictures) of zeros and ones."""
    values = right.mean(axis=2)
    n = right.shape[2]
    return Measured(values=values, influences=(right - values[:, :, None]) / n, mistake=1 / n)


def two_rows(n: int, *, only_first: int, only_second: int, both: int = 0) -> Measured:
    first, second = np.zeros(n), np.zeros(n)
    first[: only_first + both] = 1
    second[only_first : only_first + both + only_second] = 1
    return of_right(np.stack([first, second])[:, None, :])


@pytest.mark.parametrize(("n", "only_first", "only_second"), [(60, 6, 1), (400, 12, 20), (40, 5, 0)])
def test_the_difference_of_two_accuracies_is_as_wide_as_bonett_and_prices(
    n: int, only_first: int, only_second: int
) -> None:
    found = differences_to(two_rows(n, only_first=only_first, only_second=only_second, both=20), 0)[1]
    a, b = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    error = math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    assert found[0] == pytest.approx((only_second - only_first) / n)
    assert found[2] - found[1] == pytest.approx(2 * student_t(n - 1) * error, rel=0.1)


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
    measured = Measured(values=np.array([[0.5], [0.7]]), influences=np.zeros((2, 1, 1)), mistake=1.0)
    assert np.isnan(differences_to(measured, 1)[0, 1:]).all()


def test_equal_losses_cannot_tell() -> None:
    measured = Measured(values=np.full((2, 1), 0.5), influences=np.zeros((2, 1, 30)))
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
    assert spread.degrees == pytest.approx(whole / (spread.pictures**2 / 299 + spread.seeds**2 / 2))


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
