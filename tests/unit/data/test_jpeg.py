"""JPEG through libjpeg-turbo: as Pillow reads it, and reduced only as far as trap 25 allows."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from unfreeze.data.decoding import decode, read_image
from unfreeze.data.jpeg import MARGIN, jpeg_reduction
from unfreeze.errors import ImageError


def photo(height: int, width: int, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A picture with structure at several scales, (height, width, 3)."""
    rng = np.random.default_rng(seed)
    layers = []
    for side, strength in ((4, 120), (16, 60), (64, 30)):
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        layers.append(strength * (np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / 255.0 - 0.5))
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def jpeg(array: npt.NDArray[np.generic], mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_pillow(payload: bytes, reduction: int = 1) -> npt.NDArray[np.uint8]:
    image = Image.open(io.BytesIO(payload))
    if reduction > 1:
        image.draft(None, (image.width // reduction, image.height // reduction))
    return np.asarray(image.convert("RGB"))


def rotated(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


KINDS = {
    "baseline": {"quality": 90},
    "progressive": {"quality": 90, "progressive": True},
    "halved chroma": {"quality": 80, "subsampling": "4:2:2"},
    "whole chroma": {"quality": 95, "subsampling": "4:4:4"},
    "rgb": {"quality": 90, "keep_rgb": True},
    "restarts": {"quality": 90, "restart_marker_blocks": 3},
}

# -- the whole picture


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_trap_17_a_plain_jpeg_has_the_pixels_that_pillow_reads(kind: str, mode: str) -> None:
    payload = jpeg(photo(121, 83), mode, **KINDS[kind])
    pixels = decode(payload, name="a.jpg")
    assert (pixels.mode, pixels.format, pixels.size, pixels.reduction) == (mode, "JPEG", (83, 121), 1)
    np.testing.assert_allclose(pixels.to_rgb(None).astype(int), by_pillow(payload), atol=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (17, 3)])
def test_tiny_jpegs_are_read_whole(size: tuple[int, int]) -> None:
    image = decode(jpeg(photo(*size)), name="a.jpg", at_least=(1, 1)).to_rgb(None)
    assert image.shape[0] >= min(size[0], MARGIN)
    assert image.shape[1] >= min(size[1], MARGIN)


def test_trap_17_a_cmyk_jpeg_is_left_to_pillow_and_never_reduced() -> None:
    payload = jpeg(photo(400, 400), "CMYK", quality=95)
    pixels = decode(payload, name="a.jpg", at_least=(10, 10))
    assert (pixels.mode, pixels.reduction, pixels.values.shape) == ("CMYK", None, (400, 400, 3))
    np.testing.assert_array_equal(pixels.values, by_pillow(payload))


def test_trap_17_of_an_mpo_the_first_picture_is_read_and_reduced(tmp_path: Path) -> None:
    first, second = Image.fromarray(photo(256, 320)), Image.fromarray(photo(256, 320, seed=1))
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second], quality=90)
    payload = (tmp_path / "a.mpo").read_bytes()
    pixels = decode(payload, name="a.mpo")
    assert pixels.format == "MPO"
    np.testing.assert_allclose(pixels.values.astype(int), by_pillow(payload), atol=2)
    reduced = decode(payload, name="a.mpo", at_least=(64, 64))
    assert (reduced.reduction, reduced.values.shape, reduced.size) == (2, (128, 160, 3), (320, 256))


@pytest.mark.parametrize("folder", ["trashnet", "grocery", "brain_mri"])
def test_real_pictures_have_the_pixels_that_pillow_reads(shared_data: Path, folder: str) -> None:
    files = sorted((shared_data / folder).rglob("*.jpg"))[::20]
    assert len(files) > 20
    for file in files:
        payload = file.read_bytes()
        np.testing.assert_allclose(
            decode(payload, name=file.name).to_rgb(None).astype(int), by_pillow(payload), atol=2, err_msg=str(file)
        )


@pytest.mark.slow
def test_real_photographs_have_the_pixels_that_pillow_reads_whole_and_reduced(shared_data: Path) -> None:
    files = [file for file in sorted((shared_data / "camera_photos").iterdir()) if file.suffix.lower() == ".jpg"]
    assert {decode(file.read_bytes(), name="", at_least=(224, 224)).format for file in files} == {"JPEG", "MPO"}
    for file in files:
        payload = file.read_bytes()
        for reduction, at_least in ((1, None), (4, (224, 224))):
            pixels = decode(payload, name=file.name, at_least=at_least)
            assert pixels.reduction == reduction
            np.testing.assert_allclose(pixels.values.astype(int), by_pillow(payload, reduction), atol=2)


# -- trap 25: reduced only while the picture stays at least twice what is asked for


@pytest.mark.parametrize(
    ("size", "at_least", "reduction"),
    [
        ((3000, 4000), None, 1),
        ((3000, 4000), (224, 224), 4),
        ((3584, 4000), (224, 224), 8),
        ((3577, 4000), (224, 224), 8),  # an eighth rounded up is 448
        ((3576, 4000), (224, 224), 4),
        ((895, 4000), (224, 224), 2),
        ((894, 4000), (224, 224), 1),  # half of it would be 447 rows
        ((4000, 894), (224, 224), 1),
        ((800, 400), (200, 100), 2),
        ((800, 400), (100, 200), 1),
        ((200, 200), (224, 224), 1),
    ],
)
def test_trap_25_a_reduced_picture_stays_twice_what_is_asked_for_in_both_directions(
    size: tuple[int, int], at_least: tuple[int, int] | None, reduction: int
) -> None:
    assert jpeg_reduction(size, at_least) == reduction


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_trap_25_a_reduced_jpeg_has_the_pixels_of_the_accurate_dct(kind: str, reduction: int) -> None:
    payload = jpeg(photo(509, 387), **KINDS[kind])
    least = 387 // (MARGIN * reduction)
    pixels = decode(payload, name="a.jpg", at_least=(least, least))
    assert pixels.reduction == reduction
    assert pixels.values.shape == (-(-509 // reduction), -(-387 // reduction), 3)
    assert pixels.size == (387, 509)
    np.testing.assert_allclose(pixels.values.astype(int), by_pillow(payload, reduction), atol=2)


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_trap_25_a_reduced_jpeg_is_the_whole_one_averaged(reduction: int) -> None:
    payload = jpeg(photo(512, 512), quality=95, subsampling="4:4:4")
    whole = decode(payload, name="a.jpg").to_rgb(None).astype(float)
    n = 512 // reduction
    averaged = whole.reshape(n, reduction, n, reduction, 3).mean(axis=(1, 3))
    reduced = decode(payload, name="a.jpg", at_least=(n // MARGIN, n // MARGIN)).to_rgb(None)
    assert np.abs(reduced - averaged).mean() < 1


def test_trap_25_reducing_is_deterministic() -> None:
    payload = jpeg(photo(300, 300), progressive=True)
    once, again = (decode(payload, name="a.jpg", at_least=(32, 32)).to_rgb(None) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_trap_17_what_is_asked_for_is_upright_and_so_is_a_reduced_picture(tmp_path: Path, orientation: int) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo(400, 200), quality=95, exif=rotated(orientation)))
    tall, wide = (400, 200), (200, 400)
    upright, other = (wide, tall) if orientation >= 5 else (tall, wide)
    asked = (upright[0] // 4, upright[1] // 4)
    image = read_image(tmp_path / "a.jpg", at_least=asked)
    assert image.shape[:2] == (upright[0] // 2, upright[1] // 2)
    assert read_image(tmp_path / "a.jpg", at_least=(other[0] // 4, other[1] // 4)).shape[:2] == upright
    whole = Image.fromarray(read_image(tmp_path / "a.jpg"))
    assert np.abs(image.astype(int) - np.asarray(whole.reduce(2))).mean() < 2
    pixels = decode((tmp_path / "a.jpg").read_bytes(), name="a.jpg", at_least=asked)
    assert (pixels.size, pixels.mode) == ((upright[1], upright[0]), "RGB")


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_other_formats_are_decoded_whole_whatever_is_asked_for(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(photo(200, 300)).save(tmp_path / f"a.{suffix}", lossless=True)
    assert read_image(tmp_path / f"a.{suffix}", at_least=(10, 10)).shape == (200, 300, 3)


# -- damaged and lying files


@pytest.mark.parametrize("at_least", [None, (16, 16)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95, 0.999])
def test_a_jpeg_that_is_cut_off_is_an_error_that_names_it(
    share: float, progressive: bool, at_least: tuple[int, int] | None
) -> None:
    payload = jpeg(photo(200, 200), progressive=progressive)
    with pytest.raises(ImageError, match=r"odd\.jpg.*(damaged|known format)"):
        decode(payload[: int(len(payload) * share)], name="odd.jpg", at_least=at_least)


@pytest.mark.parametrize("at_least", [None, (16, 16)])
@pytest.mark.parametrize("progressive", [False, True])
def test_missing_pixels_are_an_error_though_the_file_has_an_end(
    progressive: bool, at_least: tuple[int, int] | None
) -> None:
    payload = jpeg(photo(200, 200), progressive=progressive)
    with pytest.raises(ImageError, match=r"odd\.jpg.*damaged or cut off.*premature end"):
        decode(payload[: len(payload) // 2] + b"\xff\xd9", name="odd.jpg", at_least=at_least)


def test_what_harms_no_pixel_is_no_error() -> None:
    payload = jpeg(photo(64, 64))
    expected = decode(payload, name="a.jpg").to_rgb(None)
    for odd in (payload + b"something that a camera adds", payload[:-2] + b"stray bytes" + payload[-2:]):
        np.testing.assert_allclose(decode(odd, name="a.jpg").to_rgb(None).astype(int), expected, atol=2)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    payload = bytearray(jpeg(photo(16, 16)))
    at = payload.index(b"\xff\xc0") + 5
    payload[at : at + 4] = struct.pack(">HH", 14_000, 14_000)
    with pytest.raises(ImageError, match=r"bomb\.jpg.*(too large|196,000,000 pixels; at most)"):
        decode(bytes(payload), name="bomb.jpg", at_least=(16, 16))
    payload[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(ImageError, match=r"bomb\.jpg.*too large"):
        decode(bytes(payload), name="bomb.jpg", at_least=(16, 16))


def test_damaged_exif_does_not_make_a_jpeg_unreadable() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff nonsense"
    assert decode(jpeg(photo(40, 30), exif=exif), name="a.jpg").size == (30, 40)
