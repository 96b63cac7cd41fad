"""What is known of picture files from earlier runs, so that they need not be read again.

An entry is believed only if path, size, time of modification and inode are those of the file as it is now, and
if the file was no longer fresh when it was read: within the clock's granularity a file can change once more
without its time changing (Git calls such entries racily clean).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["INDEX_NAME", "FileState", "FingerprintIndex", "file_state"]

INDEX_NAME = "pictures.sqlite"
SCHEMA_VERSION = 1
FRESH_NS = 2 * 10**9  # the coarsest clock of a common file system, FAT's, counts in twos
MAX_ENTRIES = 1_000_000
N_PER_QUERY = 500
BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode TEXT NOT NULL,
    seen_ns INTEGER NOT NULL, payload TEXT NOT NULL
) WITHOUT ROWID
"""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a file is recognised; `seen_ns` is when this was asked, both times in ns since 1970."""

    size: int
    mtime_ns: int
    inode: int
    seen_ns: int

    def is_settled(self) -> bool:
        """Whether a change after this was asked would show in the time of modification."""
        return self.seen_ns - self.mtime_ns > FRESH_NS

    def is_same_file_as(self, other: FileState) -> bool:
        """Whether both are the same bytes, as far as can be told without reading them."""
        return (self.size, self.mtime_ns, self.inode) == (other.size, other.mtime_ns, other.inode)


def file_state(path: Path | str) -> FileState | None:
    """Return by what a file is recognised now, None if it cannot be asked; ask before reading it."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - a hundred thousand paths are not worth as many objects
    except (OSError, ValueError):
        return None
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ino, time.time_ns())


class FingerprintIndex:
    """Keeps a text for each file, as long as the file is the same; safe for several processes at once.

    Where the index is damaged, newer than this package, or cannot be written, it knows nothing: a run is then
    slower, never wrong.
    """

    def __init__(self, path: Path | str) -> None:
        """Name the index's file; it is made when something is put in."""
        self.path = Path(path)

    def get_many(self, paths: Sequence[Path | str]) -> dict[str, str]:
        """Return the texts of the files that are still what they were, by their paths as given."""
        if not os.path.isfile(self.path):  # noqa: PTH113 - False also where it may not be looked at
            return {}
        return self._attempt(lambda connection: dict(_known(connection, [str(path) for path in paths])), {})

    def put_many(self, entries: Mapping[str, tuple[FileState, str]]) -> None:
        """Keep texts by path, each with the file's state from before it was read; fresh files are left out."""
        rows = [
            (os.path.abspath(path), state.size, state.mtime_ns, str(state.inode), state.seen_ns, payload)  # noqa: PTH100
            for path, (state, payload) in entries.items()
            if state.is_settled()
        ]
        if not rows:
            return

        def put(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)
                (n_entries,) = connection.execute("SELECT count(*) FROM pictures").fetchone()
                if n_entries > MAX_ENTRIES:
                    connection.execute(
                        "DELETE FROM pictures WHERE path IN (SELECT path FROM pictures ORDER BY seen_ns LIMIT ?)",
                        (n_entries - MAX_ENTRIES,),
                    )

        self._attempt(put, None)

    def clear(self) -> int:
        """Forget everything; return how many bytes that freed."""
        if not self.path.is_file():
            return 0

        def clear(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM pictures")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        before = self._n_bytes()
        self._attempt(clear, None)
        return max(0, before - self._n_bytes())

    def _attempt(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Do something with the index; where it cannot be used, return `otherwise`."""
        try:
            with self._connection() as connection:
                return otherwise if connection is None else work(connection)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                self._delete()
        except OSError:
            pass
        return otherwise

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        """Open the index, making it if need be; None if a newer version wrote it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                yield None
                return
            if version < SCHEMA_VERSION:
                with suppress(sqlite3.OperationalError):  # another process is at it: the journal's kind is the file's
                    connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()

    def _n_bytes(self) -> int:
        n_bytes = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                n_bytes += self.path.with_name(self.path.name + suffix).stat().st_size
        return n_bytes


def _known(connection: sqlite3.Connection, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(paths), N_PER_QUERY):
        given = {os.path.abspath(path): path for path in paths[start : start + N_PER_QUERY]}  # noqa: PTH100
        marks = ",".join("?" * len(given))
        rows = connection.execute(
            f"SELECT path, size, mtime_ns, inode, seen_ns, payload FROM pictures WHERE path IN ({marks})",  # noqa: S608
            list(given),
        )
        for path, size, mtime_ns, inode, seen_ns, payload in rows:
            now = file_state(path)
            if now is not None and now.is_same_file_as(FileState(size, mtime_ns, int(inode), seen_ns)):
                yield given[path], payload
