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

N_ROWS_AT_ONCE = 64  # then mapped pages are handed back: the system maps up to 2 MB around each row that is read

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

    What is mapped counts as memory of the process only while a batch is read, whatever the number of rows. The
    maps outlive the deletion of their files.
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

    @property
    def arrays(self) -> None:
        """None: the tensors are not in memory."""
        return

    def rows(self, indices: Indices) -> Arrays:
        """Return the rows of the given numbers; see `Activations.rows`."""
        wanted = _checked(indices, self.n_rows)
        gathered = tuple(np.empty((len(wanted), *spec.shape), spec.dtype) for spec in self.specs)
        for start in range(0, len(wanted), N_ROWS_AT_ONCE):
            some = slice(start, start + N_ROWS_AT_ONCE)
            self._gather(wanted[some], tuple(array[some] for array in gathered))
        return gathered

    def _gather(self, wanted: npt.NDArray[np.int64], targets: Arrays) -> None:
        shard_of, place = self._shard_of[wanted], self._place[wanted]
        for number in np.unique(shard_of).tolist():
            (here,) = np.nonzero(shard_of == number)
            for spec, target in zip(self.specs, targets, strict=True):
                target[here] = self._records[number][spec.name][place[here]]
            if hasattr(mmap, "MADV_DONTNEED"):  # the system keeps them as long as it has nothing better to do with them
                self._maps[number].madvise(mmap.MADV_DONTNEED)


def _checked(indices: Indices, n_rows: int) -> npt.NDArray[np.int64]:
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < n_rows):
        raise IndexError(f"rows are numbered 0 to {n_rows - 1}, but got {wanted.min()} to {wanted.max()}")
    return wanted
