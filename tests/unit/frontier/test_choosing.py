"""The choice of a cut is the least estimate of those that fit, storing nothing among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfreeze.frontier import SPEEDS, Candidate, Speeds, choose_cut
from unfreeze.frontier.choosing import estimate_seconds

candidates = st.lists(st.builds(Candidate, st.integers(1, 10**8), st.integers(0, 10**10)), max_size=8)
speeds = st.builds(Speeds, st.floats(1e8, 1e13), st.floats(1e6, 1e11), st.floats(10, 1e5))
quotas = st.none() | st.integers(0, 10**12)


@given(candidates, st.integers(0, 10**10), st.integers(1, 10**5), quotas, speeds)
def test_what_is_chosen_fits_and_nothing_that_fits_costs_less(
    found: list[Candidate], frozen_macs: int, n_rows: int, quota: int | None, machine: Speeds
) -> None:
    index = choose_cut(found, frozen_macs=frozen_macs, n_rows=n_rows, quota_bytes=quota, speeds=machine)
    fitting = [c for c in found if quota is None or c.n_bytes * n_rows <= quota]
    uncached = 1 / machine.decodes_per_second + frozen_macs / machine.macs_per_second
    if index is None:
        assert all(estimate_seconds(c, speeds=machine) > uncached for c in fitting)
        return
    assert found[index] in fitting
    seconds = estimate_seconds(found[index], speeds=machine)
    assert seconds <= min([uncached, *(estimate_seconds(c, speeds=machine) for c in fitting)])


@given(candidates, st.integers(0, 10**10), st.integers(1, 10**5), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_larger_quota_never_costs_time(
    found: list[Candidate], frozen_macs: int, n_rows: int, quota: int, more: int
) -> None:
    def seconds(limit: int) -> float:
        index = choose_cut(found, frozen_macs=frozen_macs, n_rows=n_rows, quota_bytes=limit)
        if index is None:
            return 1 / SPEEDS.decodes_per_second + frozen_macs / SPEEDS.macs_per_second
        return estimate_seconds(found[index])

    assert seconds(quota + more) <= seconds(quota)


def test_of_equal_candidates_the_deepest_is_chosen() -> None:
    assert choose_cut([Candidate(100, 0)] * 3, frozen_macs=10**9) == 2


def test_nothing_is_stored_where_reading_takes_longer_than_computing() -> None:
    slow_disk = Speeds(bytes_per_second=1e6)
    assert choose_cut([Candidate(10**6, 0)], frozen_macs=10**8, speeds=slow_disk) is None


@pytest.mark.parametrize(("quota", "index"), [(10**9, 1), (999_999, 0), (99_999, None)])
def test_the_quota_holds_for_all_images_and_views_together(quota: int, index: int | None) -> None:
    found = [Candidate(100, 10**9), Candidate(1000, 0)]
    assert choose_cut(found, frozen_macs=2 * 10**9, n_rows=1000, quota_bytes=quota) == index
