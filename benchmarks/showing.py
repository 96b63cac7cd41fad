"""Results on a terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from results import Row, Span, rows_of
from scenarios import Scenario

__all__ = ["markdown", "show"]

MIB = 2**20
HEADINGS = ("", "seconds", "× unfreeze", "training", "CPU s", "peak MiB", "test accuracy")
BUSY_MARK = "*"
BUSY_NOTE = f"{BUSY_MARK} other processes took more than a tenth of the machine in some repeat."


def show(content: dict[str, Any]) -> None:
    """Print a table for each scenario."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    busy = False
    for scenario, rows in rows_of(content):
        table = Table(*HEADINGS, title=_title(scenario, content), title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*_cells(row, code="").values())
        console.print(table)
        busy = busy or any(row.busy for row in rows)
    console.print(
        "Seconds from start to exit. Medians, with the smallest and the largest; accuracy with its 95% interval."
    )
    if busy:
        console.print(BUSY_NOTE)


def markdown(content: dict[str, Any]) -> str:
    """Return the results as a section of Markdown: the machine, the pictures, a table for each scenario."""
    tables = rows_of(content)
    parts = [_described(content), *(_markdown_table(_title(scenario, content), rows) for scenario, rows in tables)]
    if any(row.busy for _, rows in tables for row in rows):
        parts.append(BUSY_NOTE.replace("*", r"\*"))
    return "\n\n".join(parts) + "\n"


def _title(scenario: Scenario, content: dict[str, Any]) -> str:
    """Return what a table is called: without the scenario's own number of epochs where another was measured."""
    return scenario.title.split(",")[0] if isinstance(content["settings"]["epochs"], int) else scenario.title


def _markdown_table(title: str, rows: list[Row]) -> str:
    lines = [f"| {' | '.join(HEADINGS)} |", f"|---|{'---:|' * (len(HEADINGS) - 1)}"]
    lines += [f"| {' | '.join(_cells(row, code='`').values())} |".replace(BUSY_MARK, r"\*") for row in rows]
    return f"### {title[0].upper()}{title[1:]}\n\n" + "\n".join(lines)


def _described(content: dict[str, Any]) -> str:
    pictures, machine, versions = content["pictures"], content["machine"], content["versions"]
    counts = ", ".join(f"{n} {side}" for side, n in pictures["n_pictures"].items())
    n_repeats = max((cell["repeat"] + 1 for cell in content["cells"]), default=0)
    releases = versions["peers"] | versions["unfreeze"]
    settings, epochs = content["settings"], content["settings"]["epochs"]
    often = "once" if n_repeats == 1 else f"{n_repeats} times: medians, in brackets the smallest and the largest"
    tried = (
        f"Every training is shortened to {epochs} epoch{'s' if epochs > 1 else ''}.\n\n"
        if isinstance(epochs, int)
        else ""
    )
    return f"""\
{tried}- Pictures: {pictures["name"]}, {len(pictures["classes"])} classes ({counts}), {settings["size"]} px, batch \
{settings["batch_size"]}.
- Machine: {machine["cpu"]}, {machine["n_cores"]} cores, {machine["memory_gib"]} GiB, {machine["system"]}, Python \
{machine["python"]}.
- Releases: {", ".join(f"{name} {release}" for name, release in releases.items())}.
- Each training whole, from the start of its process to its end, in turn, {often}. \
Accuracy on the same test pictures, with its 95% interval."""


def _cells(row: Row, *, code: str) -> dict[str, str]:
    title = row.contestant.title if code else row.contestant.title.replace("`", "")
    values = (
        title + (f" {BUSY_MARK}" if row.busy else ""),
        _span(row.seconds, digits=1),
        _span(row.ratio, digits=1),
        _span(row.train_seconds, digits=1),
        _span(row.cpu_seconds, digits=0),
        f"{row.max_rss_bytes.middle / MIB:,.0f}",
        _accuracy(row),
    )
    return dict(zip(HEADINGS, values, strict=True))


def _span(span: Span | None, *, digits: int) -> str:
    if span is None:
        return "–"
    middle, low, high = (f"{value:,.{digits}f}" for value in (span.middle, span.low, span.high))
    return middle if low == high else f"{middle} ({low}–{high})"


def _accuracy(row: Row) -> str:
    if row.accuracy is None or row.interval is None:
        return "–"
    low, high = row.interval
    return f"{row.accuracy.middle:.1%} ({low:.1%}–{high:.1%})"
