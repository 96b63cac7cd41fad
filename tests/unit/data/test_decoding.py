"""One test picture of every kind, made here with known pixel values."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image
from support.pngs import png

from unfreeze.data.decoding import read_image
from unfreeze.errors import ImageError

RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[1, 2, 3], [255, 255, 255]]], np.uint8)
GREY = np.array([[0, 64], [128, 255], [7, 200]], np.uint8)
DEEP = np.array([[0, 257], [32768, 65535], [1000, 2000]], np.uint16)
DEEP_RGB = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=2)


def threefold(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def scaled(values: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def saved(path: Path, array: npt.NDArray[np.generic], mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


# -- trap 17: greyscale, 16-bit, palette, CMYK, EXIF-rotated and MPO pictures have one conversion


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("bmp", {}), ("tif", {}), ("webp", {"lossless": True})])
def test_trap_17_lossless_rgb_is_read_as_it_is(tmp_path: Path, suffix: str, options: dict[str, object]) -> None:
    image = read_image(saved(tmp_path / f"a.{suffix}", RGB, **options))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, RGB)


def test_trap_17_ppm_is_read_as_it_is(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.ppm", RGB)), RGB)


def test_trap_17_jpeg_is_read_up_to_its_losses(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(read_image(saved(tmp_path / "a.jpg", flat, quality=95)), flat, atol=2)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "pgm", "gif"])
def test_trap_17_grey_becomes_three_equal_channels(tmp_path: Path, suffix: str) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / f"a.{suffix}", GREY)), threefold(GREY))


def test_trap_17_grey_jpeg_becomes_three_equal_channels(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "a.jpg", np.full((8, 8), 90, np.uint8)))
    np.testing.assert_array_equal(image, np.full((8, 8, 3), 90))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_trap_17_one_bit_becomes_black_and_white(tmp_path: Path, suffix: str) -> None:
    image = read_image(saved(tmp_path / f"a.{suffix}", GREY > 100))
    np.testing.assert_array_equal(image, threefold(np.where(GREY > 100, 255, 0)))


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_trap_17_palette_becomes_its_colours(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RGB).quantize(6).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), RGB)


def test_trap_17_transparent_palette_entry_is_composited_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[255, 255, 255], [10, 20, 30]]])


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tif", {}), ("webp", {"lossless": True, "exact": True})])
def test_trap_17_alpha_is_composited_on_white(tmp_path: Path, suffix: str, options: dict[str, object]) -> None:
    rgba = np.array([[[0, 0, 0, 0], [100, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
    image = read_image(saved(tmp_path / f"a.{suffix}", rgba, **options))
    np.testing.assert_array_equal(image, [[[255, 255, 255], [100, 0, 0], [204, 204, 204]]])


def test_trap_17_grey_with_alpha_is_composited_on_white(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", np.array([[[0, 0], [90, 255], [0, 51]]], np.uint8))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0, :, 0], [255, 90, 204])


def test_trap_17_a_transparent_colour_is_composited_on_white(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", RGB, transparency=(0, 255, 0))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image[0, 1], [255, 255, 255])
    np.testing.assert_array_equal(image[0, 0], RGB[0, 0])


def test_trap_17_adobe_cmyk_jpeg_becomes_light_where_there_is_no_ink(tmp_path: Path) -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, 8:] = (0, 255, 255, 0)  # magenta and yellow make red
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "a.jpg", quality=100, subsampling=0)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    image = read_image(tmp_path / "a.jpg")
    np.testing.assert_allclose(image[0, 0], [255, 255, 255], atol=2)
    np.testing.assert_allclose(image[0, 15], [255, 0, 0], atol=2)


def test_trap_17_cmyk_jpeg_without_adobes_marker_is_not_inverted(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16, 4), (0, 0, 0, 55), np.uint8), mode="CMYK").save(tmp_path / "a.jpg", quality=100)
    payload = (tmp_path / "a.jpg").read_bytes()
    at = payload.index(b"\xff\xee")
    length = struct.unpack(">H", payload[at + 2 : at + 4])[0]
    (tmp_path / "b.jpg").write_bytes(payload[:at] + payload[at + 2 + length :])
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), 200, atol=2)
    np.testing.assert_allclose(read_image(tmp_path / "b.jpg"), 0, atol=2)  # the stored 255 is now all ink


def test_trap_17_cmyk_tiff_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[0, 255, 255, 0], [0, 0, 0, 55]]], np.uint8), mode="CMYK").save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), [[[255, 0, 0], [200, 200, 200]]])


UPRIGHT = {  # how each orientation stores the upright picture
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_trap_17_exif_orientation_is_undone(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.kron(RGB, np.ones((16, 16, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(UPRIGHT[orientation](upright))
    saved(tmp_path / f"a.{suffix}", stored, exif=exif, quality=100, subsampling=0, lossless=True)
    np.testing.assert_allclose(read_image(tmp_path / f"a.{suffix}"), upright, atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_trap_17_exif_orientation_is_undone_in_deep_pictures(tmp_path: Path, orientation: int) -> None:
    expected = scaled(DEEP_RGB, 0, 65535)
    stored = np.ascontiguousarray(UPRIGHT[orientation](DEEP_RGB))
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "rgb.tif", stored, photometric="rgb", extratags=tag)
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.tif"), expected)
    floats = (stored / np.float32(65535)).astype(np.float32)
    tifffile.imwrite(tmp_path / "float.tif", floats, photometric="rgb", extratags=tag)
    np.testing.assert_array_equal(read_image(tmp_path / "float.tif"), expected)
    tifffile.imwrite(tmp_path / "grey.tif", stored[:, :, 0], extratags=tag)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.tif"), threefold(expected[:, :, 0]))


def test_trap_17_of_an_mpo_the_first_picture_counts(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ((200, 0, 0), (0, 200, 0)))
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second], quality=100, subsampling=0)
    with Image.open(tmp_path / "a.mpo") as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)
    np.testing.assert_allclose(read_image(tmp_path / "a.mpo")[5, 5], [200, 0, 0], atol=3)


# -- trap 17, more than 8 bits


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_trap_17_deep_grey_is_scaled_by_the_range_of_the_data_set(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", DEEP)
    np.testing.assert_array_equal(read_image(path, depth_range=(0, 4000)), threefold(scaled(DEEP, 0, 4000)))
    np.testing.assert_array_equal(read_image(path, depth_range=(1000, 2000)), threefold(scaled(DEEP, 1000, 2000)))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_trap_17_deep_grey_without_a_range_has_that_of_its_type(tmp_path: Path, suffix: str) -> None:
    image = read_image(saved(tmp_path / f"a.{suffix}", DEEP))
    np.testing.assert_array_equal(image, threefold(scaled(DEEP, 0, 65535)))


def test_trap_17_sixteen_bit_rgb_png_keeps_what_lies_below_its_upper_8_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(DEEP_RGB, 2))
    image = read_image(tmp_path / "a.png", depth_range=(1000, 1255))
    np.testing.assert_array_equal(image, scaled(DEEP_RGB, 1000, 1255))


def test_trap_17_sixteen_bit_rgba_png_is_composited_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[0, 0, 0, 0], [1000, 0, 2000, 65535], [0, 0, 0, 13107]]], np.uint16)
    (tmp_path / "a.png").write_bytes(png(rgba, 6))
    image = read_image(tmp_path / "a.png", depth_range=(0, 2000))
    np.testing.assert_array_equal(image, [[[255, 255, 255], [128, 0, 255], [204, 204, 204]]])


def test_trap_17_sixteen_bit_grey_with_alpha_png_is_composited_on_white(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(np.array([[[0, 0], [1000, 65535]]], np.uint16), 4))
    image = read_image(tmp_path / "a.png", depth_range=(0, 2000))
    np.testing.assert_array_equal(image, [[[255, 255, 255], [128, 128, 128]]])


def test_trap_17_transparent_value_of_a_deep_grey_png_is_white(tmp_path: Path) -> None:
    body = b"tRNS" + struct.pack(">H", 1000)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(png(np.array([[1000, 500]], np.uint16), 0, chunks=chunk))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", depth_range=(0, 1000))[0, :, 0], [255, 128])


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}, {"rowsperstrip": 1}],
    ids=["plain", "deflate", "big-endian", "bigtiff", "strips"],
)
def test_trap_17_sixteen_bit_rgb_tiff_keeps_what_lies_below_its_upper_8_bits(
    tmp_path: Path, options: dict[str, object]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP_RGB, photometric="rgb", **options)
    image = read_image(tmp_path / "a.tif", depth_range=(1000, 1255))
    np.testing.assert_array_equal(image, scaled(DEEP_RGB, 1000, 1255))


def test_trap_17_sixteen_bit_tiff_in_planes_is_put_together(tmp_path: Path) -> None:
    planes = np.moveaxis(DEEP_RGB, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), scaled(DEEP_RGB, 0, 65535))


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_trap_17_sixteen_bit_tiff_with_alpha_is_composited_on_white(tmp_path: Path, kind: str) -> None:
    colour = 8000 if kind == "unassalpha" else 1600  # a fifth of it, where opacity was multiplied in
    rgba = np.array([[[0, 0, 0, 0], [4000, 4000, 4000, 65535], [colour, 0, 0, 13107]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=[kind])
    image = read_image(tmp_path / "a.tif", depth_range=(0, 8000))
    np.testing.assert_array_equal(image, [[[255] * 3, [128] * 3, [255, 204, 204]]])


def test_trap_17_white_is_zero_is_inverted_at_16_bits_as_at_8(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "deep.tif", DEEP, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.tif"), threefold(scaled(65535 - DEEP, 0, 65535)))
    tifffile.imwrite(tmp_path / "flat.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "flat.tif"), threefold(255 - GREY))


@pytest.mark.parametrize("dtype", ["i2", "u4", "i4", "f2", "f4", "f8"])
def test_trap_17_other_deep_tiff_is_scaled_by_the_range_of_the_data_set(tmp_path: Path, dtype: str) -> None:
    values = np.array([[-100 if dtype[0] != "u" else 0, 0], [50, 300]]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", depth_range=(0, 100))[:, :, 1], [[0, 0], [128, 255]])


def test_trap_17_large_unsigned_32_bit_values_do_not_turn_negative(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[4_000_000_000, 4_000_000_001]], np.uint32))
    image = read_image(tmp_path / "a.tif", depth_range=(4_000_000_000, 4_000_000_001))
    np.testing.assert_array_equal(image[0, :, 0], [0, 255])


def test_trap_17_fractions_between_0_and_1_need_no_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0.0, 0.5], [0.2, 1.0]], np.float32))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[:, :, 0], [[0, 128], [51, 255]])


def test_values_that_nothing_gives_a_range_for_are_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0.0, 300.0]], np.float32))
    with pytest.raises(ImageError, match=r"a\.tif.*values from 0 to 300.*black and white"):
        read_image(tmp_path / "a.tif")


def test_values_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    with pytest.raises(ImageError, match=r"a\.tif.*not finite numbers"):
        read_image(tmp_path / "a.tif", depth_range=(0, 1))


def test_a_range_without_width_is_black(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "a.png", DEEP), depth_range=(7, 7)).max() == 0


def test_eight_bit_pictures_do_not_use_the_range(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.png", RGB), depth_range=(0, 10)), RGB)


# -- trap 25: no fast DCT, no fast upsampling


def test_trap_25_jpeg_is_decoded_with_the_accurate_dct(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    k, x = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    dct = np.where(k == 0, np.sqrt(1 / 8), 0.5) * np.cos((2 * x + 1) * k * np.pi / 16)
    # blocks whose coefficients are whole steps of the quantisation, so that encoding loses nothing
    coefficients = 16 * rng.integers(-1, 2, (8, 8, 8, 8))
    exact = (dct.T @ coefficients @ dct + 128).swapaxes(1, 2).reshape(64, 64)
    assert 0 < exact.min() < exact.max() < 255
    saved(tmp_path / "a.jpg", np.rint(exact).astype(np.uint8), qtables=[[16] * 64])
    assert np.abs(read_image(tmp_path / "a.jpg")[:, :, 0] - exact).max() < 0.6


def test_trap_25_chroma_is_upsampled_smoothly(tmp_path: Path) -> None:
    ramp = np.zeros((16, 64, 3), np.uint8)
    ramp[:, :, 0] = np.arange(64) * 4
    image = read_image(saved(tmp_path / "a.jpg", ramp, "RGB", quality=95, subsampling="4:2:0")).astype(int)
    blue_difference = (image[:, :, 0] - image[:, :, 1])[8]
    within_pairs = np.diff(blue_difference)[0::2]  # 0 where one chroma value is given to two pixels
    assert np.mean(within_pairs > 0) > 0.8


# -- what has no single reading


def frames() -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_several_pages_or_frames_are_an_error(tmp_path: Path, suffix: str) -> None:
    first, *others = frames()
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others)
    with pytest.raises(ImageError, match=rf"a\.{suffix}.*3 pages or frames.*file of its own"):
        read_image(tmp_path / f"a.{suffix}")


def test_several_deep_pages_are_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 4, 4, 3), np.float32), photometric="rgb")
    with pytest.raises(ImageError, match="2 pages or frames"):
        read_image(tmp_path / "a.tif")


def test_a_thumbnail_page_does_not_count(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB, photometric="rgb")
        file.write(RGB[:1, :1], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)


def test_a_gif_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    frames()[0].save(tmp_path / "a.gif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif")[0, 0], [255, 0, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_more_than_four_channels_are_an_error(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 5), dtype), photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match=r"a\.tif.*5 channels; at most 4.*Choose three"):
        read_image(tmp_path / "a.tif")


def lzw(values: npt.NDArray[np.generic]) -> bytes:
    """Compress by the letter: every byte as a code of 9 bits, the table cleared before codes grow longer."""
    codes = []
    for at, byte in enumerate(values.tobytes()):
        codes += [256, byte] if at % 200 == 0 else [byte]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def write_lzw(path: Path, values: npt.NDArray[np.generic]) -> None:
    """Write an LZW file, for which tifffile would need another package."""
    with tifffile.TiffWriter(path) as file:
        file.write(
            iter([lzw(values)]),
            shape=values.shape,
            dtype=values.dtype,
            photometric="rgb",
            compression="zlib",
            rowsperstrip=values.shape[0],
        )
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(5)


def test_trap_17_sixteen_bit_lzw_tiff_keeps_what_lies_below_its_upper_8_bits(tmp_path: Path) -> None:
    write_lzw(tmp_path / "a.tif", DEEP_RGB)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), scaled(DEEP_RGB, 0, 65535))
    assert (read_image(tmp_path / "a.tif", depth_range=(0, 255)) == scaled(DEEP_RGB, 0, 255)).all()


def test_a_compression_that_needs_another_package_is_named(tmp_path: Path) -> None:
    write_lzw(tmp_path / "a.tif", DEEP_RGB.astype(np.float32))
    with pytest.raises(ImageError, match=r"a\.tif.*LZW.*pip install imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_trap_17_transparent_colour_of_a_deep_png_is_composited_on_white(tmp_path: Path) -> None:
    body = b"tRNS" + struct.pack(">HHH", *DEEP_RGB[0, 0])
    chunk = struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(png(DEEP_RGB, 2, chunks=chunk))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(image[1:], scaled(DEEP_RGB, 0, 65535)[1:])


# -- damaged and lying files


def damaged() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    payloads = {}
    for suffix in ("jpg", "png", "webp", "tif", "bmp", "gif", "ppm"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
        payloads[f"rgb.{suffix}"] = buffer.getvalue()
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    payloads["deep.png"] = png(deep, 2)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep, photometric="rgb", compression="zlib")
    payloads["deep.tif"] = buffer.getvalue()
    return payloads


@pytest.mark.parametrize("name", damaged())
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_file_that_is_cut_off_is_an_error_that_names_it(tmp_path: Path, name: str, share: float) -> None:
    payload = damaged()[name]
    (tmp_path / name).write_bytes(payload[: int(len(payload) * share)])
    with pytest.raises(ImageError, match=name.replace(".", r"\.")):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", damaged())
def test_random_damage_is_read_or_is_an_image_error_and_never_anything_else(tmp_path: Path, name: str) -> None:
    payload = damaged()[name]
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(payload)
        for at in rng.integers(0, min(len(broken), 400), 4):
            broken[at] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(broken)
        said = outcome(tmp_path / name)
        assert said == "read" or name in said


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match=r"a\.jpg.*empty"):
        read_image(tmp_path / "a.jpg")


def test_a_file_that_only_has_a_pictures_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture at all")
    with pytest.raises(ImageError, match=r"a\.jpg.*not a picture of a known format"):
        read_image(tmp_path / "a.jpg")


def test_the_content_decides_the_format_not_the_name(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", RGB).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), RGB)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.jpg.*cannot be opened"):
        read_image(tmp_path / "a.jpg")


def test_a_decompression_bomb_is_an_error(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    payload = bytearray(png(RGB, 2, depth=8))
    payload[16:29] = header
    payload[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "a.png").write_bytes(payload)
    with pytest.raises(ImageError, match=r"a\.png.*too large"):
        read_image(tmp_path / "a.png")


def test_a_deep_decompression_bomb_is_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.float32), photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(40_000)
        file.pages[0].tags["ImageWidth"].overwrite(40_000)
    with pytest.raises(ImageError, match=r"a\.tif.*1,600,000,000 pixels"):
        read_image(tmp_path / "a.tif")


def test_damaged_exif_does_not_make_a_picture_unreadable(tmp_path: Path) -> None:
    saved(tmp_path / "a.webp", RGB, lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff nonsense")
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp"), RGB)


def test_no_warning_of_a_decoder_reaches_the_user_and_filters_stay_as_they_were(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    saved(tmp_path / "a.tif", RGB, exif=exif)
    payload = (tmp_path / "a.tif").read_bytes()
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for end in range(8, len(payload), 3):
            (tmp_path / f"{end}.tif").write_bytes(payload[:end])
        list(pool.map(lambda end: outcome(tmp_path / f"{end}.tif"), range(8, len(payload), 3)))
    assert warnings.filters == before


def outcome(path: Path) -> str:
    try:
        read_image(path, depth_range=(0, 65535))
    except ImageError as error:
        return str(error)
    return "read"
