"""Parts and their readings: what a measurement is given, what it returns, and where it is registered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

__all__ = ["PARTS", "Part", "Reading", "Room", "median_seconds", "part", "seconds_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured figure and the limit that it must keep.

    Attributes:
        name: What was measured.
        value: The median of the repeats.
        unit: Of value and limit; "×" for a ratio.
        sense: Which side of the limit is good.
        limit: Taken from what the project promises; None for a figure that only explains another.
    """

    name: str
    value: float
    unit: str
    sense: Literal["at most", "at least"] = "at least"
    limit: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.sense == "at most" else self.value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a part is given: how often to measure, photographs, and a folder that is thrown away afterwards."""

    n_repeats: int
    photos: Path | None
    folder: Path


Part = Callable[[Room], list[Reading]]
PARTS: dict[str, Part] = {}


def part(function: Part) -> Part:
    """Register a part under its function's name, with hyphens."""
    PARTS[function.__name__.replace("_", "-")] = function
    return function


def seconds_of(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def median_seconds(function: Callable[[], object], n_repeats: int) -> float:
    """Return how long a call takes, the median of some."""
    return median(seconds_of(function) for _ in range(n_repeats))
