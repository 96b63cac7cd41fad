"""What is known of a picture file after it was read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["THUMB_SIDE", "Fingerprint", "depth_range"]

THUMB_SIDE = 16  # pixels


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is known of one picture file after it was read once.

    Attributes:
        file: as the data set names it.
        sha256: of the file's bytes, in hexadecimal; empty if they could not be read.
        phash: 64-bit perceptual hash; None for unreadable pictures and for pictures without structure
            (one flat colour), whose hash would be noise.
        thumb: the upright picture squashed to 16×16 RGB, as 768 bytes; empty if unreadable.
        size: width and height in pixels, upright.
        mode: how the file stores its pixels ("L", "RGB", "P", "CMYK", "I;16", "RGB;16", ...).
        format: "JPEG", "PNG", ...
        depth_min: smallest value of a picture of more than 8 bits; None for 8 bits.
        depth_max: largest value, likewise.
        error: why the picture cannot be used; None if it can. It names the file.
    """

    file: str
    sha256: str
    phash: int | None = None
    thumb: bytes = b""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    format: str = ""
    n_frames: int = 1
    depth_min: float | None = None
    depth_max: float | None = None
    error: str | None = None


def depth_range(fingerprints: Iterable[Fingerprint]) -> tuple[float, float] | None:
    """Return the smallest and largest value over all pictures of more than 8 bits; None if there are none.

    One range for the whole data set keeps pictures comparable: scaled one by one, a dark picture and a
    bright one would look the same.

    >>> depth_range([Fingerprint("a", "", depth_min=5, depth_max=90), Fingerprint("b", "")])
    (5, 90)
    """
    lows, highs = [], []
    for fingerprint in fingerprints:
        if fingerprint.error is None and fingerprint.depth_min is not None and fingerprint.depth_max is not None:
            lows.append(fingerprint.depth_min)
            highs.append(fingerprint.depth_max)
    return (min(lows), max(highs)) if lows else None
