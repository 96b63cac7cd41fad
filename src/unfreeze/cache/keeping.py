"""Activations that a later phase will ask for, in memory where there is no cache to keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["KeptRows"]


class KeptRows:
    """Rows of passes, each as it was computed, until nobody needs them any more."""

    def __init__(self) -> None:
        self._passes: dict[str, _Pass] = {}

    def add(
        self, pass_key: str, row_keys: Sequence[str], tensors: Mapping[str, npt.NDArray[Any]], *, until: int
    ) -> None:
        """Keep rows: a batch of each tensor, (B, ...), in the order of the keys, until a phase of this number ends."""
        kept = self._passes.setdefault(pass_key, _Pass())
        kept.until = max(kept.until, until)
        for number, key in enumerate(row_keys):
            kept.places.setdefault(key, (len(kept.batches), number))
        kept.batches.append(dict(tensors))

    def lookup(self, pass_key: str, row_keys: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return for each row whether it is kept, (n,)."""
        places = self._passes.get(pass_key, _Pass()).places
        return np.fromiter((key in places for key in row_keys), np.bool_, len(row_keys))

    def rows(
        self, pass_key: str, row_keys: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.int64], Mapping[str, npt.NDArray[Any]]]]:
        """Iterate over batches of what is kept of these rows: their numbers, (B,), and their tensors, by name."""
        kept = self._passes.get(pass_key, _Pass())
        found: dict[int, list[tuple[int, int]]] = {}
        for number, key in enumerate(row_keys):
            if key in kept.places:
                batch, place = kept.places[key]
                found.setdefault(batch, []).append((number, place))
        for batch, pairs in found.items():
            numbers, places = np.array(pairs, np.int64).T
            yield numbers, {name: values[places] for name, values in kept.batches[batch].items()}

    def forget(self, *, before: int) -> None:
        """Let go of what only phases of lower numbers needed."""
        self._passes = {key: kept for key, kept in self._passes.items() if kept.until >= before}


class _Pass:
    """Batches of rows, and in which of them, and where, each key is."""

    def __init__(self) -> None:
        self.batches: list[dict[str, npt.NDArray[Any]]] = []
        self.places: dict[str, tuple[int, int]] = {}
        self.until = 0
