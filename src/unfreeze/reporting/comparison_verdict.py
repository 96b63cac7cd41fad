"""What a comparison tells, in plain words: which row to take and why, or that the data cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfreeze.comparison_records import CompareRecord, RowRecord, ranked_rows, recommended_row, resume_command
from unfreeze.metrics import few_test_pictures
from unfreeze.reporting.wording import count, difference_size, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["doubts", "explains", "judging_pictures", "reading", "state_of", "tested_networks"]

MOST_NAMES = 5  # in a sentence
FEWEST_ROWS = 2  # to compare


def reading(record: CompareRecord) -> tuple[str, ...]:
    """Say what to take and why, what is worse, and what is missing, the most important first."""
    return (*_choice(record), *_missing(record))


def doubts(record: CompareRecord) -> tuple[str, ...]:
    """Say what the choice does not know."""
    return tuple(_doubts(record))


def judging_pictures(record: CompareRecord) -> str:
    """Return how many pictures decided, and on which side they lay."""
    n = count(record.n_judging)
    return f"{n} validation pictures" if record.options.folds is None else f"{n} pictures out of fold"


def explains(record: CompareRecord) -> str:
    """Return what intervals cover, as the end of "by more than"; of one seed, other pictures only."""
    return "other pictures would explain" if record.options.seeds == 1 else "chance explains"


def tested_networks(record: CompareRecord) -> str:
    """Say whose the figure on test is, where it is not that of one network; empty where it is."""
    n_seeds, n_folds = record.options.seeds, record.options.folds
    if n_folds is None:
        return f"mean of {n_seeds} seeds" if n_seeds > 1 else ""
    each = "one per fold" if n_seeds == 1 else "one per fold and seed"
    return f"mean of its {n_seeds * n_folds} networks, {each}"


def state_of(record: CompareRecord, directory: Path) -> str:
    """Say why a comparison is not finished and how to go on; empty where it is."""
    if record.status == "done":
        return ""
    why = {
        "running": "This comparison was not finished when this page was written.",
        "interrupted": "This comparison was interrupted.",
        "stopped": "The budget ended before all was trained.",
    }[record.status]
    return f"{why} Go on with: {resume_command(directory)}"


def _choice(record: CompareRecord) -> Iterator[str]:
    ranked = [row for row in ranked_rows(record) if row.verdict is not None]
    chosen = recommended_row(record)
    if chosen is None or not ranked:
        if any(row.status == "done" for row in record.rows):
            yield "No row could be ranked."
        else:
            yield "No row has come to its end, so nothing can be said yet."
        return
    if len(record.rows) < FEWEST_ROWS:
        yield f"{chosen.name} is the only row; there is nothing to compare it with."
        return
    if len(ranked) < FEWEST_ROWS:
        yield f"Only {chosen.name} is finished; there is nothing to compare it with."
        return
    tied = [row.name for row in ranked if row.verdict == "tied"]
    worse = [row.name for row in ranked if row.verdict == "worse"]
    if not tied:
        yield f"Take {chosen.name}: it is best, and {_some(worse)} {_are(worse)} worse by more than {explains(record)}."
        return
    yield from _among_untold(record, ranked[0], tied, chosen, is_all=not worse)
    if worse:
        yield f"{_some(worse)} {_are(worse)} worse."


def _among_untold(
    record: CompareRecord, best: RowRecord, tied: Sequence[str], chosen: RowRecord, *, is_all: bool
) -> Iterator[str]:
    """Say what to take where the best cannot be told from others."""
    pictures = judging_pictures(record)
    if is_all:
        yield f"Too little data to tell: {pictures} do not tell {_some([best.name, *tied])} apart."
        measured = f"{best.name} measured best"
    else:
        measured = f"{best.name} measured best, but {_some(tied)} cannot be told from it on {pictures}"
    least = min(row.work for row in record.rows if row.verdict in {"best", "tied"})
    if chosen.name == best.name:
        cost = "is also the cheapest" if chosen.work == least else "costs hardly more than the cheapest"
        yield f"{measured}, and {cost}: take it." if is_all else f"{measured}. Of these, {chosen.name} {cost}: take it."
        return
    cost = "is the cheapest" if chosen.work == least else "costs hardly more than the cheapest, and measured better"
    but = ", but" if is_all else ". Of these,"
    yield f"{measured}{but} {chosen.name} {cost}: take it."
    yield from _room(record, best, chosen)


def _room(record: CompareRecord, best: RowRecord, chosen: RowRecord) -> Iterator[str]:
    """Say how much better than the chosen row the best one could be."""
    limit = chosen.difference.low if record.higher_is_better else chosen.difference.high
    if limit is None:
        return
    more = "more pictures" if record.options.folds is not None else "more pictures, or --folds,"
    yield (
        f"{best.name} could be better than it by up to {difference_size(record.metric, limit)}; where that matters, "
        f"{more} would say more."
    )


def _missing(record: CompareRecord) -> Iterator[str]:
    unfinished = [row.name for row in record.rows if row.status in {"interrupted", "not begun"}]
    failed = [f"{row.name} ({(row.error or 'no reason is known').rstrip('.')})" for row in record.rows
              if row.status == "failed"]  # fmt: skip
    if unfinished:
        yield f"Not finished: {listed(unfinished)}."
    if failed:
        yield f"Failed: {listed(failed)}."


def _doubts(record: CompareRecord) -> Iterator[str]:
    if sum(row.verdict is not None for row in record.rows) >= FEWEST_ROWS and record.options.seeds == 1:
        yield (
            "Each row was trained with one seed: another random start might order them differently, and the intervals, "
            "which are about these very networks, do not cover it."
        )
    if recommended_row(record) is None:
        return
    if record.options.folds is not None:
        yield (
            f"The figure on test is the {tested_networks(record)}; best/ was trained again on all of train, and its "
            "own figure may differ."
        )
    if few := few_test_pictures(record.n_test, n_groups=record.n_test_groups):
        yield few


def _some(names: Sequence[str]) -> str:
    """Return names as a sentence has them; of many the first, and how many more there are."""
    if len(names) <= MOST_NAMES:
        return listed(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} others"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
