"""Small pictures of a lesson's pictures, for its page."""

from __future__ import annotations

import io

from PIL import Image

from unfreeze.data.decoding import decode

__all__ = ["THUMBNAIL_SIDE", "make_thumbnail"]

THUMBNAIL_SIDE = 192  # px
QUALITY = 82


def make_thumbnail(payload: bytes, *, name: str, depth_range: tuple[float, float] | None = None) -> bytes:
    """Return a picture as a JPEG of at most 192 px, upright, by the one conversion of all pictures.

    Args:
        payload: the bytes of its file.
        name: what an error calls it.
        depth_range: what becomes 0 and 255 in a picture of more than 8 bits.

    Raises:
        ImageError: the picture cannot be read.
    """
    pixels = decode(payload, name=name, at_least=(THUMBNAIL_SIDE, THUMBNAIL_SIDE)).to_rgb(depth_range)
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), reducing_gap=2.0)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
