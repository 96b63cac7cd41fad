"""Rows of a table that is being made, kept as they come, so that an interrupted one goes on where it stopped.

A journal is a file beside the table to come: `FILE.partial`. Its first line says which network it is of; each further
line is the row of one picture, as JSON, in the order of the pictures. A line is complete if it ends in a newline, which
JSON has nowhere else: what a kill or a full disk cut off is known, and dropped. The table is made of the lines when all
are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
from filelock import FileLock, Timeout

from unfreeze.errors import ConfigError, RunError

if TYPE_CHECKING:
    from unfreeze.predicting.rows import Row

__all__ = ["Journal", "journal_path"]

VERSION = 1


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    unfreeze_predictions: int = VERSION
    network: str


def journal_path(out: Path) -> Path:
    """Return where the rows of a table are kept while it is made."""
    return out.with_name(out.name + ".partial")


class Journal:
    """The rows so far; a context, in which this process alone has the file.

    Args:
        path: where they are kept.
        network: what tells the network from any other, as a hash of its weights.
        resume: go on with the rows that are there, if any; otherwise there must be none.

    Raises:
        ConfigError: there are rows already, and nobody asked to go on with them; or another process has the file.
        RunError: the rows are not of this network, or it is no journal.
    """

    def __init__(self, path: Path, *, network: str, resume: bool) -> None:
        self.path = path
        self._head = msgspec.json.encode(_Head(network=network)) + b"\n"
        self._resume = resume
        self._lock = FileLock(path.with_name(path.name + ".lock"), blocking=False)

    def __enter__(self) -> Self:
        """Make the file, or cut off what is not complete in it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise ConfigError(
                f'Another process is writing "{self.path}"; wait for it, or name another --out.'
            ) from None
        try:
            self._open()
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what there is; where there is no row, leave nothing."""
        if not self._file.closed:
            self._file.flush()
            is_empty = self._file.tell() <= len(self._head)
            self._file.close()
            if is_empty:
                self.path.unlink()
        self._unlock()

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows that are complete in the file."""
        self._file.flush()
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield msgspec.json.decode(line)

    def lines(self) -> Iterator[bytes]:
        """Iterate over the same as JSON, without newlines."""
        self._file.flush()
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield line.rstrip(b"\n")

    def append(self, row: Row) -> None:
        """Keep one more row."""
        self._file.write(msgspec.json.encode(row) + b"\n")

    def discard(self) -> None:
        """Remove the file: the table is made, or there is nothing to make one of."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        if self.path.exists() and not self._resume:
            raise ConfigError(
                f'"{self.path}" has the rows of a table that was interrupted. Go on with it by --resume, or delete it.'
            )
        if self.path.exists():
            n_bytes = self._complete()
            os.truncate(self.path, n_bytes)
        self._file = self.path.open("ab")
        if self._file.tell() == 0:
            self._file.write(self._head)

    def _complete(self) -> int:
        """Return up to which byte the file is complete: its head, and the lines that are rows."""
        with self.path.open("rb") as file:
            head = file.readline()
            if head != self._head:
                if not head.endswith(b"\n") and self._head.startswith(head):  # killed within the first line
                    return 0
                self._refuse(head)
            n_bytes = len(head)
            for line in file:
                if not line.endswith(b"\n") or not _is_row(line):
                    break
                n_bytes += len(line)
        return n_bytes

    def _refuse(self, head: bytes) -> None:
        try:
            msgspec.json.decode(head, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RunError(
                f'"{self.path}" was not written by this unfreeze. Name another --out, or delete it.'
            ) from None
        raise RunError(
            f'The rows in "{self.path}" are of another network than this run\'s. Go on with the run that they are of, '
            "or delete the file."
        )

    def _unlock(self) -> None:
        with suppress(OSError):  # of systems that keep open files
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _is_row(line: bytes) -> bool:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(row, dict) and "file" in row
