"""What a check can find: codes that stay the same, so that scripts and documents can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["CODES", "SEVERITIES", "Finding", "Severity"]

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Error: a score would be wrong or a training fail. Warning: look before you train. Info: good to know."""

CODES: Mapping[str, tuple[Severity, str]] = MappingProxyType(
    {
        "UF101": ("error", "pictures that cannot be read"),
        "UF201": ("warning", "the same picture several times"),
        "UF202": ("info", "pictures that look the same"),
        "UF203": ("error", "the same picture under different labels"),
        "UF204": ("warning", "pictures that look the same under different labels"),
        "UF301": ("error", "the same or a similar picture on several sides of the split"),
        "UF302": ("error", "a group on several sides of the split"),
        "UF303": ("warning", "pictures on several sides that look nearly the same to a network"),
        "UF401": ("warning", "classes or labels of very different frequency"),
        "UF402": ("warning", "too few pictures"),
        "UF403": ("error", "nothing to tell apart"),
        "UF404": ("error", "too few pictures to train, validate and test"),
        "UF501": ("warning", "the channel mode predicts the label"),
        "UF502": ("warning", "the size of a picture predicts the label"),
        "UF503": ("warning", "the file format predicts the label"),
        "UF601": ("warning", "labels that pictures like them contradict"),
    }
)
"""Every code with its severity and its title; docs/reference/findings.md explains each."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed about a data set.

    Attributes:
        code: one of `CODES`.
        message: what was found, with numbers.
        files: all pictures that it concerns, as the data set names them.
        remedy: what to do next.
    """

    code: str
    message: str
    files: tuple[str, ...]
    remedy: str

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return CODES[self.code][0]

    @property
    def title(self) -> str:
        """The kind of finding, in a few words."""
        return CODES[self.code][1]
