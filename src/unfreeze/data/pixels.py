"""Decoded pixels before their one conversion to 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unfreeze.errors import ImageError

__all__ = ["TRANSPOSED", "Pixels", "oriented"]

WHITE = 255
N_CHANNELS = 3
TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """What one file holds, upright, and what is needed to turn it into 8-bit RGB.

    Attributes:
        name: the file, for messages.
        values: (height, width, 1 or 3). uint8 is final; any other dtype still waits for a range.
        mode: how the file stores its pixels, as Pillow names it ("L", "RGB", "P", "CMYK", "I;16"),
            and "RGB;16", "RGBA;16", "RGB;32F" for kinds that Pillow has no name for.
        format: "JPEG", "PNG", "TIFF", ...
        alpha: (height, width), opacity in 0..1, or None where all is opaque or already composited.
        full_range: what the file's own type calls black and white; None where it does not say.
        full_size: width and height of the whole picture, where it may have been decoded at a reduced scale.
        reduction: 1, 2, 4 or 8: `values` have a whole, half, quarter or eighth of the picture's height and width;
            None for kinds of files that are never reduced.
    """

    name: str
    values: npt.NDArray[np.generic]
    mode: str
    format: str
    alpha: npt.NDArray[np.float32] | None = None
    full_range: tuple[float, float] | None = None
    full_size: tuple[int, int] | None = None
    reduction: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture in pixels, after EXIF rotation."""
        return self.full_size or (self.values.shape[1], self.values.shape[0])

    @property
    def depth(self) -> tuple[float, float] | None:
        """Smallest and largest value of a picture of more than 8 bits; None for 8 bits.

        Raises:
            ImageError: some values are not numbers.
        """
        if self.values.dtype == np.uint8:
            return None
        low, high = float(self.values.min()), float(self.values.max())
        if not np.isfinite([low, high]).all():
            raise ImageError(
                f'"{self.name}" has pixels that are not finite numbers (NaN or infinite), which have no grey '
                "level. Fill them with a value before training, or leave the picture out."
            )
        return low, high

    def to_rgb(self, depth_range: tuple[float, float] | None) -> npt.NDArray[np.uint8]:
        """Return (height, width, 3) uint8, contiguous; `depth_range` becomes 0 and 255.

        Raises:
            ImageError: a picture of more than 8 bits has no range: none is given and its type has none.
        """
        if self.values.dtype == np.uint8 and self.alpha is None:
            return _three_channels(self.values)
        scaled = self._scaled(depth_range)
        if self.alpha is not None:
            scaled = WHITE + (scaled - WHITE) * self.alpha[:, :, None]
        return _three_channels(np.rint(scaled).astype(np.uint8))

    def turned(self, orientation: int) -> Pixels:
        """Return the picture turned upright by an EXIF orientation."""
        if orientation == 1:
            return self
        alpha = None if self.alpha is None else oriented(self.alpha, orientation).astype(np.float32)
        full_size = self.full_size
        if full_size is not None and orientation in TRANSPOSED:
            full_size = full_size[::-1]
        return replace(self, values=oriented(self.values, orientation), alpha=alpha, full_size=full_size)

    def _scaled(self, depth_range: tuple[float, float] | None) -> npt.NDArray[np.floating]:
        """Return the values in 0..255, clipped."""
        if self.values.dtype == np.uint8:
            return self.values.astype(np.float32)
        low, high = self._range(depth_range)
        if high <= low:  # a data set of one single value shows nothing: black
            return np.zeros(self.values.shape, np.float32)
        # float64 where a large offset would swallow the differences in float32
        dtype = np.float32 if self.values.dtype == np.uint16 else np.float64
        values: npt.NDArray[Any] = self.values.astype(dtype)
        return np.clip((values - low) / (high - low), 0, 1) * WHITE

    def _range(self, depth_range: tuple[float, float] | None) -> tuple[float, float]:
        depth = self.depth  # refuses NaN also where a range is given
        known = depth_range or self.full_range
        if known is not None:
            return known
        assert depth is not None
        raise ImageError(
            f'"{self.name}" ({self.mode}) has values from {depth[0]:g} to {depth[1]:g}, and nothing says '
            "which of them are black and white: the model was trained on 8-bit pictures. Convert the picture "
            "as those were, or train on pictures of this kind."
        )


def oriented(values: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """Turn (height, width, ...) upright by an EXIF orientation, 1 to 8; others leave it as it is.

    >>> oriented(np.array([[1, 2]]), 6).tolist()
    [[1], [2]]
    """
    if orientation in TRANSPOSED:
        values = values.swapaxes(0, 1)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return values[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def _three_channels(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    if values.shape[2] == 1:
        values = np.repeat(values, N_CHANNELS, axis=2)
    return np.ascontiguousarray(values, dtype=np.uint8)
