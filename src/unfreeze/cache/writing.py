"""Writing rows of a pass, shard by shard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt

from unfreeze.cache.layout import PassDescription, TensorSpec, record_dtype, specs_of
from unfreeze.cache.passes import describe
from unfreeze.cache.shards import ShardWriter
from unfreeze.errors import CacheUnavailableError

if TYPE_CHECKING:
    from unfreeze.cache.store import ActivationCache

__all__ = ["PassWriter"]

SHARD_BYTES = 256 << 20
SHARD_SECONDS = 30.0  # after so long a shard is closed, the later ones after longer: a crash costs little


class PassWriter:
    """Writes rows of a pass; `ActivationCache.writing` makes it.

    As a context it keeps what was added, also when it is left by an exception: rows are whole or absent, and
    after an interruption the next run goes on from there.
    """

    def __init__(self, cache: ActivationCache, pass_key: str, *, description: PassDescription, n_rows: int) -> None:
        self._cache, self._pass_key, self._description = cache, pass_key, description
        self._n_rows_left = n_rows
        self._specs: tuple[TensorSpec, ...] = ()
        self._shard: ShardWriter | None = None
        self._n_shards = 0
        self._opened = 0.0  # when the open shard got its first row, on the monotonic clock

    def add(self, row_keys: Sequence[str], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write rows: a batch of each tensor, (B, ...), in the order of the keys.

        Raises:
            CacheUnavailableError: disk or quota are full, or the directory cannot be written. The rows of the
                open shard are lost, those of finished ones are kept, and nothing half-written is left.
        """
        assert all(len(values) == len(row_keys) for values in tensors.values()), "a row for each key"
        if not row_keys:
            return
        specs = specs_of(tensors)
        assert self._specs in ((), specs), f"all batches of a pass have the same tensors, not {specs}"
        self._specs = specs
        try:
            if self._shard is None:
                self._shard = self._next_shard(len(row_keys))
            self._shard.add(row_keys, tensors)
        except OSError as error:
            raise self._unavailable(error) from error
        self._n_rows_left -= len(row_keys)
        age = time.monotonic() - self._opened
        if self._shard.n_bytes >= SHARD_BYTES or age > SHARD_SECONDS * (1 + self._n_shards):
            self.flush()

    def flush(self) -> None:
        """Close the open shard, so that its rows are there for everybody.

        Raises:
            CacheUnavailableError: see `add`.
        """
        if self._shard is None:
            return
        folder = self._cache.pass_folder(self._pass_key)
        try:
            describe(folder, self._description)
            self._shard.commit(folder)
        except OSError as error:
            raise self._unavailable(error) from error
        self._shard = None
        self._n_shards += 1

    def abort(self) -> None:
        """Give up the open shard; finished ones stay."""
        if self._shard is not None:
            self._shard.abort()
            self._shard = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
            return
        with suppress(CacheUnavailableError):  # what ended the context matters more
            self.flush()
        self.abort()

    def _next_shard(self, n_rows: int) -> ShardWriter:
        row_bytes = record_dtype(self._specs).itemsize
        self._cache.make_room(row_bytes * max(self._n_rows_left, n_rows), pass_key=self._pass_key)
        self._opened = time.monotonic()
        return ShardWriter(self._cache.parts_folder(), self._specs)

    def _unavailable(self, error: OSError) -> CacheUnavailableError:
        self.abort()
        return CacheUnavailableError(
            f'The cache in "{self._cache.directory}" cannot be written: {error.strerror or error}. '
            "Free some space, or name another directory by --cache-dir."
        )
