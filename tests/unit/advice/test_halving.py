"""Which trainings go on for all epochs."""

from __future__ import annotations

from typing import cast

import pytest

from unfreeze.advice.halving import _better_half
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
