"""What became of a picture that was to be added, and why some are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unfreeze.teaching.snapshot import class_of

if TYPE_CHECKING:
    from unfreeze.data import Fingerprint

__all__ = ["Added", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one picture that was to be added.

    Attributes:
        name: as it was called where it came from.
        outcome: "added"; "known" where the class has it already; "refused".
        file: where it lies, relative to the folder; None where it was refused.
        reason: why it was not added; None if it was.
    """

    name: str
    outcome: Literal["added", "known", "refused"]
    file: str | None = None
    reason: str | None = None


def refused(class_name: str, picture: Fingerprint, by_content: Mapping[str, str]) -> Added | None:
    """Say why a picture is not to be added; None if it is.

    Args:
        class_name: to which it was to be.
        picture: what is known of it.
        by_content: the files that there are already, by their sha256.
    """
    name = picture.file
    if picture.error is not None:
        return Added(name=name, outcome="refused", reason=picture.error)
    there = by_content.get(picture.sha256)
    if there is None:
        return None
    other = class_of(there)
    if other == class_name:
        return Added(name=name, outcome="known", file=there, reason=f'"{name}" is in "{class_name}" already.')
    return Added(
        name=name,
        outcome="refused",
        reason=f'"{name}" is in the class "{other}" already, and a picture shows one class only. '
        "Remove it there first.",
    )
