"""What an advice tells, in plain words: how sure it is of what it recommends, and what it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfreeze.advice_records import AdviceRecord, recommended_way, standing_of
from unfreeze.reporting.wording import count, duration

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["doubts", "judging_pictures", "opening", "state_of"]


def opening(record: AdviceRecord) -> str:
    """Return how a sentence begins that goes on with the recommended way."""
    if record.evidence.learned is False:
        return "Nothing learns these labels; if you must, take"
    if record.can_tell or record.expected.value is None:
        return "Take"
    if record.evidence.learned is None:
        return "Too few pictures to tell; if you must, take"
    return f"Cannot tell; take {standing_of(recommended_way(record), record.evidence.ways)},"


def judging_pictures(record: AdviceRecord) -> str:
    """Return how many pictures the expected figure is of, and on which side they lay."""
    n = count(record.expected.n_images)
    return f"{n} pictures out of fold" if record.expected.judged_on == "out of fold" else f"{n} validation pictures"


def state_of(record: AdviceRecord) -> str:
    """Say why an advice is not complete; empty where it is."""
    return {
        "done": "",
        "interrupted": "This advice was interrupted: it rests on what was measured by then.",
        "stopped": "Not all was tried: the budget of "
        f"{duration(record.budget_seconds)} did not suffice, or a part failed.",
    }[record.status]


def doubts(record: AdviceRecord) -> tuple[str, ...]:
    """Say what the recommendation does not know."""
    return tuple(_doubts(record))


def _doubts(record: AdviceRecord) -> Iterator[str]:
    if record.expected.value is None:
        return
    yield "The expected figure is a little optimistic: the same pictures chose the way. No test picture was used."
    way = recommended_way(record)
    if way is not None and not way.frozen and way.epochs < record.config.epochs:
        yield (
            f"It was tried for {way.epochs} of {record.config.epochs} epochs, and its plan has as many: "
            "more may be better, and was not measured."
        )
