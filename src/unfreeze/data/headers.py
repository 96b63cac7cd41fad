"""What a picture file says of itself, and whether its bytes bear that out, before anything is decoded.

A file of a few bytes can say that it has a billion pixels, and a decoder makes room for them before it finds out.
What is asked here costs no more than reading the file's header and finding its parts:

* JPEG, MPO: an end after the first scan, at most 100 scans; a bit for each block of 8 × 8 pixels, which is the least in
  a Huffman code.
* PNG: all chunks up to IEND; as many bytes as deflate, at its best 1 : 1032, needs for the pixels.
* WebP, TIFF: as many bytes as the container, or the strips and tiles, say.
* BMP, PPM: as many bytes as their uncompressed rows take.

GIF and DICOM are left to their decoders, which stop where bytes are missing; a DICOM file that is deflated as a whole
is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from unfreeze.data.decoding import FORMATS, telling_what_is_wrong
from unfreeze.data.deep import MAX_PIXELS, is_tiff
from unfreeze.data.dicom import read_dicom
from unfreeze.errors import ImageError, TooManyPixelsError

__all__ = ["Header", "read_header"]

DICOM_AT = slice(128, 132)
MAX_SCANS = 100  # of a JPEG, each of which goes over the whole picture; progressive ones have about ten
MAX_PAGES = 64  # of a TIFF; a chain of them is walked one by one
PIXELS_PER_JPEG_BYTE = 8 * 64
BYTES_PER_DEFLATED_BYTE = 1032
PNG_SIGNATURE_LENGTH = 8
PNG_CHANNELS = MappingProxyType({0: 1, 2: 3, 3: 1, 4: 2, 6: 4})  # by colour type
JPEG_END = b"\xff\xd9"
JPEG_START_OF_SCAN = 0xDA
JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length
STRIPS, TILES = (273, 279), (324, 325)  # TIFF tags: where each begins, how many bytes it has


@dataclass(frozen=True, slots=True)
class Header:
    """The format and the size in pixels that a file says it has, not turned upright."""

    format: str
    width: int
    height: int

    @property
    def n_pixels(self) -> int:
        """Return how many pixels it says it has."""
        return self.width * self.height


def read_header(payload: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> Header:
    """Return what a picture file says of itself; nothing is decoded, and no memory is taken for pixels.

    Args:
        payload: the file's bytes.
        name: what an error calls the picture.
        max_pixels: the most that it may say it has.

    Raises:
        TooManyPixelsError: it says that it has more pixels.
        ImageError: it is empty, of no known format, has more than one picture, is cut off, or says that it has more
            pixels than its bytes can hold.
    """
    with telling_what_is_wrong(payload, name):
        return _read(payload, name, max_pixels)


def _read(payload: bytes, name: str, max_pixels: int) -> Header:
    if payload[DICOM_AT] == b"DICM":
        return _within(_dicom_header(payload, name), name, max_pixels)
    try:
        image = Image.open(io.BytesIO(payload), formats=FORMATS)
    except UnidentifiedImageError:
        if is_tiff(payload):
            return _within(_rare_tiff_header(payload), name, max_pixels)
        raise ImageError(
            f'"{name}" is not a picture of a known format, or its beginning is damaged (known: '
            f"{', '.join(FORMATS)}, MPO, DICOM). Convert it to PNG or leave it out."
        ) from None
    with image:
        header = _within(Header(str(image.format), image.width, image.height), name, max_pixels)
        problem = _CHECKS.get(header.format, _nothing_to_say)(payload, image)
    if problem:
        raise ImageError(f'"{name}" {problem}. Replace it or leave it out.')
    return header


def _within(header: Header, name: str, max_pixels: int) -> Header:
    if header.n_pixels > max_pixels:
        raise TooManyPixelsError(
            f'"{name}" says that it has {header.width:,} × {header.height:,} pixels; at most {max_pixels:,} are read. '
            "Scale it down."
        )
    return header


def _nothing_to_say(_payload: bytes, _image: Image.Image) -> str | None:
    return None


def _jpeg_problem(payload: bytes, image: Image.Image) -> str | None:
    scan = _start_of_scan(payload)
    if scan is None or payload.rfind(JPEG_END, scan) < 0:
        return f"is cut off: a JPEG of {len(payload):,} bytes without its end"
    if image.width * image.height > PIXELS_PER_JPEG_BYTE * len(payload):
        return _too_few_bytes(payload, image)
    n_scans = payload.count(bytes((0xFF, JPEG_START_OF_SCAN)), scan)
    if n_scans > MAX_SCANS:
        return f"has {n_scans:,} scans; at most {MAX_SCANS} are read"
    return None


def _start_of_scan(payload: bytes) -> int | None:
    """Return where the first scan of a JPEG begins, so that the end of a thumbnail in its header does not count."""
    at = 2
    while at + 4 <= len(payload):
        if payload[at] != 0xFF:  # noqa: PLR2004 - what a marker begins with
            return None
        marker = payload[at + 1]
        if marker == JPEG_START_OF_SCAN:
            return at
        if marker == 0xFF:  # noqa: PLR2004 - padding
            at += 1
        elif marker in JPEG_BARE_MARKERS:
            at += 2
        else:
            at += 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
    return None


def _png_problem(payload: bytes, image: Image.Image) -> str | None:
    if getattr(image, "is_animated", False):
        return "has several frames; which of them counts would be a guess"
    n_deflated, complete = 0, False
    for kind, length in _png_chunks(payload):
        n_deflated += length if kind == b"IDAT" else 0
        complete = kind == b"IEND"
    if not complete:
        return f"is cut off: a PNG of {len(payload):,} bytes without its end"
    n_bits = payload[24] * PNG_CHANNELS.get(payload[25], 1)
    if image.height * ((image.width * n_bits + 7) // 8) > BYTES_PER_DEFLATED_BYTE * n_deflated:
        return _too_few_bytes(payload, image)
    return None


def _png_chunks(payload: bytes) -> Iterator[tuple[bytes, int]]:
    """Iterate over the chunks that are whole: their kind and the length of their data; IEND is the last."""
    at = PNG_SIGNATURE_LENGTH
    while at + 12 <= len(payload):
        length, kind = int.from_bytes(payload[at : at + 4], "big"), payload[at + 4 : at + 8]
        at += 12 + length
        if at > len(payload):
            return
        yield kind, length
        if kind == b"IEND":
            return


def _webp_problem(payload: bytes, image: Image.Image) -> str | None:
    if getattr(image, "is_animated", False):
        return "has several frames; which of them counts would be a guess"
    return _cut_off(payload, 8 + int.from_bytes(payload[4:8], "little"))


def _gif_problem(_payload: bytes, image: Image.Image) -> str | None:
    if getattr(image, "is_animated", False):  # before they are counted, one by one
        return "has several frames; which of them counts would be a guess"
    return None


def _raw_problem(payload: bytes, image: Image.Image) -> str | None:
    """Say whether the rows of an uncompressed BMP or PPM are all there."""
    tiles: list[Any] = getattr(image, "tile", [])
    ends = [_end_of_rows(tile, image) for tile in tiles]
    return _cut_off(payload, max(ends, default=0))


def _end_of_rows(tile: Any, image: Image.Image) -> int:
    if tile.codec_name != "raw":
        return 0
    stride = tile.args[1] if isinstance(tile.args, tuple) and len(tile.args) > 1 else 0
    if not stride:
        stride = (image.width + 7) // 8 if image.mode == "1" else image.width * len(image.getbands())
    end: int = tile.offset + stride * image.height
    return end


def _tiff_problem(payload: bytes, image: Image.Image) -> str | None:
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    try:
        image.seek(MAX_PAGES)
    except EOFError:
        image.seek(0)
    else:
        return f"has more than {MAX_PAGES} pages; which of them counts would be a guess"
    ends = [0]
    for offsets, counts in (STRIPS, TILES):
        begins, lengths = image.tag_v2.get(offsets, ()), image.tag_v2.get(counts, ())
        ends += [int(begin) + int(length) for begin, length in zip(begins, lengths, strict=False)]
    return _cut_off(payload, max(ends))


def _cut_off(payload: bytes, wanted: int) -> str | None:
    if wanted <= len(payload):
        return None
    return f"is cut off: it has {len(payload):,} of the {wanted:,} bytes that it says it has"


def _too_few_bytes(payload: bytes, image: Image.Image) -> str:
    return (
        f"says that it has {image.width:,} × {image.height:,} pixels, which its {len(payload):,} bytes cannot hold: "
        "its header is wrong, or it is cut off"
    )


_CHECKS: Mapping[str, Callable[[bytes, Image.Image], str | None]] = MappingProxyType(
    {
        "JPEG": _jpeg_problem,
        "MPO": _jpeg_problem,
        "PNG": _png_problem,
        "WEBP": _webp_problem,
        "GIF": _gif_problem,
        "BMP": _raw_problem,
        "PPM": _raw_problem,
        "TIFF": _tiff_problem,
    }
)


def _dicom_header(payload: bytes, name: str) -> Header:
    dataset = read_dicom(payload, name=name, with_pixels=False)
    return Header("DICOM", int(dataset.Columns), int(dataset.Rows))


def _rare_tiff_header(payload: bytes) -> Header:
    """Read the size of a TIFF that Pillow cannot open: fractions in colour, many channels."""
    from tifffile import TiffFile

    with TiffFile(io.BytesIO(payload)) as file:
        page: Any = file.pages[0]
        return Header("TIFF", int(page.imagewidth), int(page.imagelength))
