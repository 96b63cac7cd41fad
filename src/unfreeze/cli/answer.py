"""What a command hands back to be printed: for people on the one hand, for scripts on the other."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Answer", "Column", "TableOf", "print_answer", "print_json"]

WIDTH_OF_A_PIPE = 160  # columns; nobody looks at a pipe's width, so that lines are not broken


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    title: str
    right: bool = False  # numbers
    whole: bool = False  # never broken over lines: names that will be typed again


@dataclass(frozen=True, kw_only=True)
class TableOf:
    """A table: columns, and rows of as many cells."""

    columns: Sequence[Column]
    rows: Iterable[Sequence[str]]
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a command.

    Attributes:
        payload: one JSON object, printed with `--json`.
        shown: texts and tables for people, printed without it.
        as_json: which of the two was asked for.
    """

    payload: Mapping[str, Any]
    shown: Sequence[str | TableOf]
    as_json: bool = False


def print_answer(answer: Answer) -> None:
    """Print an answer on stdout, as it was asked for."""
    if answer.as_json:
        print_json(answer.payload)
        return
    for part in answer.shown:
        if isinstance(part, str):
            print(part)
        else:
            _print_table(part)


def print_json(payload: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; numbers that JSON does not know (nan) become null."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(payload), indent=2).decode() + "\n")


def _print_table(table: TableOf) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, title=table.title, title_justify="left", title_style="bold", pad_edge=False)
    for column in table.columns:
        drawn.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=column.whole, overflow="fold"
        )
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: what users named "[red]" is not markup
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_OF_A_PIPE)
    console.print(drawn)
