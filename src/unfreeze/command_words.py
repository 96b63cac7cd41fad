"""The words of a command line: how settings are written as such, and what is read from them.

Nothing here loads torch: the command line asks before it imports anything heavy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

import msgspec

from unfreeze.errors import ConfigError
from unfreeze.records import TrainOptions

__all__ = ["SWITCHED_OFF", "flag", "flag_words", "parse_budget", "split_names"]

SWITCHED_OFF = {"pretrained": "--no-pretrained", "cache": "--no-cache"}  # settings that are on unless told
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
TIME_PART = re.compile(r"(\d+(?:\.\d+)?)(min|[smh])", flags=re.IGNORECASE)
BARE_NUMBER = re.compile(r"\d+(?:\.\d+)?")
WHOLE_TIME = re.compile(rf"(?:{TIME_PART.pattern}\s*)+", flags=re.IGNORECASE)


def flag(name: str) -> str:
    """Return how a setting is written on the command line: `batch_size` → `--batch-size`."""
    return SWITCHED_OFF.get(name) or "--" + name.replace("_", "-")


def flag_words(options: TrainOptions, *, given: Collection[str] = (), without: Collection[str] = ()) -> list[str]:
    """Return settings as the words of a command line that gives them: those that differ from their defaults.

    >>> flag_words(TrainOptions(seed=3, cache=False, clip=None, target=("red", "big")), given={"epochs"})
    ['--epochs', '10', '--target', 'red', '--target', 'big', '--clip', 'none', '--seed', '3', '--no-cache']

    Args:
        options: the settings of a training.
        given: names of settings that are said although they have their defaults, as far as a flag can say those.
        without: names of settings that something else says.
    """
    words = []
    for field in msgspec.structs.fields(TrainOptions):
        value = getattr(options, field.name)
        can_say = value is not None and not isinstance(value, bool)  # a switch is named after what is not its default
        if field.name not in without and (value != field.default or (field.name in given and can_say)):
            words += _words(flag(field.name), value)
    return words


def parse_budget(given: str | float) -> float:
    """Return how many seconds a budget is: a number of them, or a text, which names its unit.

    >>> parse_budget("10m"), parse_budget("1h30m"), parse_budget(45)
    (600.0, 5400.0, 45.0)

    Raises:
        ConfigError: it is not a time above 0, or a text without a unit.
    """
    seconds = math.nan
    if isinstance(given, str):
        text = given.strip()
        if BARE_NUMBER.fullmatch(text):
            raise ConfigError(f"--budget {text} has no unit: write {text}s for seconds, {text}m for minutes.")
        parts = TIME_PART.findall(text) if WHOLE_TIME.fullmatch(text) else ()
        seconds = sum(float(number) * SECONDS[unit.lower()] for number, unit in parts)
    elif isinstance(given, int | float) and not isinstance(given, bool):
        seconds = float(given)
    if not 0 < seconds < math.inf:
        raise ConfigError(f'--budget must be a time such as 90s, 10m or 1h30m, but got "{given}".')
    return seconds


def split_names(text: str) -> tuple[str, ...]:
    """Return the names that commas part; a comma within braces belongs to a selector.

    >>> split_names("head, stages:2,layer{3,4}")
    ('head', 'stages:2', 'layer{3,4}')
    """
    return tuple(name for part in re.split(r",(?![^{]*\})", text) if (name := part.strip()))


def _words(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [name]
    if isinstance(value, tuple):
        return [word for part in value for word in (name, str(part))]
    return [name, "none" if value is None else str(value)]
