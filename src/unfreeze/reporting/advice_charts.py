"""The charts of an advice: how well each depth of a frozen network serves the task, and what was tried against cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unfreeze.advice_records import recommended_way
from unfreeze.reporting.axes import RIGHT, TOP, WIDTH, Chart, grid_y, with_room
from unfreeze.reporting.marks import Look, Mark, scatter_chart
from unfreeze.reporting.svg import Scale, circle, drawing, line, path, shortened, text, ticks
from unfreeze.reporting.wording import METRIC_NAMES, amount, duration, figure, interval, mark_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unfreeze.advice_records import AdviceRecord, DepthRecord, ProbeRecord, WayRecord

__all__ = ["HEAD_LOOK", "TRAINING_LOOK", "cost_chart", "depth_charts"]

HEIGHT, BOTTOM, LEFT = 300.0, 74.0, 54.0  # names of depths stand aslant below
APART = 9.0  # px between the marks of two sizes at one depth
NAME_WIDTH = 72.0  # px
COLOURS: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
TAKE = "take this"
HEAD_LOOK = Look("a head on frozen features", "circle", 1)
TRAINING_LOOK = Look("a training", "diamond", 2)


@dataclass(frozen=True, slots=True)
class _Axes:
    """What the curves of one network have in common."""

    depths: tuple[str, ...]
    x: Scale
    y: Scale

    def at(self, depth: DepthRecord, value: float, *, shift: float) -> tuple[float, float]:
        """Return where a value at a depth lies."""
        return self.x(self.depths.index(depth.depth)) + shift, self.y(value)


def depth_charts(record: AdviceRecord) -> tuple[Chart, ...]:
    """Return one chart for each network: heads on every depth, at each size; all have the metric's axis in common."""
    probes = record.evidence.probes
    values = [value for probe in probes for depth in probe.depths for value in _values(depth)]
    if not values:
        return ()
    ends = with_room(min(values), max(values))
    models = dict.fromkeys(probe.model for probe in probes)
    return tuple(_depth_chart(record, model, [p for p in probes if p.model == model], ends) for model in models)


def cost_chart(record: AdviceRecord) -> Chart | None:
    """Return all that was tried, by its figure on the validation pictures and its multiply-adds; None without any."""
    ways = [way for way in record.evidence.ways if way.status == "done" and way.val is not None and way.work > 0]
    taken = recommended_way(record)
    marks = [mark for way in ways if (mark := _mark(record, way, is_chosen=way == taken)) is not None]
    if not marks:
        return None
    name = METRIC_NAMES.get(record.metric, record.metric)
    return scatter_chart(
        marks,
        title=f"{name[:1].upper()}{name[1:]} against cost",
        x_name="multiply-adds of one training from scratch",
        y_name=_axis_name(record),
        x_form=amount,
        y_form=lambda v: mark_text(record.metric, v),
        chosen=TAKE,
        numbers="those of the table",
    )


def _depth_chart(record: AdviceRecord, model: str, probes: Sequence[ProbeRecord], ends: tuple[float, float]) -> Chart:
    depths = tuple(dict.fromkeys(depth.depth for probe in probes for depth in probe.depths))
    axes = _Axes(
        depths=depths,
        x=Scale(-0.5, len(depths) - 0.5, LEFT, WIDTH - RIGHT),
        y=Scale(*ends, HEIGHT - BOTTOM, TOP),
    )
    parts = grid_y(axes.y, ticks(*ends), lambda v: mark_text(record.metric, v), right=WIDTH - RIGHT)
    parts.append(text(LEFT, 12, _axis_name(record), classes="label"))
    for number, depth in enumerate(depths):
        x, y = axes.x(number) + 4, HEIGHT - BOTTOM + 14
        aslant = f' transform="rotate(-40 {x:g} {y:g})"'
        name = shortened(depth, width=NAME_WIDTH, end="start")
        parts.append(text(x, y, name, classes="tick", anchor="end", more=aslant))
    for number, probe in enumerate(probes):
        shift = APART * (number - (len(probes) - 1) / 2)
        parts += _curve(record.metric, probe, axes, shift=shift, colour=COLOURS[number % len(COLOURS)])
    keys = [(f"s{COLOURS[n % len(COLOURS)]}", f"linear head, {probe.size} px") for n, probe in enumerate(probes)]
    label = "; ".join(_said(record.metric, probe) for probe in probes)
    chart = drawing(parts, width=WIDTH, height=HEIGHT, label=f"{model} by depth: {label}")
    note = "Thin: ten nearest neighbours. Ringed: the best single depth."
    return Chart(model, chart, tuple(keys), note=note)


def _curve(metric: str, probe: ProbeRecord, axes: _Axes, *, shift: float, colour: int) -> Iterator[str]:
    """Yield one size's curves: single depths joined by a line, all depths at once beside them."""
    single, joined = probe.depths[:-1], probe.depths[-1:]
    places = [None if depth.knn is None else axes.at(depth, depth.knn, shift=shift) for depth in single]
    yield path(places, classes=f"s{colour} thin")
    linear = [
        None if depth.linear.value is None else axes.at(depth, depth.linear.value, shift=shift) for depth in single
    ]
    yield path(linear, classes=f"s{colour}")
    for depth in (*single, *joined):
        low, high, value = depth.linear.low, depth.linear.high, depth.linear.value
        if low is not None and high is not None:
            (x, bottom), (_, top) = axes.at(depth, low, shift=shift), axes.at(depth, high, shift=shift)
            yield line(x, bottom, x, top, classes=f"s{colour} whisker")
        if value is None:
            continue
        x, y = axes.at(depth, value, shift=shift)
        if depth.depth == probe.best_depth:
            yield circle(x, y, 7, classes="kept")
        limits = interval(metric, depth.linear)
        note = f"{depth.depth}, {probe.size} px: {figure(metric, value)}{f' ({limits})' if limits else ''}"
        yield circle(x, y, 3.2, classes=f"f{colour}", note=note)


def _mark(record: AdviceRecord, way: WayRecord, *, is_chosen: bool) -> Mark | None:
    assert way.val is not None
    metric = record.metric
    if way.val.value is None:
        return None
    limits = interval(metric, way.val)
    epochs = "" if way.frozen else f", {way.epochs} epochs"
    note = (
        f"{way.name}, {way.model} at {way.size} px{epochs}: {figure(metric, way.val.value)}"
        f"{f' ({limits})' if limits else ''}, {amount(way.work)} multiply-adds, {duration(way.seconds)}"
        f"{f', {TAKE}' if is_chosen else ''}"
    )
    return Mark(
        name=way.name if (way.model, way.size) == (record.model, record.size) else f"{way.name}, {way.size} px",
        look=HEAD_LOOK if way.frozen else TRAINING_LOOK,
        value=way.val.value,
        low=way.val.low,
        high=way.val.high,
        at=way.work,
        note=note,
        number=str(record.evidence.ways.index(way) + 1),
        is_chosen=is_chosen,
    )


def _axis_name(record: AdviceRecord) -> str:
    return f"{METRIC_NAMES.get(record.metric, record.metric)}{'' if record.higher_is_better else ' (lower is better)'}"


def _said(metric: str, probe: ProbeRecord) -> str:
    listed = ", ".join(f"{depth.depth} {figure(metric, depth.linear.value)}" for depth in probe.depths)
    return f"at {probe.size} px {listed}"


def _values(depth: DepthRecord) -> Iterator[float]:
    """Yield all values that a depth brings onto the axis."""
    found = (depth.linear.value, depth.linear.low, depth.linear.high, depth.knn)
    yield from (value for value in found if value is not None)
