"""What was tried and measured for an advice, as its tables show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unfreeze.advice_records import recommended_way
from unfreeze.reporting.comparison_tables import LOOKS
from unfreeze.reporting.marks import glyph
from unfreeze.reporting.wording import amount, count, difference_size, duration, figure, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from unfreeze.advice_records import AdviceRecord, ProbeRecord, Reason, WayRecord
    from unfreeze.records import Interval

__all__ = ["NetworkRow", "TriedRow", "evidence_of", "network_table", "tried_table"]


@dataclass(frozen=True, slots=True)
class TriedRow:
    """A way as text: figures with their limits, and its gain over the taken head on frozen features with its error."""

    number: str
    name: str
    network: str
    why: str
    epochs: str
    folds: str
    folds_limits: str
    val: str
    val_limits: str
    gain: str
    gain_error: str
    standing: str
    mark: Markup | None
    work: str
    time: str
    is_recommended: bool


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A frozen network at one size as text."""

    rank: str
    model: str
    size: str
    joined: str
    joined_limits: str
    features: str
    features_limits: str
    best_depth: str
    log_me: str
    h_score: str
    likeness: str
    time: str


def tried_table(record: AdviceRecord) -> tuple[TriedRow, ...]:
    """Return all ways: heads on frozen features, then trainings, each the best first; those without a result last."""
    taken = recommended_way(record)
    return tuple(
        _tried(record.metric, way, number=str(number), is_recommended=way == taken)
        for number, way in enumerate(record.evidence.ways, start=1)
    )


def network_table(record: AdviceRecord) -> tuple[NetworkRow, ...]:
    """Return the frozen networks at their sizes by a linear head on all depths, the best first."""
    sign = -1.0 if record.higher_is_better else 1.0

    def place(probe: ProbeRecord) -> tuple[bool, float]:
        value = probe.depths[-1].linear.value
        return value is None, sign * (value or 0.0)

    ranked = sorted(record.evidence.probes, key=place)
    return tuple(_network(record, probe, str(rank)) for rank, probe in enumerate(ranked, start=1))


def evidence_of(reason: Reason) -> list[tuple[str, str]]:
    """Return the numbers behind a reason, each with its name."""
    return [(name.replace("_", " "), _number(value)) for name, value in reason.evidence.items()]


def _tried(metric: str, way: WayRecord, *, number: str, is_recommended: bool) -> TriedRow:
    folds, val = _figures(metric, way.folds), _figures(metric, way.val)
    gain = error = ""
    if way.gain is not None:
        gain = f"{difference_size(metric, way.gain)} {'better' if way.gain >= 0 else 'worse'}"
        error = "" if way.gain_error is None else f"± {difference_size(metric, way.gain_error)}"
    return TriedRow(
        number=number,
        name=way.name,
        network=f"{way.model}, {way.size} px",
        why=way.why or "",
        epochs=str(way.epochs),
        folds=folds[0],
        folds_limits=folds[1],
        val=val[0],
        val_limits=val[1],
        gain=gain,
        gain_error=error,
        standing=way.verdict or ("not ranked" if way.status == "done" else way.status),
        mark=None if way.verdict is None else glyph(LOOKS[way.verdict]),
        work=amount(way.work) if way.work else "–",
        time=duration(way.seconds) if way.status == "done" else "–",
        is_recommended=is_recommended,
    )


def _network(record: AdviceRecord, probe: ProbeRecord, rank: str) -> NetworkRow:
    metric = record.metric
    features, joined = _of_depth(probe, "features"), probe.depths[-1].linear
    domain = next((each for each in record.evidence.domain if each.model == probe.model), None)
    likeness = "not known"
    if domain is not None and domain.shift is not None:
        likeness = f"{domain.shift:.2f}" if domain.words is None else f"{domain.words} ({domain.shift:.2f})"
    return NetworkRow(
        rank=rank,
        model=probe.model,
        size=str(probe.size),
        joined=figure(metric, joined.value),
        joined_limits=interval(metric, joined),
        features="–" if features is None else figure(metric, features.value),
        features_limits="" if features is None else interval(metric, features),
        best_depth=probe.best_depth,
        log_me="–" if probe.log_me is None else f"{probe.log_me:.3f}",
        h_score="–" if probe.h_score is None else f"{probe.h_score:.2f}",
        likeness=likeness,
        time=duration(probe.seconds),
    )


def _of_depth(probe: ProbeRecord, name: str) -> Interval | None:
    return next((depth.linear for depth in probe.depths if depth.depth == name), None)


def _figures(metric: str, value: Interval | None) -> Sequence[str]:
    """Return a figure and its limits."""
    return ("", "") if value is None else (figure(metric, value.value), interval(metric, value))


def _number(value: float | str | None) -> str:
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    return count(value) if isinstance(value, int) else f"{value:.4g}"
