"""What the reasons say of what could not be told, or not be trained."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from unfreeze.advice.reasons import _amount, _left_out, _listed
from unfreeze.advice_records import WayRecord, standing_of
from unfreeze.records import Interval


def way(
    name: str, *, epochs: int = 10, status: Any = "done", frozen: bool = False, model: str = "test_resnet",
    why: str | None = None,
) -> WayRecord:  # fmt: skip
    return WayRecord(
        name=name, strategy=name, model=model, size=32, epochs=epochs, frozen=frozen, status=status, why=why
    )  # fmt: skip


def test_a_recommended_way_is_called_what_it_was_chosen_as() -> None:
    head, stage = way("head", frozen=True), way("stages:1")
    assert standing_of(head, [head, stage]) == "the best head on frozen features"
    assert standing_of(stage, [head, stage]) == "the cheapest training within one standard error of the best"
    of_another = way("head", frozen=True, model="other")
    assert standing_of(head, [head, of_another]).startswith("the best head of the cheapest network")
    untried = way("head", frozen=True, model="other", status="not tried")
    assert standing_of(head, [head, untried]) == "the best head on frozen features"


def test_what_usually_does_best_is_called_so_where_another_head_measured_better() -> None:
    def head_of(name: str, value: float, **changes: Any) -> WayRecord:
        found = way(name, frozen=True, **changes)
        return msgspec.structs.replace(found, folds=Interval(value=value, low=value, high=value))

    head, usual, another = head_of("head", 0.8), head_of("head2toe", 0.78), head_of("head2toe", 0.9, model="other")
    judged = [msgspec.structs.replace(each, verdict="tied") for each in (head, usual)]
    standing = "what usually does best, within one standard error of the best head on frozen features"
    assert standing_of(usual, judged) == standing
    assert standing_of(usual, [another, *judged]) == f"{standing} of test_resnet"
    assert standing_of(head, judged) == "the best head on frozen features", "a verdict makes no other way of it"
    equal = [head_of("head", 0.78), usual]
    assert standing_of(usual, equal) == "the best head on frozen features"


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, "way 0"),
        (2, "way 0 or way 1"),
        (4, "way 0, way 1, way 2 or way 3"),
        (6, "way 0, way 1, way 2, way 3 and 2 more"),
    ],
)
def test_a_few_rivals_are_named_and_the_rest_counted(n: int, expected: str) -> None:
    assert _listed([f"way {number}" for number in range(n)]) == expected


def test_ways_that_came_to_an_end_with_fewer_epochs_are_not_without_a_result() -> None:
    ways = [
        way("stages:1", epochs=4), way("layerwise", epochs=4),
        way("stages:1", status="not tried", why="no time"), way("layerwise", status="failed", why="no memory"),
        way("stages:2", epochs=4, status="not tried", why="no time"),
    ]  # fmt: skip
    assert _left_out(ways) == (
        " Without a result: stages:2 for 4 epochs at 32 px (no time)."
        " Not trained for all 10 epochs: stages:1 (no time), layerwise (no memory)."
    )
    assert _left_out(ways[:2]) == ""


@pytest.mark.parametrize(
    ("metric", "expected"), [("balanced_accuracy", "3.4 points"), ("macro_f1", "0.0342"), ("mae", "0.0342")]
)
def test_differences_of_percentages_alone_are_points(metric: str, expected: str) -> None:
    assert _amount(metric, 0.0342) == expected
