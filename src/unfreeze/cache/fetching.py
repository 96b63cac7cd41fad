"""Activations from the cache as far as they are there; what is missing is computed and kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unfreeze.cache.activations import Activations, MemoryActivations
from unfreeze.cache.layout import specs_of
from unfreeze.cache.store import MEMORY_BYTES
from unfreeze.errors import CacheUnavailableError, MissingRowsError

if TYPE_CHECKING:
    from unfreeze.cache.keeping import KeptRows
    from unfreeze.cache.layout import PassDescription, TensorSpec
    from unfreeze.cache.store import ActivationCache

__all__ = ["Compute", "Fetched", "fetch_activations"]

N_ROWS_AT_ONCE = 256
N_ATTEMPTS = 3  # a shard may be found damaged, or be evicted by somebody else, but not again and again

Numbers = npt.NDArray[np.int64]
Batches = Iterable[tuple[Numbers, Mapping[str, npt.NDArray[Any]]]]
Compute = Callable[[Numbers], Batches]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Activations, and how they were come by.

    Attributes:
        activations: the rows, in the order asked for.
        n_hits: how many of them were in the cache, or kept.
        note: why the cache could not be used, for the user; None if it could.
    """

    activations: Activations
    n_hits: int
    note: str | None = None


def fetch_activations(
    cache: ActivationCache | None,
    pass_key: str,
    row_keys: Sequence[str],
    compute: Compute,
    *,
    description: PassDescription,
    memory_bytes: int = MEMORY_BYTES,
    kept: KeptRows | None = None,
) -> Fetched:
    """Return activations, computing and keeping those that the cache does not have.

    Where the cache cannot take them (`None`, a full disk or quota), they are computed into memory if they fit.

    Args:
        cache: None keeps nothing.
        pass_key: see `activation_key`.
        row_keys: see `row_key`; at least one. Rows of the same key are computed once.
        compute: called with the numbers of missing rows (positions in `row_keys`), yields batches: some of these
            numbers, (B,), and the tensors of their rows, (B, ...) by name.
        description: what the pass is, for people.
        memory_bytes: rows that take no more are held in memory; others stay on disk, mapped.
        kept: where there is no cache: rows that were computed for this before it was asked for.

    Raises:
        CacheUnavailableError: the cache cannot take the rows, and they do not fit into memory either.
    """
    request = _Request(row_keys, compute, memory_bytes)
    if cache is None:
        if kept is None:
            return Fetched(request.into_memory(), n_hits=0)
        n_hits = int(kept.lookup(pass_key, row_keys).sum())
        return Fetched(request.into_memory(kept.rows(pass_key, row_keys)), n_hits=n_hits)
    is_computed = np.zeros(len(row_keys), np.bool_)
    reason = f'Rows of pass {pass_key} did not last in the cache in "{cache.directory}".'
    for _ in range(N_ATTEMPTS):
        is_missing = ~cache.lookup(pass_key, row_keys)
        is_computed |= is_missing
        try:
            if is_missing.any():
                with cache.writing(pass_key, description=description, n_rows=request.n_distinct(is_missing)) as writer:
                    for numbers, tensors in request.computed(is_missing):
                        writer.add([row_keys[number] for number in numbers.tolist()], tensors)
            activations = cache.read(pass_key, row_keys, memory_bytes=memory_bytes)
            return Fetched(activations, n_hits=int((~is_computed).sum()))
        except MissingRowsError:
            continue
        except CacheUnavailableError as error:
            reason = str(error)
            break
    n_hits = int((~is_computed).sum())
    return Fetched(request.into_memory(_rows_of(cache, pass_key, row_keys)), n_hits=n_hits, note=reason)


def _rows_of(cache: ActivationCache, pass_key: str, row_keys: Sequence[str]) -> Batches:
    """Read what the cache has of the rows, if it can be read."""
    (numbers,) = np.nonzero(cache.lookup(pass_key, row_keys))
    if not len(numbers):
        return
    try:
        rows = cache.read(pass_key, [row_keys[number] for number in numbers.tolist()], memory_bytes=0)
    except MissingRowsError:
        return
    names = [spec.name for spec in rows.specs]
    for chunk in np.array_split(np.arange(len(numbers)), -(-len(numbers) // N_ROWS_AT_ONCE)):
        yield numbers[chunk], dict(zip(names, rows.rows(chunk), strict=True))


class _Request:
    """Rows that are wanted, of which some may be the same."""

    def __init__(self, row_keys: Sequence[str], compute: Compute, memory_bytes: int) -> None:
        self._row_keys, self._compute, self._memory_bytes = row_keys, compute, memory_bytes
        first_of: dict[str, int] = {}
        firsts = (first_of.setdefault(key, number) for number, key in enumerate(row_keys))
        self._first = np.fromiter(firsts, np.int64, len(row_keys))  # of each row: the first one of the same key
        self._is_first = self._first == np.arange(len(row_keys))

    def n_distinct(self, mask: npt.NDArray[np.bool_]) -> int:
        return int((mask & self._is_first).sum())

    def computed(self, mask: npt.NDArray[np.bool_]) -> Iterator[tuple[Numbers, Mapping[str, npt.NDArray[Any]]]]:
        """Compute the rows of a mask, each key once."""
        (numbers,) = np.nonzero(mask & self._is_first)
        return iter(self._compute(numbers))

    def into_memory(self, there: Batches = ()) -> Activations:
        """Return all rows in memory: those that are there already as they are, the others computed.

        Raises:
            CacheUnavailableError: they do not fit.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        is_left = np.ones(len(self._row_keys), np.bool_)
        for numbers, tensors in itertools.chain(there, self._rest(is_left)):
            if not arrays:
                arrays = self._allocated(specs_of(tensors))
            for name, values in tensors.items():
                arrays[name][numbers] = values
            is_left[numbers] = False
        for array in arrays.values():
            array[~self._is_first] = array[self._first[~self._is_first]]
        return MemoryActivations(arrays)

    def _rest(self, is_left: npt.NDArray[np.bool_]) -> Batches:
        """Compute what is still left when this is asked for the first time."""
        yield from self.computed(is_left)

    def _allocated(self, specs: Sequence[TensorSpec]) -> dict[str, npt.NDArray[Any]]:
        n_rows = len(self._row_keys)
        n_bytes = n_rows * sum(spec.n_bytes for spec in specs)
        if n_bytes > self._memory_bytes:
            raise CacheUnavailableError(
                f"{n_rows:,} rows of activations take {n_bytes:,} bytes; without the cache they must fit into "
                f"{self._memory_bytes:,} bytes of memory."
            )
        return {spec.name: np.empty((n_rows, *spec.shape), spec.dtype) for spec in specs}
