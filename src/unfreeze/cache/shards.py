"""A shard: rows of a pass that were written together, in a directory that appears whole or not at all.

It holds the records (`rows.bin`) and their manifest (`manifest.json`). Both are written in a directory of a
unique name that no reader looks at, brought to the disk, and made a shard by one renaming.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from unfreeze.cache.keys import FORMAT_VERSION
from unfreeze.cache.layout import Manifest, Records, TensorSpec, pack, record_dtype
from unfreeze.disk import sync_directory

__all__ = [
    "PART",
    "DamagedShardError",
    "Shard",
    "ShardWriter",
    "count_rows",
    "map_records",
    "open_shard",
    "read_records",
]

DATA, MANIFEST = "rows.bin", "manifest.json"
PART = ".part-"  # how the directory of a shard begins that is not finished
CHUNK_BYTES = 4 << 20


class DamagedShardError(Exception):
    """A shard whose bytes are not those that were written; it never leaves the cache."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished shard on disk whose manifest is sound and whose data file has the right size."""

    folder: Path
    manifest: Manifest

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The dtype of one record."""
        return record_dtype(self.manifest.tensors)


class ShardWriter:
    """Collects rows on disk, and makes them a shard at the end; until then nobody sees them."""

    def __init__(self, parts: Path, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)
        self._dtype = record_dtype(self._specs)
        self._rows: list[str] = []
        self._digest = hashlib.sha256()
        self._part = parts / f"{PART}{uuid.uuid4().hex}"
        self._part.mkdir(parents=True)
        self._file = (self._part / DATA).open("wb")

    @property
    def n_bytes(self) -> int:
        """How many bytes were added."""
        return len(self._rows) * self._dtype.itemsize

    def add(self, row_keys: Sequence[str], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append rows: a batch of each tensor, (B, ...), in the order of the keys.

        Raises:
            OSError: they cannot be written; then `abort`.
        """
        payload = pack(tensors, self._dtype).view(np.uint8).data
        self._file.write(payload)
        self._digest.update(payload)
        self._rows += row_keys

    def commit(self, folder: Path) -> None:
        """Make what was added a shard of the pass in `folder`, which is made if need be.

        Raises:
            OSError: it cannot be written; then `abort`.
        """
        self._file.flush()
        if self._file.tell() != self.n_bytes:
            raise OSError(errno.EINTR, "a write was interrupted")
        os.fsync(self._file.fileno())
        self._file.close()
        rows = tuple(self._rows)
        manifest = Manifest(
            tensors=self._specs,
            n_rows=len(rows),
            n_bytes=self.n_bytes,
            sha256=self._digest.hexdigest(),
            rows=rows,
        ).sealed()
        with (self._part / MANIFEST).open("wb") as file:
            file.write(msgspec.json.encode(manifest))
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self._part)
        try:
            self._move_to(folder)
        except FileNotFoundError:  # another process evicted the pass between two calls
            self._move_to(folder)

    def abort(self) -> None:
        """Leave nothing behind; the rows are lost."""
        with suppress(OSError):  # closing writes what is still buffered, and a full disk has no room for it
            self._file.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def _move_to(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._part.rename(folder / self._part.name.removeprefix(PART))
        sync_directory(folder)


def open_shard(folder: Path) -> Shard | None:
    """Return the shard in a directory; None if there is none (any more), or a newer version wrote it.

    Raises:
        DamagedShardError: there is one, but not as it was written.
    """
    try:
        payload = (folder / MANIFEST).read_bytes()
        if msgspec.json.decode(payload, type=_Header).format > FORMAT_VERSION:
            return None
        manifest = msgspec.json.decode(payload, type=Manifest)
        n_bytes = (folder / DATA).stat().st_size
    except FileNotFoundError as error:
        if folder.exists():
            raise DamagedShardError(f"{error.filename} is missing") from error
        return None
    except NotADirectoryError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedShardError(f"its manifest cannot be read: {error}") from error
    if not manifest.is_sound():
        raise DamagedShardError("its manifest contradicts itself")
    if n_bytes != manifest.n_bytes:
        raise DamagedShardError(f"it has {n_bytes} bytes instead of {manifest.n_bytes}")
    return Shard(folder, manifest)


def count_rows(folder: Path) -> int:
    """Return how many rows a shard says it has, 0 if it says nothing that can be understood."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Header).n_rows
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return 0


def read_records(shard: Shard) -> Iterator[tuple[int, Records]]:
    """Read a shard from beginning to end as (number of the first row, records), and check all of its bytes.

    What is yielded may be believed only when the iteration has ended, and only until the next step.

    Raises:
        DamagedShardError: at the end, the bytes are not those that were written; or the file ended early.
    """
    dtype = shard.dtype
    n_rows = shard.manifest.n_rows
    step = max(1, CHUNK_BYTES // dtype.itemsize)
    buffer = np.empty(min(step, n_rows), dtype)
    digest = hashlib.sha256()
    with (shard.folder / DATA).open("rb", buffering=0) as file:
        for start in range(0, n_rows, step):
            records = buffer[: min(step, n_rows - start)]
            payload = memoryview(records.view(np.uint8).data)
            _read_into(file, payload)
            digest.update(payload)
            yield start, records
    if digest.hexdigest() != shard.manifest.sha256:
        raise DamagedShardError("its bytes are not those that were written")


def map_records(shard: Shard) -> tuple[mmap.mmap, Records]:
    """Map a shard's file into memory, read-only: the map, and the records that lie in it.

    Raises:
        DamagedShardError: the file is shorter than it was when the shard was opened.
    """
    with (shard.folder / DATA).open("rb") as file:
        if os.fstat(file.fileno()).st_size != shard.manifest.n_bytes:
            raise DamagedShardError("its size has changed")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return mapped, np.frombuffer(mapped, shard.dtype)


class _Header(msgspec.Struct):
    """What can be asked of a manifest of any version."""

    format: int = FORMAT_VERSION
    n_rows: int = 0


def _read_into(file: Any, payload: memoryview) -> None:
    n_read = 0
    while n_read < len(payload):
        n_new = file.readinto(payload[n_read:])
        if not n_new:
            raise DamagedShardError("it ends early")
        n_read += n_new
