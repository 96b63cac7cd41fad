"""Pictures that Pillow would cut to 8 bits or cannot open: 16-bit colour PNG and TIFF, fractions, many channels.

Of 16-bit colour Pillow keeps the upper byte of each value. It has another reader for the other byte order,
which keeps the lower one: a file is decoded twice, and both are put together. That way all of its
compressions and interlacings are read. What it cannot open at all is left to tifffile.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from unfreeze.data.pixels import Pixels
from unfreeze.errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["is_deep_png", "is_tiff", "read_deep_png", "read_deep_tiff", "read_tiff", "refuse_frames", "refuse_size"]

# tifffile logs what is wrong with a damaged file; we raise it instead.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAX_PIXELS = 178_956_970  # Pillow's own limit for what must be a decompression bomb
MAX_CHANNELS = 4
FULL_16_BIT = (0.0, 65535.0)
PNG_MODES = {2: "RGB;16", 4: "LA;16", 6: "RGBA;16"}  # by the colour type in the header
OTHER_BYTE = {  # the reader for the byte that each of Pillow's own leaves out; N is this machine's order
    f"{kind};16{own}": f"{kind};16{other}"
    for kind in ("RGB", "RGBA")
    for own, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
N_COLOURS = 3
ORIENTATION = 274  # the tag's number
PHOTOMETRIC_WHITE_IS_ZERO, PHOTOMETRIC_BLACK_IS_ZERO, PHOTOMETRIC_RGB = 0, 1, 2
REDUCED_OR_MASK = 0b101  # NewSubfileType bits: a thumbnail or a mask of another page


def is_deep_png(payload: bytes) -> bool:
    """Say whether these bytes are a PNG of 16 bits with colour or alpha, which Pillow cuts to 8."""
    return payload[:8] == b"\x89PNG\r\n\x1a\n" and payload[24:25] == b"\x10" and payload[25] in PNG_MODES


def is_tiff(payload: bytes) -> bool:
    """Say whether these bytes begin as a TIFF or BigTIFF."""
    return payload[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def refuse_size(n_pixels: int, name: str) -> None:
    """Raise ImageError if a picture is so large that it must be a decompression bomb."""
    if n_pixels > MAX_PIXELS:
        raise ImageError(
            f'"{name}" says that it has {n_pixels:,} pixels; at most {MAX_PIXELS:,} are read, because such files '
            "are often made to exhaust memory. Scale it down or cut it into tiles."
        )


def read_deep_png(payload: bytes, name: str, *, transparent: tuple[int, ...] | None = None) -> Pixels:
    """Decode a PNG of 16 bits a channel with colour or alpha, in full depth, not turned upright.

    `transparent` is the one colour that the file declares to be no colour, if it does.
    """
    mode = PNG_MODES[payload[25]]
    if mode == "LA;16":  # four bytes a pixel: grey and opacity, the upper byte first
        upper, lower = np.split(_bytes_as(payload, "PNG", {"LA;16B": "RGBA"})[:, :, [0, 2, 1, 3]], 2, axis=2)
    else:
        upper, lower = _bytes_as(payload, "PNG", {}), _bytes_as(payload, "PNG", OTHER_BYTE)
    values = _joined(upper, lower)
    alpha = None
    if mode in {"LA;16", "RGBA;16"}:
        values, alpha = values[:, :, :-1], (values[:, :, -1] / FULL_16_BIT[1]).astype(np.float32)
    elif transparent is not None:
        alpha = (values != np.array(transparent)).any(axis=2).astype(np.float32)
    return Pixels(name, values, mode, "PNG", alpha=alpha, full_range=FULL_16_BIT)


def read_deep_tiff(payload: bytes, image: TiffImageFile, name: str) -> Pixels:
    """Decode a TIFF of 16-bit colour, in full depth, upright; `image` is what Pillow opened of it.

    Raises:
        ImageError: as `read_tiff`.
    """
    if {_raw_mode(tile) for tile in image.tile} <= set(OTHER_BYTE):
        # Pillow turns a TIFF upright when it loads it
        values = _joined(_bytes_as(payload, "TIFF", {}), _bytes_as(payload, "TIFF", OTHER_BYTE))
        alpha = None
        if values.shape[2] > N_COLOURS:
            values, alpha = values[:, :, :-1], (values[:, :, -1] / FULL_16_BIT[1]).astype(np.float32)
        return Pixels(name, values, f"{image.mode};16", "TIFF", alpha=alpha, full_range=FULL_16_BIT)
    return read_tiff(payload, name)  # in planes, or with opacity multiplied in


def read_tiff(payload: bytes, name: str) -> Pixels:
    """Decode a TIFF of one page through tifffile, in full depth, upright.

    Raises:
        ImageError: several pages, more than four channels, an unusual colour space or compression.
    """
    from tifffile import TiffFile

    with TiffFile(io.BytesIO(payload)) as file:
        pages = [page for page in file.pages if not int(page.subfiletype) & REDUCED_OR_MASK]
        if len(pages) != 1:
            refuse_frames(len(pages), name)
        page = pages[0]
        refuse_channels(page.samplesperpixel, name)
        refuse_size(page.imagelength * page.imagewidth, name)
        pixels = _pixels(_channels_last(page, name), page, name)
        tag = page.tags.get(ORIENTATION)
        return pixels.turned(int(tag.value) if tag else 1)


def refuse_frames(n_frames: int, name: str) -> None:
    """Raise ImageError: a file of several pages or frames is no single picture."""
    raise ImageError(
        f'"{name}" holds {n_frames} pages or frames, but one picture per file is needed. '
        "Save each page or frame that matters as a file of its own."
    )


def refuse_channels(n_channels: int, name: str) -> None:
    """Raise ImageError if there are more channels than grey or colour, with opacity, can have."""
    if n_channels > MAX_CHANNELS:
        raise ImageError(
            f'"{name}" has {n_channels} channels; at most {MAX_CHANNELS} (colour and opacity) are read, because '
            "a pretrained network sees three. Choose three of them and save those as an RGB picture."
        )


def _bytes_as(payload: bytes, form: str, raw_modes: Mapping[str, str]) -> npt.NDArray[np.uint8]:
    """Decode with other readers of raw pixels than Pillow would choose; (height, width, channels)."""
    with Image.open(io.BytesIO(payload), formats=[form]) as image:
        assert isinstance(image, ImageFile.ImageFile)
        image.tile = [tile._replace(args=_with_raw_mode(tile, raw_modes)) for tile in image.tile]
        return np.asarray(image)


def _raw_mode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _with_raw_mode(tile: Any, raw_modes: Mapping[str, str]) -> Any:
    raw_mode = raw_modes.get(_raw_mode(tile), _raw_mode(tile))
    return raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:])


def _joined(upper: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    joined: npt.NDArray[np.uint16] = np.left_shift(upper, 8, dtype=np.uint16) | lower
    return joined


def _channels_last(page: TiffPage, name: str) -> npt.NDArray[np.generic]:
    """Return (height, width, channels), whatever order the file keeps them in."""
    if page.photometric not in (PHOTOMETRIC_WHITE_IS_ZERO, PHOTOMETRIC_BLACK_IS_ZERO, PHOTOMETRIC_RGB):
        raise ImageError(
            f'"{name}" is a TIFF with the colour space {page.photometric.name} at {page.bitspersample} bits, which '
            "is not read. Save it as RGB or grey."
        )
    try:
        values: npt.NDArray[np.generic] = page.asarray()
    except (KeyError, ValueError, ImportError) as error:  # tifffile leaves most codecs to another package
        if not isinstance(error, ImportError) and "imagecodecs" not in str(error):
            raise
        raise ImageError(
            f'"{name}" is a deep TIFF with the compression {page.compression.name}, which needs the package '
            "imagecodecs (pip install imagecodecs). Or save it without compression, or with Deflate."
        ) from error
    values = values.reshape([n for n, axis in zip(values.shape, page.axes, strict=True) if axis in "SYX"])
    axes = [axis for axis in page.axes if axis in "SYX"]
    if "S" not in axes:
        return values[:, :, None]
    return np.moveaxis(values, axes.index("S"), -1)


def _pixels(values: npt.NDArray[np.generic], page: Any, name: str) -> Pixels:
    if values.dtype.kind not in "uif" or values.dtype == np.int8:
        raise ImageError(f'"{name}" has pixels of the type {values.dtype}, which are not read. Save it as 8 or 16 bit.')
    full_range = full_range_of(values)
    if page.photometric == PHOTOMETRIC_WHITE_IS_ZERO and values.dtype.kind == "u":
        values = _inverted(values)
    n_channels, n_colours = values.shape[2], N_COLOURS if page.photometric == PHOTOMETRIC_RGB else 1
    kind = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[n_channels]
    if n_channels < n_colours or n_channels - n_colours > 1:
        raise ImageError(f'"{name}" is a TIFF of {n_channels} channels that are neither grey nor RGB. Save it as RGB.')
    mode = f"{kind};{8 * values.dtype.itemsize}{'F' if values.dtype.kind == 'f' else ''}"
    alpha = None
    if n_channels > n_colours:
        values, alpha = _opacity(values, page)
    return Pixels(name, values, mode, "TIFF", alpha=alpha, full_range=full_range)


def _inverted(values: npt.NDArray[Any]) -> npt.NDArray[np.generic]:
    inverted: npt.NDArray[np.generic] = np.iinfo(values.dtype).max - values
    return inverted


def _opacity(values: npt.NDArray[Any], page: Any) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float32] | None]:
    """Split the last channel off; it is opacity only where the file says so."""
    colours, extra = values[:, :, :-1], values[:, :, -1]
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds or kinds[-1] not in (1, 2):
        return colours, None
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1
    alpha = (extra / largest).astype(np.float32)
    if kinds[-1] == 1:  # colours were multiplied by opacity: divide them again
        straight = colours / np.maximum(alpha, np.finfo(np.float32).tiny)[:, :, None]
        colours = np.where(alpha[:, :, None] > 0, np.minimum(straight, largest), 0).astype(values.dtype)
    return colours, alpha


def full_range_of(values: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Return what a type calls black and white: all of unsigned 16 bits, 0..1 for fractions that lie in it."""
    if values.dtype == np.uint16:
        return FULL_16_BIT
    if values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        return 0.0, 1.0
    return None
