"""Small charts of curves over a common axis, to be laid beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unfreeze.reporting.axes import Chart, grid_y
from unfreeze.reporting.svg import Scale, circle, drawing, path, text, ticks

__all__ = ["Curve", "curve_chart"]

WIDTH, HEIGHT = 260.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 10.0, 32.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve, or points of it.

    Attributes:
        name: what it is of.
        points: (x, y) each; None for a y that is not known, which interrupts it.
        is_thin: whether it is one of several that another sums up.
        kept: indices of points that are ringed.
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    is_thin: bool = False
    kept: tuple[int, ...] = ()


def curve_chart(
    curves: Sequence[Curve],
    *,
    title: str,
    x_name: str,
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
    form: Callable[[float], str],
    note: str = "",
) -> Chart:
    """Return curves on axes that several charts have in common, so that they can be compared by eye.

    Args:
        curves: those that sum up others last, so that they are on top.
        title: the chart's.
        x_name: of the axis below.
        x_ends: of that axis, whole numbers.
        y_ends: of the other.
        form: how a y is written.
        note: what is said below the chart.
    """
    first, last = x_ends
    x = Scale(first - 0.5, last + 0.5, LEFT, WIDTH - RIGHT)
    y = Scale(*y_ends, HEIGHT - BOTTOM, TOP)
    parts = grid_y(y, ticks(*y_ends, n=4), form, right=WIDTH - RIGHT, left=LEFT)
    for tick in sorted({first, *(t for t in ticks(first, last, n=4) if t % 1 == 0 and t > first + 1)}):
        parts.append(text(x(tick), HEIGHT - BOTTOM + 14, f"{tick:g}", classes="tick", anchor="middle"))
    for curve in curves:
        places = [None if value is None else (x(at), y(value)) for at, value in curve.points]
        parts.append(path(places, classes="s1 thin" if curve.is_thin else "s1"))
        if not curve.is_thin:
            parts += [circle(*place, 2.2, classes="s1 dot") for place in places if place is not None]
        parts += [circle(*place, 5, classes="kept") for i in curve.kept if (place := places[i]) is not None]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, x_name, classes="label", anchor="middle"))
    said = "; ".join(f"{curve.name} {_way(curve, form)}" for curve in curves)
    return Chart(title, drawing(parts, width=WIDTH, height=HEIGHT, label=f"{title}: {said}"), note=note)


def _way(curve: Curve, form: Callable[[float], str]) -> str:
    known = [value for _, value in curve.points if value is not None]
    return f"from {form(known[0])} to {form(known[-1])}" if known else "not known"
