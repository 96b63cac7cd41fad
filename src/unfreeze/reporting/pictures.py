"""Pictures of evidence/ as a page carries them: as data addresses, so that it is one file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.evaluation.mistakes import EVIDENCE

if TYPE_CHECKING:
    from unfreeze.auditing.suspects import Suspect
    from unfreeze.evaluation.mistakes import Doubt, Mistake
    from unfreeze.reporting.contents import Contents

__all__ = ["Picture", "doubt_pictures", "mistake_pictures", "suspect_pictures"]

KINDS = {".jpg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with what is said of it.

    Attributes:
        file: its name in the data.
        said: the headline below it: what the network says.
        truth: what the data say.
        source: its thumbnail as a data address; empty without one.
        heat: its heat map, to be laid over it; empty without one.
    """

    file: str
    said: str
    truth: str
    source: str = ""
    heat: str = ""


def mistake_pictures(contents: Contents) -> tuple[Picture, ...]:
    """Return the pictures that the network got most wrong."""
    return tuple(_mistake(contents, each) for each in (contents.pictures.mistakes if contents.pictures else ()))


def doubt_pictures(contents: Contents) -> tuple[Picture, ...]:
    """Return the pictures that it was least certain of."""
    return tuple(_doubt(contents, each) for each in (contents.pictures.doubts if contents.pictures else ()))


def suspect_pictures(contents: Contents) -> tuple[Picture, ...]:
    """Return the pictures whose labels are probably wrong."""
    return tuple(_suspect(contents, each) for each in (contents.suspects.suspects if contents.suspects else ()))


def _mistake(contents: Contents, each: Mistake) -> Picture:
    said = each.prediction or "nothing"
    if each.confidence is not None and contents.task == "multilabel":
        says = each.explained in _labels(each.prediction)
        said = f"{each.explained}, {each.confidence:.0%}" if says else f"not {each.explained}, {each.confidence:.0%}"
    elif each.confidence is not None:
        said += f", {each.confidence:.0%}"
    elif each.error is not None:
        said += f", off by {each.error:+.4g}"
    return _shown(contents, each, said)


def _doubt(contents: Contents, each: Doubt) -> Picture:
    said = f"{each.explained}, {each.confidence:.0%}"
    if each.other is not None and each.other_confidence is not None:
        said += f" or {each.other}, {each.other_confidence:.0%}"
    return _shown(contents, each, said)


def _shown(contents: Contents, each: Mistake | Doubt, said: str) -> Picture:
    return Picture(
        file=each.file,
        said=said,
        truth=each.truth or "nothing",
        source=_address(contents, each.thumbnail),
        heat=_address(contents, each.heat_map),
    )


def _suspect(contents: Contents, each: Suspect) -> Picture:
    said = f"{each.suggested}, {each.suggested_probability:.0%}"
    given = f"{each.given}, {each.given_probability:.0%}"
    return Picture(each.file, said, given, _address(contents, each.thumbnail))


def _labels(joined: str) -> set[str]:
    """Return the names of labels that were joined by `join_labels`."""
    from unfreeze.evaluation.predictions import split_labels

    return set(split_labels(joined))


def _address(contents: Contents, name: str | None) -> str:
    # Only a plain name: an edited index must not pull other files of the reader into the page.
    if not name or Path(name).name != name or Path(name).suffix not in KINDS:
        return ""
    path = contents.directory / EVIDENCE / name
    if not path.is_file():
        return ""
    return f"data:{KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
