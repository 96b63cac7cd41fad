"""Every error that unfreeze raises on purpose, in one tree.

A message says what was expected, what was got, and what to do next. Everything below `UnfreezeError`
is the user's to mend and ends a command with exit code 2, except `FailedError`, which ends it with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "CacheError",
    "CacheUnavailableError",
    "ConfigError",
    "DataError",
    "FailedError",
    "ImageError",
    "InterruptedRunError",
    "MissingRowsError",
    "ModelError",
    "NoSuchClassError",
    "NoSuchPictureError",
    "PlanError",
    "RunError",
    "SelectorError",
    "TooManyPixelsError",
    "UnfreezeError",
    "WeightsError",
    "did_you_mean",
    "raise_together",
    "reason_of",
]


class UnfreezeError(Exception):
    """The base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code: int = 2


class ConfigError(UnfreezeError):
    """Settings that contradict each other, are out of range, or are unknown."""


class NoSuchClassError(ConfigError):
    """A class that was named is not there, or not any more."""


class DataError(UnfreezeError):
    """Images or labels that cannot be trained on or predicted."""


class NoSuchPictureError(DataError):
    """A picture that was named is not there, or not any more."""


class ImageError(DataError):
    """One picture that cannot be read, or is of a kind that has no single reading."""


class TooManyPixelsError(ImageError):
    """A picture that says it has more pixels than are read."""


class ModelError(UnfreezeError):
    """An unknown network, or one that cannot be built or loaded here."""


class WeightsError(ModelError):
    """Pretrained weights that are out of reach, damaged, or do not fit the network."""


class SelectorError(UnfreezeError):
    """A selector that is malformed or matches no layer."""


class PlanError(UnfreezeError):
    """A plan that is malformed, trains nothing, or does not fit the network's layers."""


class RunError(UnfreezeError):
    """A run directory that is missing, incomplete, damaged, or belongs to something else."""


class CacheError(UnfreezeError):
    """A cache directory that cannot be one, or a pass that is not in it."""


class CacheUnavailableError(CacheError):
    """The cache cannot take more: the disk or the quota is full, or it cannot be written.

    Training catches it, says so, and goes on without the cache; what was kept before stays.
    """


class MissingRowsError(CacheError):
    """Rows that were asked of the cache are not in it, or not any more: damaged, evicted, never written."""


class FailedError(UnfreezeError):
    """Work that was asked for correctly but could not be finished."""

    exit_code = 1


class InterruptedRunError(UnfreezeError):
    """Work that was interrupted; what was done is kept, and `--resume` goes on with it."""

    exit_code = 130


def did_you_mean(got: str, known: Iterable[str], *, n: int = 3) -> str:
    """Return `' Did you mean "a" or "b"?'` for the nearest of the known names, or an empty string.

    >>> did_you_mean("resnet5O", ["resnet50", "vgg16"])
    ' Did you mean "resnet50"?'
    """
    near = difflib.get_close_matches(got, list(known), n=n, cutoff=0.5)
    if not near:
        return ""
    return " Did you mean " + " or ".join(f'"{name}"' for name in near) + "?"


def raise_together(problems: Sequence[str], error: type[UnfreezeError] = ConfigError) -> None:
    """Raise one error that lists all problems; return if there are none."""
    if not problems:
        return
    if len(problems) == 1:
        raise error(problems[0])
    raise error(
        "\n".join(
            f"{len(problems)} problems:" if i == 0 else f"  {i}. {problems[i - 1]}" for i in range(len(problems) + 1)
        )
    )


def reason_of(error: BaseException) -> str:
    """Return why something failed, in one text for a record: the kind of error too, unless it was raised on purpose.

    >>> reason_of(ConfigError("--epochs must be at least 1.")), reason_of(RuntimeError("out of memory"))
    ('--epochs must be at least 1.', 'RuntimeError: out of memory')
    """
    return str(error) if isinstance(error, UnfreezeError) else f"{type(error).__name__}: {error}"
