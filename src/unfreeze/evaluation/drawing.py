"""Heat maps in colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["draw_heat_map", "heat_palette"]

# From places that said little to places that said most: dark violet, magenta, orange, pale yellow; first transparent.
COLOURS = ((68, 1, 84, 0), (148, 38, 118, 50), (229, 92, 48, 100), (251, 180, 60, 135), (252, 253, 164, 155))


def draw_heat_map(view: np.ndarray, values: np.ndarray | None) -> Image.Image:
    """Return a picture as the network sees it, with a heat map on it.

    Args:
        view: uint8 (3, height, width), as the network is given it.
        values: float32 (rows, columns) over the view, 0 to 1; None, where no place spoke: the view alone.
    """
    picture = Image.fromarray(np.ascontiguousarray(view.transpose(1, 2, 0)))
    if values is None:
        return picture
    smooth = Image.fromarray(values).resize(picture.size, Image.Resampling.BICUBIC)
    shades = np.round(255 * np.clip(np.asarray(smooth), 0, 1)).astype(np.uint8)
    heat = Image.fromarray(heat_palette()[shades])
    return Image.alpha_composite(picture.convert("RGBA"), heat).convert("RGB")


def heat_palette() -> np.ndarray:
    """Return uint8 (256, 4): the colour and the opacity of each shade."""
    steps = np.linspace(0, 255, len(COLOURS))
    channels = [np.interp(np.arange(256), steps, [colour[k] for colour in COLOURS]) for k in range(4)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)
