"""What the reasons say of what could not be told, or not be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unfreeze.advice.reasons import _amount, _left_out
from unfreeze.advice_records import AdviceRecord, WayRecord, cheapness

CAN_TELL = "better than at least one other that was tried, beyond 95%"


def way(name: str, *, epochs: int = 10, status: Any = "done", work: float = 1.0, why: str | None = None) -> WayRecord:
    return WayRecord(
        name=name, strategy=name, model="test_resnet", size=32, epochs=epochs, frozen=False, status=status, why=why,
        work=work,
    )  # fmt: skip


def test_only_what_no_way_has_less_work_than_is_called_the_cheapest() -> None:
    head, stage = way("head"), way("stages:1", work=9.0)
    assert cheapness(head, [head, stage]) == "the cheapest"
    assert cheapness(stage, [head, stage]) == "the cheapest within one standard error of the best"
    untried = way("head", status="not tried")
    assert cheapness(stage, [untried, stage]) == "the cheapest"


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
