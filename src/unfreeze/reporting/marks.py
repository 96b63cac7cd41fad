"""Charts of a few values with their intervals, each with a name: against a cost, or below each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unfreeze.reporting.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Chart, decades, grid_y, with_room
from unfreeze.reporting.svg import CHARACTER, Scale, circle, drawing, line, rect, shape, shortened, text, ticks

if TYPE_CHECKING:
    from markupsafe import Markup

    from unfreeze.reporting.svg import Shape

__all__ = ["Look", "Mark", "forest_chart", "glyph", "scatter_chart"]

HEIGHT = 280.0
RADIUS = 5.0
NAME = 1.2 * CHARACTER  # px of a character in a name, where narrow screens enlarge texts
NAME_HEIGHT = 14.0
NAME_WIDTH = 170.0  # px of the longest name
APART = 11.0  # px between marks of the same cost
ROW = 40.0  # px of a row of a forest: its name, and its interval below

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Look:
    """How marks of one kind look, and what the kind is called in a legend."""

    name: str
    shape: Shape
    colour: Literal[1, 2, 3]  # of the page's style


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its 95% limits, where there are any.

    Attributes:
        name: what it is the value of.
        look: its kind.
        value: in the units of its axis.
        low: its lower limit; None where there is none.
        high: its upper limit.
        at: where it lies on the other axis; above 0.
        note: all that is said of it, for a pointer and for those who cannot see it.
        number: its rank, which stands for its name where there is no room for that.
        is_chosen: whether it is ringed.
    """

    name: str
    look: Look
    value: float
    low: float | None
    high: float | None
    at: float = 1.0
    note: str = ""
    number: str = ""
    is_chosen: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The limits, or the value itself."""
        return (self.value, self.value) if self.low is None or self.high is None else (self.low, self.high)


def glyph(look: Look) -> Markup:
    """Return the mark of a kind, to stand in a text."""
    mark = shape(7, 7, 4.4, kind=look.shape, classes=f"f{look.colour}")
    return drawing([mark], width=14, height=14, label=look.name, classes="glyph")


def scatter_chart(
    marks: Sequence[Mark],
    *,
    title: str,
    x_name: str,
    y_name: str,
    x_form: Callable[[float], str],
    y_form: Callable[[float], str],
    chosen: str = "chosen",
    numbers: str = "ranks",
) -> Chart:
    """Return values against what they cost, on a logarithmic axis; names stand where there is room for them.

    Args:
        marks: at least one.
        title: the chart's.
        x_name: of the cost.
        y_name: of the value.
        x_form: how a cost is written.
        y_form: how a value is written.
        chosen: what the ring is called in the legend.
        numbers: what the numbers are that stand for names.
    """
    costs = [mark.at for mark in marks]
    ends = with_room(min(mark.ends[0] for mark in marks), max(mark.ends[1] for mark in marks))
    x = Scale(min(costs) / 1.6, max(costs) * 1.6, LEFT, WIDTH - RIGHT, log=True)
    y = Scale(*ends, HEIGHT - BOTTOM, TOP)
    parts = grid_y(y, ticks(*ends), y_form, right=WIDTH - RIGHT)
    for tick in decades(x.low, x.high) or [costs[0]]:
        parts.append(line(x(tick), HEIGHT - BOTTOM, x(tick), HEIGHT - BOTTOM + 4, classes="axis"))
        parts.append(text(x(tick), HEIGHT - BOTTOM + 15, x_form(tick), classes="tick", anchor="middle"))
    parts.append(line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, classes="axis"))
    places = _parted([x(cost) for cost in costs])
    parts += [
        line(at, y(mark.ends[0]), at, y(mark.ends[1]), classes=f"s{mark.look.colour} whisker")
        for mark, at in zip(marks, places, strict=True)
    ]
    for mark, at in zip(marks, places, strict=True):
        if mark.is_chosen:
            parts.append(circle(at, y(mark.value), RADIUS + 4, classes="kept"))
        classes = f"f{mark.look.colour} edged"
        parts.append(shape(at, y(mark.value), RADIUS, kind=mark.look.shape, classes=classes, note=mark.note))
    names = _names(marks, places, y)
    parts += [text(left, base, name, classes="name", anchor=anchor) for left, base, anchor, name in names]
    parts += [
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, x_name, classes="label", anchor="middle"),
        text(LEFT, 12, y_name, classes="label"),
    ]
    said = "; ".join(mark.note or mark.name for mark in marks)
    chart = drawing(parts, width=WIDTH, height=HEIGHT, label=f"{title}: {said}")
    shown = {name for *_, name in names}
    is_numbered = any(mark.number in shown for mark in marks if mark.number)
    return Chart(title, chart, _keys(marks, chosen), note=f"Numbers are {numbers}." if is_numbered else "")


def forest_chart(
    marks: Sequence[Mark],
    *,
    title: str,
    zero_name: str,
    form: Callable[[float], str],
    tick_form: Callable[[float], str],
    higher_is_better: bool,
    chosen: str = "chosen",
) -> Chart:
    """Return differences with their intervals below each other; where one holds 0, nothing can be told.

    Args:
        marks: at least one; values are differences.
        title: the chart's.
        zero_name: what they are differences to.
        form: how a difference is written.
        tick_form: how one is written on the axis.
        higher_is_better: whether a difference above 0 is a gain.
        chosen: what the ring is called in the legend.
    """
    left, right, height = 8.0, WIDTH - 8.0, TOP + ROW * len(marks) + BOTTOM
    ends = with_room(min(0.0, *(m.ends[0] for m in marks)), max(0.0, *(m.ends[1] for m in marks)))
    x, bottom = Scale(*ends, left, right), height - BOTTOM
    parts = [line(x(0), TOP - 6, x(0), bottom, classes="ideal")]
    parts.append(text(x(0), TOP - 10, shortened(zero_name, width=240), classes="label", anchor=_anchor(x(0))))
    for tick in ticks(*ends, n=4):
        parts.append(line(x(tick), bottom, x(tick), bottom + 4, classes="axis"))
        parts.append(text(x(tick), bottom + 15, tick_form(tick), classes="tick", anchor=_anchor(x(tick))))
    parts.append(line(left, bottom, right, bottom, classes="axis"))
    for k, mark in enumerate(marks):
        top = TOP + k * ROW
        middle = top + ROW - 12
        parts.append(rect(left, top + 4, right - left, 16, classes="clear"))  # so that the zero line crosses no text
        parts.append(text(left, top + 16, shortened(mark.name, width=right - left - 100), classes="name"))
        parts.append(text(right, top + 16, form(mark.value), classes="tick", anchor="end"))
        parts.append(line(x(mark.ends[0]), middle, x(mark.ends[1]), middle, classes=f"s{mark.look.colour} whisker"))
        if mark.is_chosen:
            parts.append(circle(x(mark.value), middle, RADIUS + 4, classes="kept"))
        classes = f"f{mark.look.colour} edged"
        parts.append(shape(x(mark.value), middle, RADIUS, kind=mark.look.shape, classes=classes, note=mark.note))
    worse, better = ("← worse", "better →") if higher_is_better else ("worse →", "← better")
    ends_said = (worse, better) if higher_is_better else (better, worse)
    parts.append(text(left, height - 3, ends_said[0], classes="label"))
    parts.append(text(right, height - 3, ends_said[1], classes="label", anchor="end"))
    said = "; ".join(mark.note or f"{mark.name} {form(mark.value)}" for mark in marks)
    chart = drawing(parts, width=WIDTH, height=height, label=f"{title}: {said}")
    return Chart(title, chart, _keys(marks, chosen))


def _keys(marks: Sequence[Mark], chosen: str) -> tuple[tuple[str, str], ...]:
    looks = {mark.look.name: f"{mark.look.shape} f{mark.look.colour}" for mark in marks}
    rings = [("kept", chosen)] if any(mark.is_chosen for mark in marks) else []
    return (*((classes, name) for name, classes in looks.items()), *rings)


def _anchor(at: float) -> str:
    return "start" if at < WIDTH / 8 else "end" if at > WIDTH * 7 / 8 else "middle"


def _parted(places: Sequence[float]) -> list[float]:
    """Move marks of nearly the same cost to the right of each other, by no more than that takes."""
    found, last = list(places), float("-inf")
    for index in sorted(range(len(places)), key=lambda i: places[i]):
        found[index] = last = max(places[index], last + APART)
    beyond = max(0.0, last - (WIDTH - RIGHT - RADIUS))
    return [at - beyond for at in found]


def _names(marks: Sequence[Mark], places: Sequence[float], y: Scale) -> list[tuple[float, float, str, str]]:
    """Return each mark's name, or its number where a name would cover something: x, baseline, anchor and text."""
    taken: list[Box] = []
    for mark, at in zip(marks, places, strict=True):
        taken.append((at - 2, y(mark.ends[1]), at + 2, y(mark.ends[0])))
        taken.append((at - 9, y(mark.value) - 9, at + 9, y(mark.value) + 9))
    names = []
    for mark, at in sorted(zip(marks, places, strict=True), key=lambda each: not each[0].is_chosen):
        spots = [
            (name, spot)
            for name in (shortened(mark.name, width=NAME_WIDTH), mark.number)
            for spot in _spots(name, at, y(mark.value), y(mark.ends[1]), y(mark.ends[0]))
        ]
        free = (each for each in spots if not any(_cross(each[1][3], box) for box in taken))
        name, (left, base, anchor, box) = next(free, spots[-1])
        taken.append(box)
        names.append((left, base, anchor, name))
    return names


def _spots(name: str, at: float, middle: float, top: float, bottom: float) -> list[tuple[float, float, str, Box]]:
    """Return where a name could stand, best first: x, baseline, anchor, and the box that it fills."""
    width = NAME * len(name)
    spots: list[tuple[float, float, str, Box]] = []
    for base in (middle + 4, middle - 10, middle + 18, middle - 24, middle + 32):
        spots.append((at + 12, base, "start", (at + 12, base - 11, at + 12 + width, base + 3)))
        spots.append((at - 12, base, "end", (at - 12 - width, base - 11, at - 12, base + 3)))
    spots += [
        (at, base, "middle", (at - width / 2, base - 11, at + width / 2, base + 3))
        for base in (top - 5, bottom + NAME_HEIGHT)
    ]
    inside = [spot for spot in spots if spot[3][0] >= LEFT and spot[3][2] <= WIDTH and spot[3][3] <= HEIGHT - BOTTOM]
    return inside or spots


def _cross(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
