"""Activations as training reads them: rows by number, from memory or from mapped shards."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unfreeze.cache.layout import Records, TensorSpec, specs_of
from unfreeze.cache.shards import map_records

if TYPE_CHECKING:
    from unfreeze.cache.shards import Shard

__all__ = ["Activations", "MappedActivations", "MemoryActivations"]

RESIDENT_BYTES = 128 << 20  # of mapped pages, before they are handed back
TOUCHED_BYTES = 128 << 10  # pages that the system maps around a row, beside the row itself

Indices = npt.NDArray[np.integer] | Sequence[int]
Arrays = tuple[npt.NDArray[Any], ...]


class Activations(ABC):
    """n rows of the tensors at the frontier, in the order in which they were asked for.

    Attributes:
        specs: the tensors: name, shape without the batch axis, dtype.
        n_rows: how many rows.
    """

    specs: tuple[TensorSpec, ...]
    n_rows: int

    @property
    def n_bytes(self) -> int:
        """How many bytes all rows take."""
        return self.n_rows * sum(spec.n_bytes for spec in self.specs)

    @property
    @abstractmethod
    def arrays(self) -> Arrays | None:
        """The whole tensors, (n, ...) each, not to be written to; None where they are not in memory."""

    @abstractmethod
    def rows(self, indices: Indices) -> Arrays:
        """Return the rows of the given numbers, (B, ...) of each tensor, contiguous copies.

        Args:
            indices: (B,), each at least 0 and below `n_rows`; one may occur several times.

        Raises:
            IndexError: there is no such row.
        """


class MemoryActivations(Activations):
    """Rows that are in memory as one array per tensor."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.specs = specs_of(tensors)
        self._arrays = tuple(tensors.values())
        self.n_rows = len(self._arrays[0])
        assert all(len(array) == self.n_rows for array in self._arrays), "tensors of different lengths"

    @property
    def arrays(self) -> Arrays:
        """The whole tensors, (n, ...) each, not to be written to."""
        return self._arrays

    def rows(self, indices: Indices) -> Arrays:
        """Return the rows of the given numbers; see `Activations.rows`."""
        wanted = _checked(indices, self.n_rows)
        return tuple(np.take(array, wanted, axis=0) for array in self._arrays)


class MappedActivations(Activations):
    """Rows that stay on disk, mapped; a batch of them is gathered when it is asked for.

    The maps keep what is read now in memory, at most some 128 MiB of it, whatever the number of rows. They
    outlive the deletion of their files.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        shard_of: npt.NDArray[np.int64],
        place: npt.NDArray[np.int64],
        specs: Sequence[TensorSpec],
    ) -> None:
        """Map the shards; `shard_of` and `place` (n,) say where each row lies.

        Raises:
            DamagedShardError, OSError: a shard is not what it was.
        """
        self.specs = tuple(specs)
        self.n_rows = len(shard_of)
        self._maps: list[mmap.mmap] = []
        self._records: list[Records] = []
        for shard in shards:
            mapped, records = map_records(shard)
            self._maps.append(mapped)
            self._records.append(records)
        self._shard_of, self._place = shard_of, place
        self._n_touched = 0

    @property
    def arrays(self) -> None:
        """None: the tensors are not in memory."""
        return

    def rows(self, indices: Indices) -> Arrays:
        """Return the rows of the given numbers; see `Activations.rows`."""
        wanted = _checked(indices, self.n_rows)
        gathered = tuple(np.empty((len(wanted), *spec.shape), spec.dtype) for spec in self.specs)
        shard_of, place = self._shard_of[wanted], self._place[wanted]
        for number in np.unique(shard_of).tolist():
            (here,) = np.nonzero(shard_of == number)
            records = self._records[number]
            for spec, array in zip(self.specs, gathered, strict=True):
                array[here] = records[spec.name][place[here]]
        self._n_touched += len(wanted) * (sum(spec.n_bytes for spec in self.specs) + TOUCHED_BYTES)
        if self._n_touched > RESIDENT_BYTES:
            self._hand_back()
        return gathered

    def _hand_back(self) -> None:
        """Let go of mapped pages; the system keeps them as long as it has nothing better to do with them."""
        self._n_touched = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)


def _checked(indices: Indices, n_rows: int) -> npt.NDArray[np.int64]:
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < n_rows):
        raise IndexError(f"rows are numbered 0 to {n_rows - 1}, but got {wanted.min()} to {wanted.max()}")
    return wanted
