"""A budget of time, as users write it."""

from __future__ import annotations

import re

from unfreeze.errors import ConfigError

__all__ = ["parse_budget"]

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(min|[smh]?)", flags=re.IGNORECASE)
WHOLE = re.compile(rf"(?:{PART.pattern}\s*)+", flags=re.IGNORECASE)


def parse_budget(text: str) -> float:
    """Return how many seconds a budget is.

    >>> parse_budget("10m"), parse_budget("1h30m"), parse_budget("45")
    (600.0, 5400.0, 45.0)

    Raises:
        ConfigError: it is not a time above 0.
    """
    seconds = 0.0
    if WHOLE.fullmatch(text.strip()):
        seconds = sum(float(number) * UNITS[unit.lower()] for number, unit in PART.findall(text))
    if seconds <= 0:
        raise ConfigError(f'--budget must be a time such as 90s, 10m or 1h30m, but got "{text}".')
    return seconds
