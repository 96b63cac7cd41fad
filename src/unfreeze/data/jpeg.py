"""JPEG through libjpeg-turbo, whole or at a half, a quarter or an eighth of its size.

A reduced picture comes out of a smaller inverse DCT, so that much of the work is never done. It stays at least twice
the size that is asked for: probabilities then move by 0.01 on average, and by more than twice that if it is reduced to
just above that size (docs/adr/0013). The DCT is the accurate one and chroma is upsampled smoothly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import simplejpeg

from unfreeze.data.pixels import TRANSPOSED, Pixels
from unfreeze.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["is_plain_jpeg", "jpeg_reduction", "read_jpeg"]

MARGIN = 2  # how many times larger than what is asked for a reduced picture stays
REDUCTIONS = (8, 4, 2)
COLOUR_SPACES: Final = {"L": "GRAY", "RGB": "RGB"}  # by Pillow's mode
PIXELS_ARE_MISSING = ("premature end", "bad huffman code")  # of libjpeg's warnings, lower case


def jpeg_reduction(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    """Return by what a JPEG of `size` is reduced where `at_least` is asked for, both (height, width): 1, 2, 4 or 8.

    >>> jpeg_reduction((3000, 4000), (224, 224)), jpeg_reduction((384, 512), (224, 224))
    (4, 1)
    """
    if at_least is None:
        return 1
    for reduction in REDUCTIONS:
        if all(_reduced(side, reduction) >= MARGIN * least for side, least in zip(size, at_least, strict=True)):
            return reduction
    return 1


def is_plain_jpeg(image: Image.Image) -> bool:
    """Say whether this is grey or colour of 8 bits in a JPEG, or in an MPO, whose first picture is a JPEG too."""
    return image.format in {"JPEG", "MPO"} and image.mode in COLOUR_SPACES


def read_jpeg(
    payload: bytes, image: Image.Image, name: str, *, orientation: int, at_least: tuple[int, int] | None
) -> Pixels | None:
    """Decode a plain JPEG, or the first picture of an MPO, upright.

    Args:
        payload: the file.
        image: what Pillow opened of it, not loaded; `is_plain_jpeg`.
        name: the file, for messages.
        orientation: of its EXIF block.
        at_least: height and width, upright, that the caller will resize to at most; None decodes the whole.

    Returns:
        None for what Pillow has to read or refuse: rare samplings, and all else that libjpeg warns of.

    Raises:
        ImageError: a part of the pixels is missing although the file has an end, which Pillow would paint grey.
    """
    if at_least is not None and orientation in TRANSPOSED:
        at_least = at_least[::-1]
    stored = (image.height, image.width)
    reduction = jpeg_reduction(stored, at_least)
    height, width = (_reduced(side, reduction) for side in stored)
    try:
        if simplejpeg.decode_jpeg_header(payload)[:2] != stored:
            return None
        values = simplejpeg.decode_jpeg(
            payload, COLOUR_SPACES[image.mode], fastdct=False, fastupsample=False, min_height=height, min_width=width
        )
    except ValueError as error:
        if any(sign in str(error).lower() for sign in PIXELS_ARE_MISSING):
            raise ImageError(f'"{name}" is damaged or cut off: {error}. Replace it or leave it out.') from error
        return None
    assert values.shape[:2] == (height, width), (values.shape, stored, reduction)
    pixels = Pixels(
        name, values, image.mode, str(image.format), full_size=(image.width, image.height), reduction=reduction
    )
    return pixels.turned(orientation)


def _reduced(side: int, reduction: int) -> int:
    return -(-side // reduction)
