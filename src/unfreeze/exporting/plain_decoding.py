"""Reading pictures without unfreeze: what an exported file is fed with elsewhere. Copied into each example script.

Parity from file to file is measured with these very functions, so they use nothing but Pillow and NumPy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

__all__ = ["fit_picture", "read_picture"]


def read_picture(file: Path | str, size: tuple[int, int]) -> np.ndarray:
    """Return a picture file as uint8 (height, width, 3), upright; `size` is the network's (height, width)."""
    with Image.open(file) as opened:
        opened.draft(None, (2 * size[1], 2 * size[0]))  # as in training: large JPEGs at 1/2, 1/4 or 1/8
        image = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))


def fit_picture(
    picture: np.ndarray, size: tuple[int, int], interpolation: str, crop: str, crop_pct: float
) -> np.ndarray:
    """Return a picture at the network's size, as training resizes it."""
    (height, width), (rows, columns) = size, picture.shape[:2]
    if crop == "center":
        scale = max(height / rows, width / columns) / crop_pct
        target = max(height, round(rows * scale)), max(width, round(columns * scale))
    else:
        target = size
    if interpolation == "nearest":
        pairs = zip(target, (rows, columns), strict=True)
        taken = [np.floor(np.arange(new) * (old / new)).astype(int) for new, old in pairs]
        picture = picture[np.ix_(*taken)]
    else:
        kind = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
        picture = np.asarray(Image.fromarray(picture).resize(target[::-1], kind))
    top, left = round((target[0] - height) / 2), round((target[1] - width) / 2)
    return picture[top : top + height, left : left + width]
