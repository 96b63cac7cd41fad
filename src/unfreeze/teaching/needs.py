"""What a lesson still needs before a head can be fitted, said in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from unfreeze.data.dataset import name_some

__all__ = ["LEAST_CLASSES", "LEAST_PICTURES", "learnable", "what_is_missing"]

LEAST_PICTURES = 4  # of a class, before it is learned: fewer say more about themselves than about it
LEAST_CLASSES = 2


def learnable(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the classes that have pictures enough; none if these are not at least two.

    >>> learnable({"cup": 9, "pen": 4, "new": 1}), learnable({"cup": 9, "new": 1})
    (('cup', 'pen'), ())
    """
    enough = tuple(name for name, n in counts.items() if n >= LEAST_PICTURES)
    return enough if len(enough) >= LEAST_CLASSES else ()


def what_is_missing(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return what is missing, one sentence each; none if all classes are learned.

    >>> what_is_missing({"cup": 9})
    ('Add another class: telling apart takes two.',)
    >>> what_is_missing({"cup": 9, "pen": 3})
    ('"pen" is learned from 4 pictures on; it has 3.',)
    """
    found = []
    if not counts:
        found.append("Add two classes, and pictures of each.")
    elif len(counts) < LEAST_CLASSES:
        found.append("Add another class: telling apart takes two.")
    empty = [f'"{name}"' for name, n in counts.items() if n == 0]
    if empty:
        found.append(f"Add pictures to {name_some(empty)}.")
    found += [
        f'"{name}" is learned from {LEAST_PICTURES} pictures on; it has {n}.'
        for name, n in counts.items()
        if 0 < n < LEAST_PICTURES
    ]
    return tuple(found)
