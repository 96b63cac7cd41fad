"""The rows of a comparison as its tables and charts show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unfreeze.comparison_records import RowRecord, Spread, network_name, ranked_rows
from unfreeze.reporting.comparison_verdict import explains
from unfreeze.reporting.marks import Look, glyph
from unfreeze.reporting.wording import amount, count, difference, duration, figure

if TYPE_CHECKING:
    from markupsafe import Markup

    from unfreeze.comparison_records import CompareRecord
    from unfreeze.reporting.comparison_contents import ComparisonContents

__all__ = ["LOOKS", "RankedRow", "TrainingRow", "meanings", "ranked_table", "standing_of", "training_table"]

LOOKS = {"best": Look("best", "circle", 1), "tied": Look("tied", "diamond", 3), "worse": Look("worse", "triangle", 2)}
STANDINGS = {"failed": "failed", "interrupted": "not finished", "not begun": "not begun", "done": "not ranked"}


@dataclass(frozen=True, slots=True)
class RankedRow:
    """One row of the leaderboard as text.

    Attributes:
        rank: its place among those that have a figure; empty for the others.
        name: the row's.
        network: model and size.
        value: the metric.
        limits: its 95% limits.
        difference: to the best row.
        difference_limits: limits that hold for all rows at once.
        standing: the verdict, or why there is none.
        mark: how the verdict is drawn; None without one.
        error: why it failed.
        n_trained: parameters.
        work: multiply-adds of one training.
        time: what its trainings took.
        is_recommended: whether it is the one to take.
    """

    rank: str
    name: str
    network: str
    value: str
    limits: str
    difference: str
    difference_limits: str
    standing: str
    mark: Markup | None
    error: str
    n_trained: str
    work: str
    time: str
    is_recommended: bool


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One training as text, with the address of its report (empty without one)."""

    name: str
    seed: str
    fold: str
    status: str
    time: str
    run: str
    link: str


def meanings(record: CompareRecord) -> dict[str, str]:
    """Return what each verdict means."""
    return {
        "best": "measured best; of equal ones the cheapest",
        "tied": "cannot be told from the best: the interval of the difference holds 0. That is not “equal”",
        "worse": f"worse than the best by more than {explains(record)}",
    }


def standing_of(row: RowRecord) -> str:
    """Return a row's verdict, or why it has none."""
    return row.verdict or STANDINGS[row.status]


def ranked_table(contents: ComparisonContents) -> tuple[RankedRow, ...]:
    """Return the leaderboard, the best first, rows without a figure last."""
    rows = ranked_rows(contents.record)
    return tuple(_ranked(row, "" if row.verdict is None else str(rank)) for rank, row in enumerate(rows, start=1))


def training_table(contents: ComparisonContents) -> tuple[TrainingRow, ...]:
    """Return all trainings, in the order in which they are trained."""
    return tuple(
        TrainingRow(
            name=each.cell.row,
            seed=str(each.cell.seed),
            fold="" if each.cell.fold is None else str(each.cell.fold + 1),
            status="not finished" if each.cell.status == "interrupted" else each.cell.status,
            time=duration(each.cell.seconds) if each.cell.seconds else "",
            run=each.cell.run,
            link=each.link,
        )
        for each in contents.cells
    )


def _ranked(row: RowRecord, rank: str) -> RankedRow:
    metric, is_best = row.metric, row.verdict == "best"
    return RankedRow(
        rank=rank,
        name=row.name,
        network=f"{network_name(row.model)}, {row.size} px",
        value="–" if row.val.mean is None else figure(metric, row.val.mean),
        limits=_limits(metric, row.val),
        difference="" if is_best else difference(metric, row.difference.mean),
        difference_limits="" if is_best else _difference_limits(metric, row.difference),
        standing=standing_of(row),
        mark=None if row.verdict is None else glyph(LOOKS[row.verdict]),
        error=row.error or "",
        n_trained=count(row.n_trained),
        work=amount(row.work) if row.work else "–",
        time=duration(row.seconds) if row.seconds else "–",
        is_recommended=row.recommended,
    )


def _limits(metric: str, value: Spread) -> str:
    if value.low is None or value.high is None:
        return ""
    return f"{figure(metric, value.low)} to {figure(metric, value.high)}"


def _difference_limits(metric: str, value: Spread) -> str:
    if value.low is None or value.high is None:
        return ""
    low, high = difference(metric, value.low), difference(metric, value.high)
    return f"{low.removesuffix(' points')} to {high}"
