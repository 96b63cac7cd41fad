"""A picture as the network sees it, with its heat map on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unfreeze.evaluation.evidence import heat_palette

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["draw_heat"]

BRIGHTEST = 255


def draw_heat(view: Tensor, values: np.ndarray | None) -> Image.Image:
    """Lay a heat map over a picture.

    Args:
        view: uint8 (3, height, width).
        values: float32 (rows, columns), 0 to 1, over the whole view; None: the picture alone.
    """
    picture = Image.fromarray(np.ascontiguousarray(view.permute(1, 2, 0).numpy()))
    if values is None:
        return picture
    smooth = Image.fromarray(values).resize(picture.size, Image.Resampling.BICUBIC)
    shades = np.round(np.clip(np.asarray(smooth), 0, 1) * BRIGHTEST).astype(np.uint8)
    heat = Image.fromarray(heat_palette()[shades], "RGBA")
    return Image.alpha_composite(picture.convert("RGBA"), heat).convert("RGB")
