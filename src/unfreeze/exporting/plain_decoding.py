"""Reading pictures without unfreeze: what an exported file is fed with elsewhere. Copied into each example script.

Parity from file to file is measured with these very functions, so they use nothing but Pillow and NumPy. Where Pillow
cannot give what training sees they raise: a picture that looks otherwise is predicted otherwise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

__all__ = ["PARTS", "fit_picture", "read_picture"]


def read_picture(
    file: Path | str, at_least: tuple[int, int], depth_range: tuple[float, float] | None = None
) -> np.ndarray:
    """Return a picture file as uint8 (height, width, 3), upright, opacity composited on white, as in training.

    Args:
        file: of any kind that Pillow reads.
        at_least: the height and width that large JPEGs stay at least twice as large as.
        depth_range: the values that become 0 and 255 in pictures of more than 8 bits.
    """
    # Not by its name: Pillow then maps uncompressed TIFFs into memory, and those that lie on a side come out scrambled.
    with Path(file).open("rb") as stream, Image.open(stream) as opened:
        is_jpeg = opened.format in {"JPEG", "MPO"}
        if is_jpeg and opened.mode in {"L", "RGB"}:
            reduce_jpeg(opened, at_least)
        is_deep_colour = opened.mode in {"LA", "RGB", "RGBA", "RGBX"} and ";16" in str(opened.tile)
        if is_deep_colour and depth_range is not None:
            raise ValueError(f"{file}: Pillow cuts 16-bit colour to its upper 8 bits; map {depth_range} to 0..255")
        white_is_zero = getattr(opened, "tag_v2", {}).get(262) == 0  # which Pillow minds for 8 bits only
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I") or image.mode == "F":
            return np.repeat(grey_levels(image, depth_range, white_is_zero)[:, :, None], 3, axis=2)
        if is_jpeg and image.mode == "CMYK" and "adobe" not in opened.info:
            image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for Adobe's
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))


def reduce_jpeg(opened: Image.Image, at_least: tuple[int, int]) -> None:
    """Let a large JPEG be decoded at 1/2, 1/4 or 1/8 while that leaves twice what is asked for, as in training."""
    is_lying = opened.getexif().get(274, 1) in range(5, 9)  # height and width change places when it is turned upright
    height, width = at_least[::-1] if is_lying else at_least
    for part in (8, 4, 2):
        if -(-opened.height // part) >= 2 * height and -(-opened.width // part) >= 2 * width:
            opened.draft(None, (opened.width // part, opened.height // part))
            return


def grey_levels(image: Image.Image, depth_range: tuple[float, float] | None, white_is_zero: bool) -> np.ndarray:
    """Return grey of more than 8 bits as uint8 (height, width): one range for all pictures becomes 0..255."""
    is_16_bit = image.mode.startswith("I;16")
    if depth_range is None and not is_16_bit:
        raise ValueError(f"nothing says which values of a picture of mode {image.mode} are black and white")
    low, high = depth_range or (0, 65535)
    stored = np.asarray(image)
    values: np.ndarray = stored.astype(np.float32 if is_16_bit else np.float64)
    if white_is_zero and is_16_bit:
        values = 65535 - values
    levels: np.ndarray = np.rint(np.clip((values - low) / ((high - low) or np.inf), 0, 1) * 255).astype(np.uint8)
    if isinstance(image.info.get("transparency"), int):
        levels[stored == image.info["transparency"]] = 255
    return levels


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


PARTS = (read_picture, reduce_jpeg, grey_levels)  # that read a file, each calling the next ones
