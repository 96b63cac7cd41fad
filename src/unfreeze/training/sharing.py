"""What a pass gives on its way, kept for the phases that will ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from unfreeze.cache import ActivationCache, KeptRows, PassDescription, PassWriter
from unfreeze.errors import CacheUnavailableError
from unfreeze.training.needs import Need

__all__ = ["Keeper", "grouped", "within_budget"]


class Keeper:
    """Keeps some rows of one pass, as a context: in the cache, or in memory where there is none.

    Args:
        pass_key: under which key they will be asked for.
        row_keys: which rows to keep.
        description: what the pass is, for people.
        cache: None keeps them in memory.
        kept: where, then.
        until: the number of the phase that needs them.

    Attributes:
        failure: why the cache has not taken them all; None if it has.
    """

    def __init__(
        self,
        pass_key: str,
        row_keys: set[str],
        *,
        description: PassDescription,
        cache: ActivationCache | None,
        kept: KeptRows,
        until: int,
    ) -> None:
        self.failure: str | None = None
        self._pass_key, self._row_keys, self._kept, self._until = pass_key, row_keys, kept, until
        self._writer: PassWriter | None = None
        if cache is not None:
            self._writer = cache.writing(pass_key, description=description, n_rows=len(row_keys))

    def add(self, row_keys: Sequence[str], tensors: Mapping[str, np.ndarray]) -> None:
        """Keep those rows of a batch that are wanted: of each tensor, (B, ...), in the order of the keys."""
        here = [number for number, key in enumerate(row_keys) if key in self._row_keys]
        if not here or self.failure is not None:
            return
        keys, chosen = [row_keys[number] for number in here], {name: each[here] for name, each in tensors.items()}
        if self._writer is None:
            self._kept.add(self._pass_key, keys, chosen, until=self._until)
            return
        try:
            self._writer.add(keys, chosen)
        except CacheUnavailableError as error:
            self.failure = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is None or self.failure is not None:
            return
        try:
            self._writer.__exit__(kind, error, traceback)
        except CacheUnavailableError as unavailable:
            self.failure = str(unavailable)


def grouped(needs: Sequence[Need]) -> tuple[Need, ...]:
    """Return needs, those of the same prefix as one."""
    groups: dict[tuple[str, str], Need] = {}
    for need in needs:
        key = (need.split.graph_hash, need.split.weights_hash)
        other = groups.get(key)
        if other is None:
            groups[key] = need
            continue
        rows: dict[Any, Any] = {augment: list(each) for augment, each in other.rows.items()}
        for augment, each in need.rows.items():
            rows[augment] = list(dict.fromkeys((*rows.get(augment, ()), *each)))
        # Rows that are only likely are not known by name: they count once only where all that are certain agree.
        alike = {a: set(each) for a, each in other.rows.items()} == {a: set(each) for a, each in need.rows.items()}
        n_rows = max(other.n_rows, need.n_rows) if alike else other.n_rows + need.n_rows
        groups[key] = replace(other, rows=rows, n_rows=n_rows, phase=need.phase)
    return tuple(groups.values())


def within_budget(need: Need, later: Sequence[Need], *, n_bytes: int) -> tuple[Need, ...]:
    """Return the first of later needs, as many as fit together with all that is stored before them."""
    total, chosen = need.n_bytes, list[Need]()
    for each in later:
        total += each.n_bytes
        if total > n_bytes:
            break
        chosen.append(each)
    return tuple(chosen)
