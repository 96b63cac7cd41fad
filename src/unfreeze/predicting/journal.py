"""Rows of a table that is being made, kept as they come, so that an interrupted one goes on where it stopped.

A journal is a file beside the table to come: `FILE.partial`. Its first line says which network it is of, and whether
heat maps are drawn; each further line is the row of one picture, as JSON, in the order of the pictures. A line is
complete if it ends in a newline, which JSON has nowhere else: what a kill or a full disk cut off is known, and dropped.
The table is made of the lines when all are there.

Each row is handed to the system as it comes, so that a killed process loses none; when a journal is left, its rows are
brought to the disk. In between the system does so when it likes: a power cut loses the last of them.
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
    heat_maps: bool


def journal_path(out: Path) -> Path:
    """Return where the rows of a table are kept while it is made."""
    return out.with_name(out.name + ".partial")


class Journal:
    """The rows so far; a context, in which this process alone has the file.

    Args:
        path: where they are kept.
        network: what tells the network from any other, as a hash of its weights.
        heat_maps: whether each row's heat map is drawn before it is kept.
        resume: go on with the rows that are there, if any; otherwise there must be none.

    Raises:
        ConfigError: there are rows already, and nobody asked to go on with them; they were made with heat maps and
            these are to be without, or the other way round; another process has the file; or it cannot be written.
        RunError: the rows are not of this network, or it is no journal.
    """

    def __init__(self, path: Path, *, network: str, heat_maps: bool = False, resume: bool) -> None:
        self.path = path
        self._head = _Head(network=network, heat_maps=heat_maps)
        self._first_line = msgspec.json.encode(self._head) + b"\n"
        self._resume = resume
        self._lock = FileLock(path.with_name(path.name + ".lock"), blocking=False)

    def __enter__(self) -> Self:
        """Make the file, or cut off what is not complete in it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._open()
        except Timeout:
            raise ConfigError(
                f'Another process is writing "{self.path}"; wait for it, or name another --out.'
            ) from None
        except BaseException as error:
            self._unlock()
            if isinstance(error, OSError):
                raise ConfigError(f'"{self.path}" cannot be written ({error.strerror}); name another --out.') from None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what there is; where there is no row, leave nothing."""
        try:
            self._close()
        except OSError:
            if error is None:  # otherwise that is told, and this comes of it
                raise
        finally:
            self._unlock()

    def check(self) -> None:
        """Raise what going in would raise because of rows that are there; nothing is changed."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            line = file.readline()
        if self._is_torn(line):
            return
        if not self._resume:
            raise ConfigError(
                f'"{self.path}" has the rows of a table that was interrupted. Go on with it by --resume, or delete it.'
            )
        self._check_head(line)

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows that are complete in the file."""
        yield from map(msgspec.json.decode, self.lines())

    def lines(self) -> Iterator[bytes]:
        """Iterate over the same as JSON, without newlines."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield line.rstrip(b"\n")

    def append(self, row: Row) -> None:
        """Keep one more row.

        Raises:
            OSError: there is no room for it; those before it are kept.
        """
        self._file.write(msgspec.json.encode(row) + b"\n")
        self._file.flush()

    def discard(self) -> None:
        """Remove the file: the table is made, or there is nothing to make one of."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        self.check()
        n_bytes = self._n_complete() if self.path.exists() else 0
        if n_bytes:
            os.truncate(self.path, n_bytes)
        else:
            self.path.write_bytes(self._first_line)
        self._file = self.path.open("ab")

    def _close(self) -> None:
        if self._file.closed:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            with suppress(OSError):  # what there is no room for; it was told by now
                self._file.close()
            if self.path.stat().st_size <= len(self._first_line):
                self.path.unlink()

    def _check_head(self, line: bytes) -> None:
        """Raise an error unless a first line is this journal's."""
        if line == self._first_line:
            return
        try:
            found = msgspec.json.decode(line, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RunError(
                f'"{self.path}" was not written by this unfreeze. Name another --out, or delete it.'
            ) from None
        if found.network != self._head.network:
            raise RunError(
                f'The rows in "{self.path}" are of another network than this run\'s. Go on with the run that they are '
                "of, or delete the file."
            )
        was, do = ("with", "Give") if found.heat_maps else ("without", "Leave out")
        raise ConfigError(
            f'The rows in "{self.path}" were made {was} heat maps. {do} --heatmaps to go on with them, or delete the '
            "file."
        )

    def _is_torn(self, line: bytes) -> bool:
        """Tell whether a first line was cut off while it was written, so that there is no row either."""
        return not line.endswith(b"\n") and self._first_line.startswith(line)

    def _n_complete(self) -> int:
        """Return up to which byte the file is complete: its head, and the lines that are rows."""
        with self.path.open("rb") as file:
            head = file.readline()
            n_bytes = 0 if self._is_torn(head) else len(head)
            for line in file:
                if not line.endswith(b"\n") or not _is_row(line):
                    break
                n_bytes += len(line)
        return n_bytes

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
