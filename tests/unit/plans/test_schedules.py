"""How a rate runs over a phase."""

from __future__ import annotations

import itertools
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfreeze.plans import rate_share

schedules = st.sampled_from(["constant", "cosine", "one-cycle"])
warmups = st.floats(0, 0.99)


@given(schedules, st.integers(1, 400), st.data(), warmups)
def test_a_share_is_above_zero_and_at_most_one(schedule: str, n_steps: int, data: st.DataObject, warmup: float) -> None:
    step = data.draw(st.integers(0, n_steps - 1))
    assert 0 < rate_share(schedule, step, n_steps=n_steps, warmup=warmup) <= 1


@given(schedules, st.integers(1, 400), warmups)
def test_every_phase_rises_to_its_peak_and_never_rises_again(schedule: str, n_steps: int, warmup: float) -> None:
    shares = [rate_share(schedule, step, n_steps=n_steps, warmup=warmup) for step in range(n_steps)]
    peak = shares.index(1.0)
    assert all(a < b for a, b in itertools.pairwise(shares[: peak + 1]))
    assert all(a >= b for a, b in itertools.pairwise(shares[peak:]))


@given(schedules)
def test_a_phase_of_one_step_is_at_its_peak(schedule: str) -> None:
    assert rate_share(schedule, 0, n_steps=1, warmup=0.5) == 1.0


def test_constant_stays_at_the_peak() -> None:
    assert {rate_share("constant", step, n_steps=7) for step in range(7)} == {1.0}


def test_cosine_falls_to_a_ten_thousandth() -> None:
    shares = [rate_share("cosine", step, n_steps=11) for step in range(11)]
    assert shares[0] == 1.0
    assert isclose(shares[5], (1 + 1e-4) / 2)
    assert isclose(shares[-1], 1e-4)


def test_one_cycle_rises_over_the_first_three_tenths_from_a_twenty_fifth() -> None:
    shares = [rate_share("one-cycle", step, n_steps=100) for step in range(100)]
    assert isclose(shares[0], 1 / 25)
    assert shares.index(1.0) == 30
    assert isclose(shares[-1], 1e-4)


def test_warm_up_rises_linearly_before_the_peak() -> None:
    assert [rate_share("constant", step, n_steps=8, warmup=0.5) for step in range(5)] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_step_outside_its_phase_is_refused() -> None:
    with pytest.raises(AssertionError, match="step 3 of 3"):
        rate_share("constant", 3, n_steps=3)
