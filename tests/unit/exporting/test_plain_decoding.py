"""What the example script makes of a picture file is what training makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.pngs import png

from unfreeze.data import InputSpec, read_image
from unfreeze.data.views import least_size
from unfreeze.exporting.plain_decoding import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable

RANGE = (100.0, 4095.0)
DEEP = np.random.default_rng(0).integers(0, 5000, (20, 30), dtype=np.uint16)
GREY = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)


def both(file: Path, at_least: tuple[int, int] = (32, 32), depth_range: Any = None) -> tuple[np.ndarray, np.ndarray]:
    expected = read_image(file, depth_range=depth_range, at_least=at_least)
    return read_picture(file, at_least, depth_range), expected


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("depth_range", [RANGE, None, (7.0, 7.0)])
def test_grey_of_16_bits_is_mapped_by_the_range_of_the_run(
    tmp_path: Path, suffix: str, depth_range: tuple[float, float] | None
) -> None:
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(DEEP).save(file)
    np.testing.assert_array_equal(*both(file, depth_range=depth_range))


def test_a_transparent_grey_of_16_bits_becomes_white(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(DEEP).save(file, transparency=int(DEEP[3, 4]))
    np.testing.assert_array_equal(*both(file, depth_range=RANGE))
    assert (read_picture(file, (32, 32), RANGE)[3, 4] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_is_turned_upright_in_either_depth(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    file = tmp_path / f"a.{suffix}"
    for image in (DEEP, GREY):
        Image.fromarray(image).save(file, exif=exif)
        np.testing.assert_array_equal(*both(file, depth_range=RANGE))


@pytest.mark.parametrize(  # white as zero in big-endian order is unknown to Pillow
    ("byteorder", "photometric"), [("<", "minisblack"), (">", "minisblack"), ("<", "miniswhite")]
)
def test_tiffs_of_16_bits_may_have_white_as_zero_and_either_byte_order(
    tmp_path: Path, byteorder: Any, photometric: str
) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, DEEP, photometric=photometric, byteorder=byteorder)
    np.testing.assert_array_equal(*both(file, depth_range=RANGE))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_deeper_grey_is_mapped_by_the_range_and_refused_without_one(tmp_path: Path, dtype: Any) -> None:
    file = tmp_path / "a.tif"
    Image.fromarray(DEEP.astype(dtype)).save(file)
    np.testing.assert_array_equal(*both(file, depth_range=RANGE))
    with pytest.raises(ValueError, match=r"nothing says which values of a picture of mode [FI] are black and white"):
        read_picture(file, (32, 32))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colour_of_16_bits_is_refused_where_training_scaled_it(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    deep = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=2)
    if suffix == "tif":
        tifffile.imwrite(file, deep, photometric="rgb")
    else:
        file.write_bytes(png(deep, 2))
    with pytest.raises(ValueError, match="Pillow cuts 16-bit colour to its upper 8 bits"):
        read_picture(file, (32, 32), RANGE)
    got, expected = both(file)  # of a run on 8 bits the upper ones are right to a grey level
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_opacity_is_composited_on_white(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> None:
    image = Image.fromarray(make_picture(0, seed=0, size=(20, 30)))
    image.putalpha(Image.fromarray(GREY))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(*both(tmp_path / "a.png"))
    Image.fromarray(GREY).convert("P").save(tmp_path / "b.png", transparency=0)
    np.testing.assert_array_equal(*both(tmp_path / "b.png"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_large_jpegs_are_turned_upright_and_reduced(
    tmp_path: Path, make_picture: Callable[..., np.ndarray], orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(make_picture(0, seed=0, size=(260, 520))).save(tmp_path / "a.jpg", exif=exif)
    for at_least in ((32, 32), (65, 32), (32, 65)):  # where height and width decide otherwise
        got, expected = both(tmp_path / "a.jpg", at_least)
        assert max(expected.shape) < 520
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("side", [125, 126, 127, 128, 252, 253, 254, 255, 256, 504, 505, 511, 512])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_are_reduced_from_the_same_size_on(
    tmp_path: Path, make_picture: Callable[..., np.ndarray], side: int, mode: str
) -> None:
    Image.fromarray(make_picture(0, seed=0, size=(side, side + 40))).convert(mode).save(tmp_path / "a.jpg")
    np.testing.assert_array_equal(*both(tmp_path / "a.jpg"))


def test_the_crop_of_the_middle_asks_for_more_pixels(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> None:
    Image.fromarray(make_picture(0, seed=0, size=(130, 130))).save(tmp_path / "a.jpg")
    sizes = [least_size(InputSpec(size=(32, 32), crop=crop, crop_pct=0.8), "none") for crop in ("squash", "center")]
    reduced, whole = (read_picture(tmp_path / "a.jpg", size) for size in sizes)
    assert (reduced.shape, whole.shape) == ((65, 65, 3), (130, 130, 3))
    np.testing.assert_array_equal(*both(tmp_path / "a.jpg", sizes[1]))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "CMYK", "YCbCr"])
def test_other_kinds_are_read_alike(tmp_path: Path, make_picture: Callable[..., np.ndarray], mode: str) -> None:
    suffix = {"CMYK": "tif", "YCbCr": "jpg"}.get(mode, "png")
    Image.fromarray(make_picture(0, seed=0, size=(20, 30))).convert(mode).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(*both(tmp_path / f"a.{suffix}"))
