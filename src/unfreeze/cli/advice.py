"""What an advice says: the verdict, the curve by depth, the ways tried, the reasons, the next command."""

import textwrap
from typing import Any

from unfreeze.advice_records import AdviceRecord, ProbeRecord, WayRecord, recommended_way
from unfreeze.advising import Advice
from unfreeze.cli.answer import Column, TableOf
from unfreeze.cli.wording import interval_text, time_text
from unfreeze.records import Interval, to_builtins
from unfreeze.reporting.advice_verdict import opening

__all__ = ["advice_payload", "advice_text", "verdict_of"]

WIDTH = 100  # columns, of the reasons


def advice_payload(found: Advice) -> dict[str, Any]:
    """Return an advice for scripts: advice.json, and where it is."""
    return {
        "advice": str(found.path),
        **to_builtins(found.record),
        "report": str(found.path / "report.html"),
        "next": found.command,
    }


def advice_text(found: Advice) -> list[str | TableOf]:
    """Return an advice for people."""
    record = found.record
    lines: list[str | TableOf] = [verdict_of(record), ""]
    if record.evidence.probes:
        n = record.evidence.facts.n_judging
        lines += [f"{record.metric} of heads on the frozen network, by depth, on {n} pictures:", _depths(record)]
    if record.evidence.ways:
        lines += [f"Ways tried, {record.metric} with 95% intervals:", _ways(record)]
    lines.append("Why:")
    for reason in record.reasons:
        lines.append(textwrap.fill(reason.text, WIDTH, initial_indent="  - ", subsequent_indent="    "))
        if reason.reference is not None:
            lines.append(textwrap.fill(f"({reason.reference})", WIDTH, initial_indent="    ", subsequent_indent="    "))
    lines += [textwrap.fill(f"note: {note}", WIDTH, subsequent_indent="  ") for note in record.notes]
    return [
        *lines,
        "",
        f"Time:   {time_text(record.seconds)}, of a budget of {time_text(record.budget_seconds)}.",
        f"Advice: {found.path}",
        f"Report: {found.path / 'report.html'}",
        f"Next:   {_next_step(record)}",
    ]


def _next_step(record: AdviceRecord) -> str:
    if _was_measured(record):
        return record.command
    return f"ask again with a larger --budget; or train untold: {record.command}"


def _was_measured(record: AdviceRecord) -> bool:
    return any(way.status == "done" for way in record.evidence.ways)


def verdict_of(record: AdviceRecord) -> str:
    """Return the advice in a sentence or two."""
    way = f"{opening(record)} {record.way} with {record.model} at {record.size} px"
    expected = record.expected
    if expected.value is None:
        if _was_measured(record):
            return f"{way}: {record.metric} is not defined on the pictures that judge."
        budget = time_text(record.budget_seconds)
        return f"{way}, as train does untold: nothing was measured within the budget of {budget}."
    takes = "" if expected.seconds is None else f": it trains in about {time_text(expected.seconds)}"
    figure = interval_text(Interval(value=expected.value, low=expected.low, high=expected.high))
    where = "out of fold" if expected.judged_on == "out of fold" else "on validation"
    return (
        f"{way}{takes}.\nExpect {expected.metric} {figure}, {where} "
        f"({expected.n_images} pictures); a little optimistic, because these chose it."
    )


def _depths(record: AdviceRecord) -> TableOf:
    probes = record.evidence.probes
    several = len({probe.model for probe in probes}) > 1
    sizes = [f"{probe.model}, {probe.size} px" if several else f"{probe.size} px" for probe in probes]
    names = list(dict.fromkeys(depth.depth for probe in probes for depth in probe.depths))
    return TableOf(
        columns=[
            Column(title="depth", whole=True),
            *(Column(title=f"{what} {size}", right=True) for size in sizes for what in ("linear", "kNN")),
        ],
        rows=[[name, *(cell for probe in probes for cell in _depth(probe, name))] for name in names],
    )


def _depth(probe: ProbeRecord, name: str) -> tuple[str, str]:
    found = next((depth for depth in probe.depths if depth.depth == name), None)
    if found is None:
        return "", ""
    mark = " *" if name == probe.best_depth else ""
    return f"{_number(found.linear.value)}{mark}", _number(found.knn)


def _ways(record: AdviceRecord) -> TableOf:
    return TableOf(
        columns=[
            Column(title="way", whole=True),
            Column(title="px", right=True),
            Column(title="epochs", right=True),
            Column(title="out of fold", whole=True),
            Column(title="on validation", whole=True),
            Column(title="verdict", whole=True),
            Column(title="time", right=True),
        ],
        rows=[_way(record, way) for way in record.evidence.ways],
    )


def _way(record: AdviceRecord, way: WayRecord) -> list[str]:
    several = len({each.model for each in record.evidence.ways}) > 1
    verdict = way.verdict or ("" if way.status == "done" else way.status)
    return [
        f"{way.name}, {way.model}" if several else way.name,
        str(way.size),
        str(way.epochs),
        "" if way.folds is None else interval_text(way.folds),
        "" if way.val is None else interval_text(way.val),
        f"{verdict}{' ← take this' if way == recommended_way(record) else ''}",
        time_text(way.seconds) if way.status == "done" else "",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
