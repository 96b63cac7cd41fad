"""The curve of a range test: the loss at rising rates, and the rate that was taken."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unfreeze.reporting.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Chart
from unfreeze.reporting.charts import HEIGHT
from unfreeze.reporting.svg import Scale, circle, drawing, line, path, text, ticks
from unfreeze.reporting.wording import rate

if TYPE_CHECKING:
    from unfreeze.records import RangeTest

__all__ = ["range_chart"]

ABOVE = 1.5  # times the loss it began with: what lies above is the divergence, and would flatten the rest
OUTCOMES = {"found": "taken", "flat": "taken: the default, as none was found", "diverged": "taken: the default"}


def range_chart(test: RangeTest) -> Chart:
    """Return the loss of each step of a range test, and their smoothed curve, by the head's rate."""
    low, high = min(test.smoothed), min(max(test.losses), ABOVE * test.losses[0])
    high = max(high, low + 0.1 * (abs(low) or 1.0))
    room = (high - low) * 0.08
    x = Scale(min(test.rates[0], test.lr), max(test.rates[-1], test.lr), LEFT, WIDTH - RIGHT, log=True)
    y = Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)
    parts = []
    for mark in ticks(y.low, y.high, n=4):
        parts.append(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), classes="grid"))
        parts.append(text(LEFT - 5, y(mark) + 4, f"{mark:.3g}", classes="tick", anchor="end"))
    for power in range(math.ceil(math.log10(x.low) - 1e-9), math.floor(math.log10(x.high) + 1e-9) + 1):
        at = x(10.0**power)
        anchor = "end" if at > WIDTH - RIGHT - 12 else "middle"
        parts.append(text(at, HEIGHT - BOTTOM + 14, rate(10.0**power), classes="tick", anchor=anchor))
    inside = [(each, value) for each, value in zip(test.rates, test.losses, strict=True) if value <= y.high]
    parts += [circle(x(each), y(value), 2.0, classes="s2 dot") for each, value in inside]
    curve = [
        (x(each), y(value)) if value <= y.high else None for each, value in zip(test.rates, test.smoothed, strict=True)
    ]
    parts.append(path(curve, classes="s1"))
    parts.append(line(x(test.lr), TOP, x(test.lr), HEIGHT - BOTTOM, classes="chance"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "head's rate", classes="label", anchor="middle"))
    told = f"{rate(test.lr)} {OUTCOMES[test.outcome]}"
    keys = (("s1", "smoothed loss"), ("dot s2", "loss of each step"), ("chance", told))
    label = f"Range test: loss from {test.smoothed[0]:.3g} down to {low:.3g}; {told}"
    return Chart("Range test", drawing(parts, width=WIDTH, height=HEIGHT, label=label), keys)
