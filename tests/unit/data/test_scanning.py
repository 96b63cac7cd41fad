from __future__ import annotations

import hashlib
import importlib.resources
from pathlib import Path

import imagehash
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from unfreeze.data.duplicates import MAX_BITS, near_duplicates
from unfreeze.data.fingerprint import Fingerprint, depth_range
from unfreeze.data.memory import ViewMemory
from unfreeze.data.reading import read_views
from unfreeze.data.scanning import scan
from unfreeze.data.spec import InputSpec
from unfreeze.errors import ConfigError


def picture(seed: int, *, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A picture with structure: coarse noise, enlarged."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def made_up(phashes: list[int], thumb: bytes = bytes(range(256)) * 3) -> list[Fingerprint]:
    return [Fingerprint(f"{i}.png", f"{i}", phash=phash, thumb=thumb) for i, phash in enumerate(phashes)]


def test_a_fingerprint_says_what_a_file_holds(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0).save(tmp_path / "a.jpg", exif=exif)
    (found,) = scan(tmp_path, ["a.jpg"])
    assert found.sha256 == hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    assert (found.file, found.mode, found.format, found.size, found.n_frames) == ("a.jpg", "RGB", "JPEG", (64, 96), 1)
    assert (found.depth_min, found.depth_max, found.error) == (None, None, None)
    assert len(found.thumb) == 768


def test_the_perceptual_hash_is_nearly_that_of_imagehash_on_the_whole_picture(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    (found,) = scan(tmp_path, ["a.png"])
    expected = int(str(imagehash.phash(picture(0))), 16)
    assert found.phash is not None
    assert (found.phash ^ expected).bit_count() <= 2


def test_fingerprints_keep_the_order_of_the_files_and_progress_counts_them(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)]
    for i, name in enumerate(names):
        picture(i, size=(16 + 16 * (i % 3), 16)).save(tmp_path / name)
    calls: list[tuple[int, int]] = []
    found = scan(tmp_path, iter(names), progress=lambda n_done, n_all: calls.append((n_done, n_all)))
    assert [f.file for f in found] == names
    assert calls == [(i + 1, 20) for i in range(20)]


def test_what_is_wrong_with_a_file_is_recorded_and_not_raised(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "nan.tif", np.full((8, 8), np.nan, np.float32))
    good, bad, missing, pages, nan = scan(tmp_path, ["good.png", "bad.png", "missing.png", "pages.tif", "nan.tif"])
    assert good.error is None
    assert "bad.png" in str(bad.error)
    assert bad.sha256 == hashlib.sha256((tmp_path / "bad.png").read_bytes()).hexdigest()
    assert "missing.png" in str(missing.error)
    assert missing.sha256 == ""
    assert "3 pages" in str(pages.error)
    assert "not finite" in str(nan.error)


def test_trap_17_one_range_for_all_deep_pictures_of_a_data_set(tmp_path: Path) -> None:
    Image.fromarray(np.array([[100, 900]], np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.array([[50, 4095]], np.uint16)).save(tmp_path / "b.png")
    picture(0).save(tmp_path / "c.png")
    found = scan(tmp_path, ["a.png", "b.png", "c.png"])
    assert [f.mode for f in found] == ["I;16", "I;16", "RGB"]
    assert depth_range(found) == (50, 4095)
    assert depth_range(found[2:]) is None


def test_copies_that_were_resized_stretched_or_compressed_anew_are_found(tmp_path: Path) -> None:
    original = picture(0)
    original.save(tmp_path / "0.png")
    original.save(tmp_path / "1.jpg", quality=60)
    original.resize((48, 32)).save(tmp_path / "2.png")
    original.resize((200, 64)).save(tmp_path / "3.webp", quality=80)
    picture(1).save(tmp_path / "4.png")
    original.point(lambda v: int(0.8 * v + 10)).save(tmp_path / "5.png")
    (tmp_path / "6.png").write_bytes((tmp_path / "4.png").read_bytes())
    found = scan(tmp_path, ["0.png", "1.jpg", "2.png", "3.webp", "4.png", "5.png", "6.png"])
    assert near_duplicates(found) == ((0, 1, 2, 3, 5), (4, 6))


def test_a_deep_picture_and_its_eight_bit_copy_are_found(tmp_path: Path) -> None:
    grey = np.asarray(picture(0).convert("L"))
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey.astype(np.uint16) * 7).save(tmp_path / "b.png")
    assert near_duplicates(scan(tmp_path, ["a.png", "b.png"])) == ((0, 1),)


def test_trap_28_copies_of_a_photograph_that_is_decoded_at_reduced_scale_are_found(tmp_path: Path) -> None:
    original = picture(0, size=(2400, 1800))
    original.save(tmp_path / "0.jpg", quality=95)
    original.resize((1000, 750)).save(tmp_path / "1.jpg", quality=60)
    original.resize((300, 225)).save(tmp_path / "2.png")
    original.resize((640, 640)).save(tmp_path / "3.jpg", quality=75)
    picture(1, size=(2400, 1800)).save(tmp_path / "4.jpg", quality=95)
    found = scan(tmp_path, ["0.jpg", "1.jpg", "2.png", "3.jpg", "4.jpg"])
    assert [f.size for f in found] == [(2400, 1800), (1000, 750), (300, 225), (640, 640), (2400, 1800)]
    assert near_duplicates(found) == ((0, 1, 2, 3),)


def test_flat_pictures_are_alike_only_if_their_bytes_are(tmp_path: Path) -> None:
    for name, colour in (("a", (250, 0, 0)), ("b", (251, 0, 0)), ("c", (250, 0, 0)), ("d", (0, 0, 250))):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    assert near_duplicates(scan(tmp_path, ["a.png", "b.png", "c.png", "d.png"])) == ((0, 2),)


def test_the_same_shape_in_another_colour_is_another_picture(tmp_path: Path) -> None:
    for name, background in (("a", "red"), ("b", "blue")):
        image = Image.new("RGB", (64, 64), background)
        image.paste("white", (10, 20, 40, 50))
        image.save(tmp_path / f"{name}.png")
    assert near_duplicates(scan(tmp_path, ["a.png", "b.png"])) == ()


def test_unreadable_pictures_are_in_no_cluster() -> None:
    found = [Fingerprint("a", "same", error="damaged"), Fingerprint("b", "same", error="damaged")]
    assert near_duplicates(found) == ()


# -- trap 28: perceptual hashes chain


def test_trap_28_clusters_do_not_chain() -> None:
    steps = [(1 << (MAX_BITS * i)) - 1 for i in range(8)]  # each 4 bits from the last
    assert near_duplicates(made_up(steps)) == ((0, 1), (2, 3), (4, 5), (6, 7))


def test_trap_28_more_than_four_bits_are_another_picture() -> None:
    assert near_duplicates(made_up([0, 0b1111 << 20])) == ((0, 1),)
    assert near_duplicates(made_up([0, 0b11111 << 20])) == ()


def test_trap_28_equal_hashes_are_confirmed_on_pixels() -> None:
    rng = np.random.default_rng(0)
    found = [
        Fingerprint(f"{i}", f"{i}", phash=7, thumb=rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
        for i in range(20)
    ]
    assert near_duplicates(found) == ()


@pytest.mark.slow
def test_trap_28_solar_cells_that_look_alike_are_not_joined() -> None:
    elpv = pytest.importorskip("elpv_dataset", reason="needs the package elpv-dataset (extra demo)")
    root = Path(str(importlib.resources.files(elpv))) / "data" / "images"
    found = scan(root, sorted(path.name for path in root.glob("*.png"))[:1200])
    assert all(f.error is None for f in found)
    hashes = np.array([f.phash for f in found], dtype=np.uint64)
    n_within_8 = sum(
        np.unpackbits((hashes[i] ^ np.delete(hashes, i)).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1).min() <= 8
        for i in range(len(hashes))
    )
    assert n_within_8 > 200  # what a plain threshold of 8 bits would take for copies
    assert sum(len(cluster) for cluster in near_duplicates(found)) <= 12


def test_every_pair_within_four_bits_is_found_through_the_bands() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        phash = int(rng.integers(0, 1 << 63))
        other = phash
        for bit in rng.choice(64, MAX_BITS, replace=False):
            other ^= 1 << int(bit)
        assert near_duplicates(made_up([phash, other])) == ((0, 1),)


@pytest.mark.slow
def test_copies_in_the_brain_scans_are_found_and_are_few() -> None:
    root = Path(__file__).parents[4] / "shared" / "data" / "brain_mri"
    if not root.is_dir():
        pytest.skip("needs ../shared/data")
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*.jpg"))
    clusters = near_duplicates(scan(root, files))
    members = {frozenset(files[i] for i in cluster) for cluster in clusters}
    assert any({"notumor/Tr-no_0436.jpg", "notumor/Tr-no_1422.jpg"} <= cluster for cluster in members)
    assert 10 <= len(members) <= 60


# -- the views that a scan leaves in a memory

SPEC = InputSpec(size=(32, 32))


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[str, ...]:
    """Names of a large photo, a small one, a PNG, a deep picture and a damaged one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0, size=(1400, 1000)).save(tmp_path / "large.jpg", exif=exif)
    picture(1).save(tmp_path / "small.jpg")
    picture(2).save(tmp_path / "a.png")
    Image.fromarray(np.array([[100, 900]], np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "bad.jpg").write_bytes((tmp_path / "small.jpg").read_bytes()[:300])
    return "large.jpg", "small.jpg", "a.png", "deep.png", "bad.jpg"


@pytest.mark.parametrize("size", [(32, 32), (224, 224), (400, 400)])
@pytest.mark.parametrize("crop", ["squash", "center"])
def test_a_scan_keeps_the_very_views_that_are_read_later(
    tmp_path: Path, mixed: tuple[str, ...], size: tuple[int, int], crop: str
) -> None:
    spec = InputSpec(size=size, crop="center" if crop == "center" else "squash", crop_pct=0.9)
    memory = ViewMemory()
    scan(tmp_path, mixed, spec=spec, memory=memory)
    ranged = InputSpec(size=size, crop=spec.crop, crop_pct=0.9, depth_range=(100, 900))
    for name in mixed[:3]:
        expected = read_views(tmp_path / name, spec)[0]
        for asked in (spec, ranged):
            kept = memory.get(str(tmp_path / name), asked)
            assert kept is not None
            assert torch.equal(kept, expected)
    assert memory.get(str(tmp_path / "deep.png"), spec) is None  # its range is known after the scan
    assert memory.get(str(tmp_path / "bad.jpg"), spec) is None


def test_fingerprints_do_not_depend_on_whether_views_are_kept(tmp_path: Path, mixed: tuple[str, ...]) -> None:
    plain = scan(tmp_path, mixed)
    for size in ((32, 32), (400, 400)):
        assert scan(tmp_path, mixed, spec=InputSpec(size=size), memory=ViewMemory()) == plain


def test_a_scan_keeps_to_the_budget_of_the_memory(tmp_path: Path, mixed: tuple[str, ...]) -> None:
    memory = ViewMemory(max_bytes=3 * 32 * 32)
    assert len(scan(tmp_path, mixed, spec=SPEC, memory=memory)) == len(mixed)
    assert memory.n_bytes == 3 * 32 * 32


def test_a_picture_of_an_extreme_shape_is_scanned_all_the_same(tmp_path: Path) -> None:
    Image.new("RGB", (30_000, 1), "red").save(tmp_path / "thin.png")
    (found,) = scan(tmp_path, ["thin.png"], spec=SPEC, memory=ViewMemory())
    assert (found.error, found.size) == (None, (30_000, 1))


def test_a_memory_without_a_spec_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give both spec and memory"):
        scan(tmp_path, [], memory=ViewMemory())
    with pytest.raises(ConfigError, match="give both spec and memory"):
        scan(tmp_path, [], spec=SPEC)
