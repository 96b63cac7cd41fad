"""Which passes must go so that another finds room. Pure: nothing is deleted here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

__all__ = ["PassSize", "passes_to_evict", "room_for"]


@dataclass(frozen=True, slots=True)
class PassSize:
    """How much a pass takes, and when it was last used (seconds since 1970)."""

    key: str
    n_bytes: int
    used: float


def room_for(key: str, passes: Sequence[PassSize], *, limit: int, in_use: Collection[str]) -> int:
    """Return how many bytes a pass could take in all if every other one went that is not in use."""
    return max(0, limit - sum(each.n_bytes for each in passes if each.key in in_use and each.key != key))


def passes_to_evict(
    passes: Sequence[PassSize], *, n_more: int, limit: int, in_use: Collection[str]
) -> tuple[str, ...] | None:
    """Return the passes to delete so that `n_more` bytes fit within `limit`, least recently used first.

    Returns:
        As few as the order allows; empty if there is room already; None if even all that are not in use would
        not be enough, and then none should go.

    >>> old, new = PassSize("old", 60, used=1.0), PassSize("new", 30, used=2.0)
    >>> passes_to_evict([new, old], n_more=50, limit=100, in_use=())
    ('old',)
    """
    n_over = sum(each.n_bytes for each in passes) + n_more - limit
    chosen: list[str] = []
    for each in sorted(passes, key=lambda each: (each.used, each.key)):
        if n_over <= 0:
            break
        if each.key not in in_use and each.n_bytes:
            chosen.append(each.key)
            n_over -= each.n_bytes
    return tuple(chosen) if n_over <= 0 else None
