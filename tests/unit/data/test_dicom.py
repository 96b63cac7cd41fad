from __future__ import annotations

import io
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from unfreeze.data.decoding import read_image
from unfreeze.data.fingerprint import depth_range
from unfreeze.data.headers import read_header
from unfreeze.data.scanning import scan
from unfreeze.errors import ImageError

pytest.importorskip("pydicom", reason="needs the extra dicom")
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage, generate_uid


@contextmanager
def peak_memory_below(n_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()


STORED = np.array([[0, 500], [1000, 2000], [3000, 4095]], np.uint16)


def write(path: Path, values: npt.NDArray[Any], *, syntax: str = ExplicitVRLittleEndian, **elements: object) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = values.shape[2] if values.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored = 12 if values.dtype == np.uint16 else dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())
    return path


def test_the_first_window_of_the_file_is_applied(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", STORED, WindowCenter=[1500, 40], WindowWidth=[1001, 400])
    image = read_image(path)
    expected = np.clip((STORED - 1499.5) / 1000 + 0.5, 0, 1) * 255  # PS3.3, C.11.2.1.2.1
    np.testing.assert_allclose(image[:, :, 0], expected, atol=0.51)
    assert image.shape == (3, 2, 3)


def test_a_window_is_in_the_modalitys_units(tmp_path: Path) -> None:
    window = {"WindowCenter": 40.5, "WindowWidth": 401}
    stored = np.array([[824, 1024], [1064, 1264]], np.uint16)
    image = read_image(write(tmp_path / "a.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024, **window))
    np.testing.assert_array_equal(image[:, :, 0], [[0, 102], [128, 255]])


def test_a_window_on_signed_values(tmp_path: Path) -> None:
    stored = np.array([[-1000, -100], [0, 100]], np.int16)
    image = read_image(write(tmp_path / "a.dcm", stored, WindowCenter=0.5, WindowWidth=201))
    np.testing.assert_array_equal(image[:, :, 0], [[0, 0], [128, 255]])


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    window = {"WindowCenter": 1500, "WindowWidth": 1001}
    plain = read_image(write(tmp_path / "a.dcm", STORED, **window))
    inverted = read_image(write(tmp_path / "b.dcm", STORED, PhotometricInterpretation="MONOCHROME1", **window))
    np.testing.assert_array_equal(inverted, 255 - plain)
    deep = read_image(write(tmp_path / "c.dcm", STORED, PhotometricInterpretation="MONOCHROME1"), depth_range=(0, 4095))
    np.testing.assert_array_equal(deep, 255 - read_image(write(tmp_path / "d.dcm", STORED), depth_range=(0, 4095)))


def test_a_table_of_grey_values_is_applied(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.LUTData = [255, 100, 50, 0]
    stored = np.array([[0, 1], [2, 3]], np.uint16)
    path = write(tmp_path / "a.dcm", stored)
    from pydicom import dcmread

    dataset = dcmread(path)
    table.add_new(0x00283002, "US", [4, 0, 8])
    table.add_new(0x00283006, "US", [255, 100, 50, 0])
    dataset.VOILUTSequence = [table]
    dataset.save_as(path)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], [[255, 100], [50, 0]])


def test_without_a_window_the_range_of_the_data_set_counts(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", STORED)
    write(tmp_path / "b.dcm", STORED // 2)
    found = scan(tmp_path, ["a.dcm", "b.dcm"])
    assert depth_range(found) == (0, 4095)
    assert (found[0].format, found[0].mode) == ("DICOM", "MONOCHROME2")
    image = read_image(tmp_path / "b.dcm", depth_range=depth_range(found))
    np.testing.assert_allclose(image[:, :, 0], STORED // 2 / 4095 * 255, atol=0.51)
    np.testing.assert_array_equal(image, read_image(tmp_path / "b.dcm"))  # 12 stored bits say the same


def test_colour_is_read_as_it_is(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [1, 2, 3]]], np.uint8)
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.dcm", colours)), colours)


def test_eight_bit_grey_is_read_as_it_is(tmp_path: Path) -> None:
    grey = np.array([[0, 7], [200, 255]], np.uint8)
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.dcm", grey))[:, :, 2], grey)


def test_a_file_that_is_deflated_as_a_whole_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", STORED)
    whole = path.read_bytes()
    explicit, deflated = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    bomb = zlib.compress(bytes(50_000_000), 9)
    at = whole.index(explicit)
    head = whole[: at - 2] + len(deflated).to_bytes(2, "little") + deflated + whole[at + len(explicit) :]
    path.write_bytes(head[: head.index(b"\x08\x00\x16\x00")] + bomb)
    for read in (lambda: read_image(path), lambda: read_header(path.read_bytes(), name="a.dcm")):
        with peak_memory_below(20_000_000), pytest.raises(ImageError, match="deflated"):
            read()


def test_several_frames_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.dcm.*2 pages or frames"):
        read_image(write(tmp_path / "a.dcm", STORED, NumberOfFrames=2))


def test_a_file_without_a_picture_is_an_error(tmp_path: Path) -> None:
    from pydicom import dcmread

    dataset = dcmread(write(tmp_path / "a.dcm", STORED))
    del dataset.PixelData
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(ImageError, match=r"a\.dcm.*without a picture"):
        read_image(tmp_path / "a.dcm")


def test_a_compression_that_needs_another_package_is_an_error(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate

    path = write(
        tmp_path / "a.dcm",
        STORED,
        syntax=JPEG2000Lossless,
        PixelData=encapsulate([b"\xff\x4f\xff\x51 nonsense"]),
    )
    with pytest.raises(ImageError, match=r"a\.dcm"):
        read_image(path)


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "a.dcm", np.tile(STORED, (40, 40)))
    payload = path.read_bytes()
    path.write_bytes(payload[: int(share * len(payload))])
    with pytest.raises(ImageError, match=r"a\.dcm"):
        read_image(path)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.dcm", STORED)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r"pip install 'unfreeze\[dicom\]'"):
        read_image(path)
