"""Which trainings go on for all epochs."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from unfreeze.advice.halving import _better_half, _fitting_epochs, _Kept, _may_catch_up, _want_of_time
from unfreeze.advice.ways import Tried, Way
from unfreeze.advice_records import WayRecord
from unfreeze.records import Interval


def tried(name: str, value: float | None) -> Tried:
    record = WayRecord(
        name=name, strategy=name, model="test_resnet", size=32, epochs=4, frozen=False, status="done",
        val=Interval(value=value, low=None, high=None),
    )  # fmt: skip
    return Tried(way=cast("Way", None), record=record)


@pytest.mark.parametrize(("metric", "expected"), [("accuracy", ["b", "d", "a"]), ("log_loss", ["c", "a", "b"])])
def test_the_better_half_goes_on_the_best_first_of_equals_the_earlier(metric: str, expected: list[str]) -> None:
    ways = [tried("none", None), tried("a", 0.5), tried("b", 0.9), tried("c", 0.4), tried("d", 0.9)]
    assert [each.record.name for each in _better_half(metric, ways)] == expected


@pytest.mark.parametrize(
    ("seconds_left", "expected"),
    [(1000.0, 10), (112.0, 10), (111.0, 9), (60.0, 5), (55.0, None), (0.0, None)],
)
def test_survivors_get_all_epochs_or_as_many_as_there_is_time_for(seconds_left: float, expected: int | None) -> None:
    found = _fitting_epochs(lambda epochs: 10.0 * epochs, least=5, most=10, seconds_left=seconds_left)
    assert found == expected, "a tenth of the time left is not planned for"


def test_a_way_that_is_behind_beyond_chance_is_given_up() -> None:
    truth = np.arange(80) % 2
    right, nearly, wrong = (np.eye(2)[np.where(np.arange(80) < n, 1 - truth, truth)] for n in (0, 3, 20))
    assert _may_catch_up("accuracy", truth, nearly, right)
    assert not _may_catch_up("accuracy", truth, wrong, right)
    assert _may_catch_up("accuracy", truth, right, wrong)


def test_what_was_not_tried_says_what_its_time_was_kept_for() -> None:
    assert _want_of_time(61.0, 90.0, _Kept("stages:1", 40.0)) == (
        "it takes about 61 s, and 90 s were left, of which 40 s are kept for stages:1"
    )
    assert _want_of_time(None, 90.0, None) == "the budget had ended"
    assert _want_of_time(61.0, -1.0, None) == "the budget had ended"
