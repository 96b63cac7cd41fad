"""Rows from shards into memory; every byte of a shard is checked when it is first read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unfreeze.cache.shards import DamagedShardError, map_records, read_records

if TYPE_CHECKING:
    from unfreeze.cache.layout import TensorSpec
    from unfreeze.cache.shards import Shard

__all__ = ["Faults", "check_shards", "load_rows"]

MAX_THREADS = 4  # hashing and copying run side by side; the disk has no use for more


Faults = dict["Shard", DamagedShardError | OSError]


def check_shards(shards: Sequence[Shard]) -> Faults:
    """Read shards whole and return those that are damaged or cannot be read, with what is wrong."""
    return _faults(shards, _read_through)


def load_rows(
    shards: Sequence[Shard],
    shard_of: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    specs: Sequence[TensorSpec],
    *,
    checked: Sequence[bool],
) -> tuple[dict[str, npt.NDArray[Any]], Faults]:
    """Copy rows into one array per tensor.

    Args:
        shards: where they lie.
        shard_of: (n,) the number of each row's shard.
        place: (n,) its place in it.
        specs: which tensors.
        checked: for each shard, whether it was checked already; the others are, while they are read.

    Returns:
        The arrays, (n, ...) each, by name, and the shards that are damaged or cannot be read. If there are any,
        the arrays must not be used.
    """
    arrays = {spec.name: np.empty((len(shard_of), *spec.shape), spec.dtype) for spec in specs}
    order = np.lexsort((place, shard_of))  # shard by shard, each from its beginning
    bounds = np.searchsorted(shard_of[order], np.arange(len(shards) + 1))
    jobs = {}
    for number, shard in enumerate(shards):
        targets = order[bounds[number] : bounds[number + 1]]
        jobs[shard] = _Job(arrays, targets, place[targets], is_checked=checked[number])
    return arrays, _faults(shards, lambda shard: jobs[shard].run(shard))


class _Job:
    """The rows that one shard gives: which numbers they have there (rising) and here."""

    def __init__(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        targets: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        *,
        is_checked: bool,
    ) -> None:
        self._arrays, self._targets, self._places, self._is_checked = arrays, targets, places, is_checked

    def run(self, shard: Shard) -> None:
        if self._is_checked:
            self._copy(0, map_records(shard)[1])
            return
        for start, records in read_records(shard):
            self._copy(start, records)

    def _copy(self, start: int, records: npt.NDArray[np.void]) -> None:
        first, last = np.searchsorted(self._places, (start, start + len(records)))
        targets, places = self._targets[first:last], self._places[first:last] - start
        if not len(targets):
            return
        whole = _as_slice(targets), _as_slice(places)
        for name, array in self._arrays.items():
            if None not in whole:
                array[whole[0]] = records[name][whole[1]]
            else:
                array[targets] = records[name][places]


def _as_slice(numbers: npt.NDArray[np.int64]) -> slice | None:
    """Return rising numbers without a gap as a slice, which is copied without a detour; None for others."""
    if len(numbers) > 1 and not (np.diff(numbers) == 1).all():
        return None
    return slice(int(numbers[0]), int(numbers[-1]) + 1)


def _read_through(shard: Shard) -> None:
    for _ in read_records(shard):
        pass


def _faults(shards: Sequence[Shard], work: Callable[[Shard], None]) -> Faults:
    """Do something with each shard, several at once, and return those that did not bear it."""

    def fault_of(shard: Shard) -> DamagedShardError | OSError | None:
        try:
            work(shard)
        except (DamagedShardError, OSError) as error:
            return error
        return None

    if len(shards) < 2:  # noqa: PLR2004 - one needs no pool
        faults = [fault_of(shard) for shard in shards]
    else:
        with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1, len(shards)), "unfreeze-cache") as pool:
            faults = list(pool.map(fault_of, shards))
    return {shard: fault for shard, fault in zip(shards, faults, strict=True) if fault is not None}
