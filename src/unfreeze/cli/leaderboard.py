"""What the end of a comparison says: the rows by rank, which to take, and the one test figure."""

import shlex
from collections.abc import Sequence
from typing import Any

from unfreeze.cli.answer import Column, TableOf
from unfreeze.cli.wording import count_text, time_text
from unfreeze.comparing import Comparison
from unfreeze.comparison_records import CompareRecord, RowRecord, Spread
from unfreeze.records import to_builtins

__all__ = ["leaderboard_payload", "leaderboard_text", "reading_of"]


def leaderboard_payload(found: Comparison) -> dict[str, Any]:
    """Return a comparison for scripts: compare.json, and where it is."""
    return {"comparison": str(found.path), **to_builtins(found.record), "next": _next_command(found)}


def leaderboard_text(found: Comparison) -> list[str | TableOf]:
    """Return a comparison for people; the test figure stands there once, for the recommended row."""
    record = found.record
    where = "out of fold" if record.options.folds is not None else "on validation"
    seeds = "1 seed" if record.options.seeds == 1 else f"mean of {record.options.seeds} seeds"
    table = TableOf(
        title=f"{record.metric} {where}, {record.n_judging} pictures, {seeds}, with 95% intervals:",
        columns=_COLUMNS,
        rows=[_cells(row) for row in _ranked(record)],
    )
    lines: list[str | TableOf] = [table, reading_of(record)]
    if (chosen := _recommended(record)) is not None:
        lines.append(
            f"On the {record.n_test} test pictures, which decided nothing, {chosen.name}: {_spread(chosen.test)}"
        )
    lines += ["", f"Time:       {time_text(record.seconds)} in all.", f"Comparison: {found.path}"]
    if record.best is not None:
        lines.append(f"Best run:   {found.path / record.best}")
    return [*lines, f"Next:       {_next_command(found)}"]


def reading_of(record: CompareRecord) -> str:
    """Say in plain words what the table tells."""
    done = [row for row in _ranked(record) if row.verdict is not None]
    unfinished = [row.name for row in record.rows if row.status in {"interrupted", "not begun"}]
    failed = [f"{row.name} ({row.error})" for row in record.rows if row.status == "failed"]
    sentences = []
    chosen = _recommended(record)
    if chosen is not None and len(done) > 1:
        tied = [row.name for row in done if row.verdict != "worse"]
        worse = [row.name for row in done if row.verdict == "worse"]
        if len(tied) == 1:
            sentences.append(f"Take {chosen.name}: it is best, and the others are worse by more than chance explains.")
        else:
            sentences.append(
                f"{_and(tied)} cannot be told apart by these pictures; take the one that costs least, {chosen.name}."
            )
            if worse:
                sentences.append(f"{_and(worse)} {'is' if len(worse) == 1 else 'are'} worse.")
    elif chosen is not None:
        sentences.append(f"Only {chosen.name} is finished; there is nothing to compare it with.")
    if unfinished:
        sentences.append(f"Not finished: {_and(unfinished)}.")
    if failed:
        sentences.append(f"Failed: {_and(failed)}.")
    return " ".join(sentences) or "No row could be ranked."


_COLUMNS = (
    Column(title="way", whole=True),
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
        row.model,
        str(row.size),
        _spread(row.val),
        "" if row.verdict == "best" else _spread(row.difference, signed=True),
        f"{verdict}{mark}",
        count_text(row.n_trained),
        time_text(row.seconds),
    ]


def _ranked(record: CompareRecord) -> list[RowRecord]:
    """Return the rows from the best to the worst, those without a figure last."""
    sign = -1.0 if record.higher_is_better else 1.0
    return sorted(
        record.rows,
        key=lambda row: (row.val.mean is None, sign * (row.val.mean or 0.0), row.verdict != "best", row.work),
    )


def _recommended(record: CompareRecord) -> RowRecord | None:
    return next((row for row in record.rows if row.recommended), None)


def _spread(spread: Spread, *, signed: bool = False) -> str:
    if spread.mean is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    if spread.low is None or spread.high is None:
        return format(spread.mean, form)
    return f"{spread.mean:{form}} ({spread.low:{form}} to {spread.high:{form}})"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _next_command(found: Comparison) -> str:
    path = shlex.quote(str(found.path))
    if found.record.status != "done":
        return f"unfreeze compare --resume --out {path}"
    return f"unfreeze predict {path}/{found.record.best} PICTURES"
