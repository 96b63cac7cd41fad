"""The figure at the head of a report, drawn with its interval: of a run, and of what a comparison recommends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unfreeze.reporting.charts import interval_chart
from unfreeze.reporting.wording import mark_text

if TYPE_CHECKING:
    from markupsafe import Markup

    from unfreeze.records import Interval, TaskName

__all__ = ["headline_chart"]


def headline_chart(
    value: Interval, *, metric: str, task: TaskName, chance: float | None = None, chance_name: str = ""
) -> Markup | None:
    """Draw a metric with its interval on its natural scale; None where it has no limits, or no natural ends.

    Args:
        value: the metric on test.
        metric: its name.
        task: what was learned.
        chance: what one reaches who does not look at the pictures; None where that is not known.
        chance_name: how one reaches it.
    """
    if value.value is None or value.low is None or value.high is None:
        return None
    top = 1.0 if task != "regression" else 1.1 * max(value.high, chance or 0.0)
    if not math.isfinite(top) or min(value.low, value.value) < 0 or max(value.high, value.value) > top:
        return None  # R² and log loss have no natural ends
    return interval_chart(
        value.value, value.low, value.high, ends=(0.0, top), chance=chance, chance_name=chance_name,
        form=lambda v: mark_text(metric, v),
    )  # fmt: skip
