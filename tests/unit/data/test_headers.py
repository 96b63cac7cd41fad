"""What a picture file says of itself is checked before anything is decoded."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unfreeze.data import Header, read_header
from unfreeze.errors import ImageError, TooManyPixelsError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")


def encoded(form: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form, **options)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, deflated: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", deflated) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_picture_is_told_by_format_and_size(form: str) -> None:
    assert read_header(encoded(form), name="a") == Header(form, 40, 30)


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {}])
def test_compressed_tiffs_are_whole_too(options: dict[str, str]) -> None:
    assert read_header(encoded("TIFF", **options), name="a").n_pixels == 1200


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "LA"])
@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "JPEG", "WEBP"])
def test_no_mode_of_a_whole_picture_is_taken_for_a_wrong_one(mode: str, form: str) -> None:
    content = io.BytesIO()
    try:
        Image.new(mode, (300, 200)).save(content, form)
    except (OSError, KeyError):
        return  # this format has no such mode
    assert read_header(content.getvalue(), name="a").n_pixels == 60_000


def test_a_jpeg_of_more_scans_than_anybody_makes_is_refused() -> None:
    payload = encoded("JPEG")
    assert read_header(payload, name="a.jpg").format == "JPEG"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    with pytest.raises(ImageError, match=r"has 151 scans; at most 100"):
        read_header(payload[:-2] + 150 * scan + payload[-2:], name="a.jpg")


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 5}, {"subsampling": 2}, {"quality": 1}])
def test_the_smallest_jpeg_of_one_colour_is_believed(options: dict[str, object]) -> None:
    content = io.BytesIO()
    Image.new("L", (4000, 3000)).save(content, "JPEG", optimize=True, **options)
    assert read_header(content.getvalue(), name="a").n_pixels == 12_000_000


def test_a_png_of_one_colour_is_believed() -> None:
    content = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(content, "PNG", compress_level=9)
    assert read_header(content.getvalue(), name="a").n_pixels == 12_000_000


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused(form: str, share: float) -> None:
    payload = encoded(form, size=(200, 150))
    with pytest.raises(ImageError, match=r'"a\.x" (is cut off|is damaged)'):
        read_header(payload[: int(share * len(payload))], name="a.x")


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    thumbnail = encoded("JPEG", size=(16, 16))
    payload = encoded("JPEG", size=(200, 150))
    inside = payload[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail + payload[2:]
    assert read_header(inside, name="a").width == 200
    with pytest.raises(ImageError, match="without its end"):
        read_header(inside[:-500], name="a")


def test_more_pixels_than_the_bytes_can_hold_are_a_wrong_header() -> None:
    with pytest.raises(ImageError, match=r"6,000 × 6,000 pixels, which its \d+ bytes cannot hold"):
        read_header(png(6000, 6000, zlib.compress(bytes(1000))), name="a")
    payload = bytearray(encoded("JPEG"))
    at = payload.index(b"\xff\xc0") + 5
    payload[at : at + 4] = struct.pack(">HH", 6000, 6000)
    with pytest.raises(ImageError, match="cannot hold"):
        read_header(bytes(payload), name="a")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    bomb = png(side, side, zlib.compress(bytes(3 * side * 20), 9))
    with pytest.raises(TooManyPixelsError, match=r'"bomb\.png"'):
        read_header(bomb, name="bomb.png", max_pixels=64_000_000)


def test_the_limit_of_pixels_is_the_callers() -> None:
    assert read_header(encoded("PNG"), name="a", max_pixels=1200).n_pixels == 1200
    with pytest.raises(TooManyPixelsError, match="at most 1,199 are read"):
        read_header(encoded("PNG"), name="a", max_pixels=1199)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_many_frames_are_refused_without_counting_them(form: str) -> None:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(80)]
    frames[0].save(content, form, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"several frames|more than 64 pages"):
        read_header(content.getvalue(), name="a")


@pytest.mark.parametrize(
    "payload", [b"", b"hello", b"<svg/>", b"%!PS-Adobe", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0\0"]
)
def test_what_is_no_picture_is_refused(payload: bytes) -> None:
    with pytest.raises(ImageError, match='"a"'):
        read_header(payload, name="a")
