"""The charts of a comparison: figures against cost, differences to the best, and how each row learned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unfreeze.comparison_records import RowRecord, ranked_rows
from unfreeze.reporting.axes import with_room
from unfreeze.reporting.comparison_tables import LOOKS, standing_of
from unfreeze.reporting.curves import Curve, curve_chart
from unfreeze.reporting.marks import Mark, forest_chart, scatter_chart
from unfreeze.reporting.wording import METRIC_NAMES, amount, difference, difference_mark, duration, figure, mark_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.reporting.axes import Chart
    from unfreeze.reporting.comparison_contents import CellContents, ComparisonContents

__all__ = ["cost_chart", "difference_chart", "learning_charts"]

TAKE = "take this"


def cost_chart(contents: ComparisonContents) -> Chart | None:
    """Return the metric of all ranked rows against the multiply-adds of a training; None without any.

    Where none are noted, seconds stand for them.
    """
    record, metric = contents.record, contents.record.metric
    rows = [row for row in ranked_rows(record) if row.verdict is not None and row.val.mean is not None]
    by_work = all(row.work > 0 for row in rows)
    if not rows or not (by_work or all(row.seconds > 0 for row in rows)):
        return None
    marks = [_cost_mark(row, number=str(k), by_work=by_work) for k, row in enumerate(rows, start=1)]
    name = METRIC_NAMES.get(metric, metric)
    better = "" if record.higher_is_better else " (lower is better)"
    return scatter_chart(
        marks,
        title=f"{name[:1].upper()}{name[1:]} against cost",
        x_name="multiply-adds of one training from scratch" if by_work else "time of its trainings",
        y_name=f"{name}{better}",
        x_form=amount if by_work else duration,
        y_form=lambda v: mark_text(metric, v),
        chosen=TAKE,
    )


def difference_chart(contents: ComparisonContents) -> Chart | None:
    """Return the differences of all other ranked rows to the best, with simultaneous limits; None without any."""
    record, metric = contents.record, contents.record.metric
    ranked = [row for row in ranked_rows(record) if row.verdict is not None]
    marks = [_difference_mark(row) for row in ranked if row.verdict != "best" and row.difference.mean is not None]
    if not marks:
        return None
    return forest_chart(
        marks,
        title=f"Difference to {ranked[0].name}",
        zero_name=ranked[0].name,
        form=lambda v: difference(metric, v),
        tick_form=lambda v: difference_mark(metric, v),
        higher_is_better=record.higher_is_better,
        chosen=TAKE,
    )


def learning_charts(contents: ComparisonContents) -> tuple[Chart, ...]:
    """Return how the metric went on validation, one chart for each row that has begun, all on the same axes."""
    metric = contents.record.metric
    rows = [
        (row, cells)
        for row in ranked_rows(contents.record)
        if (cells := [cell for cell in contents.cells_of(row.name) if cell.history])
    ]
    known = [v for _, cells in rows for cell in cells for v in _values(cell, metric) if v is not None]
    if not known:
        return ()
    last = max(len(cell.history) for _, cells in rows for cell in cells)
    return tuple(
        curve_chart(
            _curves(cells, metric),
            title=row.name,
            x_name="epoch",
            x_ends=(1, last),
            y_ends=with_room(min(known), max(known)),
            form=lambda v: mark_text(metric, v),
            note="" if row.status == "done" else f"{standing_of(row).capitalize()}.",
        )
        for row, cells in rows
    )


def _cost_mark(row: RowRecord, *, number: str, by_work: bool) -> Mark:
    assert row.verdict is not None
    assert row.val.mean is not None
    cost = row.work if by_work else row.seconds
    limits = ""
    if row.val.low is not None and row.val.high is not None:
        limits = f" ({figure(row.metric, row.val.low)} to {figure(row.metric, row.val.high)})"
    what = f"{amount(cost)} multiply-adds, {duration(row.seconds)}" if by_work else duration(cost)
    chosen = f", {TAKE}" if row.recommended else ""
    return Mark(
        name=row.name,
        look=LOOKS[row.verdict],
        value=row.val.mean,
        low=row.val.low,
        high=row.val.high,
        at=cost,
        note=f"{row.name}: {figure(row.metric, row.val.mean)}{limits}, {what}, {row.verdict}{chosen}",
        number=number,
        is_chosen=row.recommended,
    )


def _difference_mark(row: RowRecord) -> Mark:
    assert row.verdict is not None
    assert row.difference.mean is not None
    limits = ""
    if row.difference.low is not None and row.difference.high is not None:
        limits = f" ({difference(row.metric, row.difference.low)} to {difference(row.metric, row.difference.high)})"
    return Mark(
        name=row.name,
        look=LOOKS[row.verdict],
        value=row.difference.mean,
        low=row.difference.low,
        high=row.difference.high,
        note=f"{row.name}: {difference(row.metric, row.difference.mean)}{limits}, {row.verdict}",
        is_chosen=row.recommended,
    )


def _curves(cells: Sequence[CellContents], metric: str) -> list[Curve]:
    """Return the curves of a row's trainings, and on top their mean as far as all have come."""
    several = len(cells) > 1
    curves = []
    for cell in cells:
        fold = "" if cell.cell.fold is None else f", fold {cell.cell.fold + 1}"
        best = [i for i, row in enumerate(cell.history) if row.get("best")][-1:]
        kept = best if cell.cell.status == "done" and not several else ()
        points = tuple((float(i), v) for i, v in enumerate(_values(cell, metric), start=1))
        curves.append(Curve(f"seed {cell.cell.seed}{fold}", points, is_thin=several, kept=tuple(kept)))
    if several:
        together = zip(*(_values(cell, metric) for cell in cells), strict=False)  # as far as all have come
        means = [None if None in values else math.fsum(v for v in values if v is not None) / len(values)
                 for values in together]  # fmt: skip
        curves.append(Curve("mean", tuple((float(i), v) for i, v in enumerate(means, start=1))))
    return curves


def _values(cell: CellContents, metric: str) -> list[float | None]:
    found = (row.get("metrics", {}).get(metric) for row in cell.history)
    return [float(v) if isinstance(v, int | float) and math.isfinite(v) else None for v in found]
