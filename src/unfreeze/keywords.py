"""Options by name, as the library's verbs take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unfreeze.errors import ConfigError, did_you_mean
from unfreeze.records import TrainOptions

__all__ = ["checked_names"]

TRAIN_OPTIONS = tuple(TrainOptions.__struct_fields__)


def checked_names(options: Mapping[str, Any], known: Sequence[str] = TRAIN_OPTIONS) -> dict[str, Any]:
    """Return options by name as `TrainOptions` takes them: paths as text, one target as several.

    Raises:
        ConfigError: an option that does not exist, or means nothing here.
    """
    for name in options:
        if name in TRAIN_OPTIONS and name not in known:
            raise ConfigError(f'The option "{name}" means nothing here. Known are: {", ".join(known)}.')
        if name not in known:
            raise ConfigError(f'Unknown option "{name}".{did_you_mean(name, known)}')
    changes = dict(options)
    if "target" in changes:
        given = changes["target"]
        changes["target"] = (given,) if isinstance(given, str) else tuple(given)
    for name in ("model", "weights", "plan", "cache_dir"):
        if isinstance(changes.get(name), Path):
            changes[name] = str(changes[name])
    return changes
