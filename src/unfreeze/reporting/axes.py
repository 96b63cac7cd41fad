"""What all charts have in common: a drawing with its title and keys, margins, grids and marks on axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unfreeze.reporting.svg import line, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from unfreeze.reporting.svg import Scale

__all__ = ["BOTTOM", "LEFT", "RIGHT", "TOP", "WIDTH", "Chart", "decades", "grid_y", "with_room"]

WIDTH = 400.0  # of a chart's own coordinates; on a page it is as wide as its column
LEFT, RIGHT, TOP, BOTTOM = 54.0, 10.0, 22.0, 34.0  # margins; epochs of all charts lie below each other
ROOM = 0.08  # of an axis beyond the outermost values, on each side
MANY_DECADES = 2


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its title, and the names of its lines by their class."""

    title: str
    drawing: Markup
    keys: tuple[tuple[str, str], ...] = ()
    note: str = ""


def with_room(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis that holds these values, and not at its very ends."""
    room = (high - low or abs(high) or 1.0) * ROOM
    return low - room, high + room


def grid_y(
    y: Scale, marks: Sequence[float], form: Callable[[float], str], *, right: float, left: float = LEFT
) -> list[str]:
    """Return horizontal lines with their values at the left."""
    parts = []
    for mark in marks:
        parts.append(line(left, y(mark), right, y(mark), classes="grid"))
        parts.append(text(left - 5, y(mark) + 4, form(mark), classes="tick", anchor="end"))
    return parts


def decades(low: float, high: float) -> list[float]:
    """Return the marks of a logarithmic axis: powers of ten, and three times them where there are few.

    >>> decades(0.5, 40)
    [1.0, 3.0, 10.0, 30.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > MANY_DECADES else (1, 3)
    return [m for e in range(first, last + 1) for f in factors if low <= (m := f * 10.0**e) <= high]
