from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unfreeze.cache import ActivationCache, MappedActivations, fetch_activations
from unfreeze.errors import CacheUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from unfreeze.cache import PassDescription

    Keys = Callable[[Any], list[str]]
    Tensors = Callable[[Any], dict[str, Any]]

KEY = "d" * 64


class Prefix:
    """Stands for a network: gives each row the tensors of its number, and notes what it was asked."""

    def __init__(self, numbers: list[int], tensors: Tensors) -> None:
        self.numbers, self.tensors = np.asarray(numbers), tensors
        self.asked: list[list[int]] = []

    def __call__(self, positions: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
        self.asked.append(positions.tolist())
        for some in np.array_split(positions, 3):
            yield some, self.tensors(self.numbers[some])


def check(found: Any, numbers: list[int], tensors: Tensors) -> None:
    rows = found.activations.rows(range(len(numbers)))
    for array, expected in zip(rows, tensors(numbers).values(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_only_missing_rows_are_computed_each_once(
    cache: ActivationCache, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    numbers = [5, 6, 5, 7, 6]
    prefix = Prefix(numbers, tensors)
    found = fetch_activations(cache, KEY, row_keys(numbers), prefix, description=description)
    assert (prefix.asked, found.n_hits, found.note) == ([[0, 1, 3]], 0, None)
    check(found, numbers, tensors)
    more = [8, 7, 9, 5]
    prefix = Prefix(more, tensors)
    found = fetch_activations(cache, KEY, row_keys(more), prefix, description=description)
    assert (prefix.asked, found.n_hits) == ([[0, 2]], 2)
    check(found, more, tensors)
    again = fetch_activations(cache, KEY, row_keys(more), prefix, description=description, memory_bytes=0)
    assert (len(prefix.asked), again.n_hits) == (1, 4)
    assert isinstance(again.activations, MappedActivations)
    check(again, more, tensors)


def test_rows_of_a_damaged_shard_are_computed_again(
    cache: ActivationCache, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    fetch_activations(cache, KEY, row_keys([1, 2]), Prefix([1, 2], tensors), description=description)
    (data,) = cache.directory.rglob("rows.bin")
    data.write_bytes(data.read_bytes()[:-1] + b"\xff")
    fresh = ActivationCache(cache.directory, quota_bytes=10**9)
    prefix = Prefix([1, 2, 3], tensors)
    found = fetch_activations(fresh, KEY, row_keys([1, 2, 3]), prefix, description=description)
    assert (prefix.asked, found.n_hits) == ([[2], [0, 1]], 0)
    check(found, [1, 2, 3], tensors)


def test_without_a_cache_rows_are_held_in_memory_or_refused(
    description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    numbers = [4, 4, 2]
    prefix = Prefix(numbers, tensors)
    found = fetch_activations(None, KEY, row_keys(numbers), prefix, description=description)
    assert (prefix.asked, found.n_hits, found.note) == ([[0, 2]], 0, None)
    check(found, numbers, tensors)
    with pytest.raises(CacheUnavailableError, match="must fit into 10 bytes of memory"):
        fetch_activations(None, KEY, row_keys(numbers), prefix, description=description, memory_bytes=10)


def test_a_full_quota_is_said_and_training_goes_on_in_memory_with_what_was_kept(
    tmp_path: Path, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    cache = ActivationCache(tmp_path / "cache", quota_bytes=5000)
    fetch_activations(cache, KEY, row_keys(range(10)), Prefix(list(range(10)), tensors), description=description)
    numbers = [*range(100), 3, 99]
    prefix = Prefix(numbers, tensors)
    found = fetch_activations(cache, KEY, row_keys(numbers), prefix, description=description)
    assert found.note is not None
    assert "has no room" in found.note
    assert found.n_hits == 11
    assert prefix.asked == [list(range(10, 100))] * 2
    check(found, numbers, tensors)
