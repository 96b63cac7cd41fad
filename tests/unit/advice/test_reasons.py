"""What the reasons say of what could not be told, or not be trained."""

from __future__ import annotations

from typing import Any

import pytest

from unfreeze.advice.reasons import _amount, _left_out, _listed
from unfreeze.advice_records import WayRecord, standing_of


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
    usual, another = way("head2toe", frozen=True), way("head2toe", frozen=True, model="other")
    standing = "what usually does best, within one standard error of the best head on frozen features"
    assert standing_of(usual, [head, usual]) == standing
    assert standing_of(usual, [another, head, usual]) == f"{standing} of test_resnet"
    assert standing_of(usual, [usual, head]) == "the best head on frozen features"


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
