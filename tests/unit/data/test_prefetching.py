"""Work goes on a few chunks ahead, and comes out in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unfreeze.data import prefetch
from unfreeze.data.prefetching import N_CHUNKS_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_stand_beside_their_items_in_order() -> None:
    found = list(prefetch(lambda item: item * 2, [[1, 2, 3], [], [4]], n_threads=3))
    assert found == [([1, 2, 3], [2, 4, 6]), ([], []), ([4], [8])]
    assert list(prefetch(lambda item: item, [])) == []


def test_chunks_are_taken_as_room_is_made() -> None:
    taken = 0

    def endless() -> Iterator[list[int]]:
        nonlocal taken
        while True:
            taken += 1
            yield [taken]

    made = prefetch(lambda item: item, endless(), n_threads=2)
    assert taken == 0
    for n in range(1, 6):
        assert next(made) == ([n], [n])
        assert taken == n + N_CHUNKS_AHEAD
    made.close()


def test_an_error_comes_in_place_of_its_chunk() -> None:
    made = prefetch(lambda item: 1 // item, [[1], [0], [1]], n_threads=1)
    assert next(made) == ([1], [1])
    with pytest.raises(ZeroDivisionError):
        next(made)
