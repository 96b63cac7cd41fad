"""What the reasons say of what could not be told, or not be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unfreeze.advice.reasons import _amount, _left_out
from unfreeze.advice_records import AdviceRecord, WayRecord, standing_of

CAN_TELL = "better than at least one other that was tried, beyond 95%"


def way(
    name: str, *, epochs: int = 10, status: Any = "done", frozen: bool = False, model: str = "test_resnet",
    why: str | None = None,
) -> WayRecord:  # fmt: skip
    return WayRecord(
        name=name, strategy=name, model=model, size=32, epochs=epochs, frozen=frozen, status=status, why=why
    )  # fmt: skip


def test_a_recommended_way_is_called_what_it_was_chosen_as() -> None:
    head, stage = way("head", frozen=True), way("stages:1")
    assert standing_of(head, [head, stage]) == "the best head on vectors"
    assert standing_of(stage, [head, stage]) == "the cheapest training within one standard error of the best"
    of_another = way("head", frozen=True, model="other")
    assert standing_of(head, [head, of_another]).startswith("the best head of the cheapest network")
    untried = way("head", frozen=True, model="other", status="not tried")
    assert standing_of(head, [head, untried]) == "the best head on vectors"


def test_can_tell_has_one_meaning() -> None:
    reference = Path(__file__).resolve().parents[3] / "docs" / "reference" / "advice.md"
    assert CAN_TELL in (AdviceRecord.__doc__ or "")
    assert reference.read_text(encoding="utf-8").count(CAN_TELL) == 2


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
