"""What the end of a comparison says: the rows by rank, which to take, and the one test figure."""

import shlex
from typing import Any

from unfreeze.cli.answer import Column, TableOf
from unfreeze.cli.wording import count_text, time_text
from unfreeze.comparing import Comparison
from unfreeze.comparison_records import (
    CompareRecord,
    RowRecord,
    Spread,
    network_name,
    ranked_rows,
    recommended_row,
    resume_command,
)
from unfreeze.records import to_builtins
from unfreeze.reporting.comparison_verdict import doubts, reading, tested_networks

__all__ = ["figures_text", "leaderboard_payload", "leaderboard_text"]


def leaderboard_payload(found: Comparison) -> dict[str, Any]:
    """Return a comparison for scripts: compare.json, and where it is."""
    return {
        "comparison": str(found.path),
        **to_builtins(found.record),
        "report": str(found.path / "report.html"),
        "next": _next_command(found),
    }


def leaderboard_text(found: Comparison) -> list[str | TableOf]:
    """Return a comparison for people: its figures, where it is, and the next command."""
    record = found.record
    lines = [
        *figures_text(record),
        "",
        f"Time:       {time_text(record.seconds)} in all.",
        f"Comparison: {found.path}",
        f"Report:     {found.path / 'report.html'}",
    ]
    if record.best is not None:
        lines.append(f"Best run:   {found.path / record.best}")
    return [*lines, f"Next:       {_next_command(found)}"]


def figures_text(record: CompareRecord) -> list[str | TableOf]:
    """Return the rows by rank, which to take, and what that does not know; the test figure is there once."""
    where = "out of fold" if record.options.folds is not None else "on validation"
    seeds = "1 seed" if record.options.seeds == 1 else f"mean of {record.options.seeds} seeds"
    table = TableOf(
        title=f"{record.metric} {where}, {record.n_judging} pictures, {seeds}, with 95% intervals:",
        columns=_COLUMNS,
        rows=[_cells(row) for row in ranked_rows(record)],
    )
    lines: list[str | TableOf] = [table, " ".join(reading(record))]
    if (chosen := recommended_row(record)) is not None:
        of = f", {networks}" if (networks := tested_networks(record)) else ""
        lines.append(
            f"On the {record.n_test} test pictures, which decided nothing, {chosen.name}: {_spread(chosen.test)}{of}"
        )
    return [*lines, *doubts(record)]


_COLUMNS = (
    Column(title="row", whole=True),
    Column(title="network", whole=True),
    Column(title="px", right=True),
    Column(title="metric (95%)", whole=True),
    Column(title="against the best (95%)", whole=True),
    Column(title="verdict", whole=True),
    Column(title="trains", right=True),
    Column(title="time", right=True),
)


def _cells(row: RowRecord) -> list[str]:
    verdict = row.verdict or {"done": "not ranked", "failed": "failed"}.get(row.status, "not finished")
    mark = " ← take this" if row.recommended else ""
    return [
        row.strategy if row.strategy != "plan" else row.name,
        network_name(row.model),
        str(row.size),
        _spread(row.val),
        "" if row.verdict == "best" else _spread(row.difference, signed=True),
        f"{verdict}{mark}",
        count_text(row.n_trained),
        time_text(row.seconds),
    ]


def _spread(spread: Spread, *, signed: bool = False) -> str:
    if spread.mean is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    if spread.low is None or spread.high is None:
        return format(spread.mean, form)
    return f"{spread.mean:{form}} ({spread.low:{form}} to {spread.high:{form}})"


def _next_command(found: Comparison) -> str:
    if found.record.status != "done":
        return resume_command(found.path)
    if found.record.best is None:  # no row could be ranked, or the last training failed: the notes say why
        return shlex.join(["unfreeze", "report", str(found.path)])
    return f"{shlex.join(['unfreeze', 'predict', str(found.path / found.record.best)])} PICTURES"
