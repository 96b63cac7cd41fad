"""DICOM pictures, through the extra `unfreeze[dicom]` (pydicom)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from unfreeze.data.deep import full_range_of, refuse_frames, refuse_size
from unfreeze.data.pixels import Pixels
from unfreeze.errors import ImageError

__all__ = ["decode_dicom", "read_dicom"]

WHITE = np.uint8(255)
PREAMBLE_LENGTH = 132  # bytes, with "DICM" at their end
META_GROUP = 0x0002  # describes the file, and is never compressed
TRANSFER_SYNTAX = 0x0002_0010
DEFLATED = "1.2.840.10008.1.2.1.99"


def read_dicom(payload: bytes, *, name: str, with_pixels: bool = True) -> Any:
    """Return a DICOM file's `pydicom.Dataset`.

    Raises:
        ImageError: pydicom is missing, or the file is deflated as a whole: pydicom would unpack all of it, a thousand
            times its size, before it could be asked how large the picture is.
    """
    try:
        import pydicom
        from pydicom.filereader import data_element_generator
    except ImportError:
        raise ImageError(
            f"\"{name}\" is a DICOM picture, which needs the package pydicom: pip install 'unfreeze[dicom]'"
        ) from None
    file = io.BytesIO(payload)
    file.seek(PREAMBLE_LENGTH)
    meta = data_element_generator(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, _vr, _length: tag >> 16 != META_GROUP
    )
    for element in meta:
        if element.tag == TRANSFER_SYNTAX and bytes(element.value or b"").rstrip(b"\0 ") == DEFLATED.encode():
            raise ImageError(f'"{name}" is a deflated DICOM file, which is not read. Save it uncompressed.')
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=not with_pixels)


def decode_dicom(payload: bytes, *, name: str) -> Pixels:
    """Decode one DICOM picture as its file says it is to be seen.

    The modality's rescaling is applied (a CT becomes Hounsfield units), then the file's first window
    (or its table of grey values), which makes it 8-bit; MONOCHROME1 is inverted. A picture of more than 8 bits
    without a window keeps its values and is scaled by the range of the data set, as other deep pictures are.

    Raises:
        ImageError: pydicom is missing, several frames, no pixels, a compression that needs another package.
    """
    dataset = read_dicom(payload, name=name)
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise ImageError(f'"{name}" is a DICOM file without a picture (no pixel data). Leave it out.')
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    if n_frames > 1:
        refuse_frames(n_frames, name)
    refuse_size(int(dataset.Rows) * int(dataset.Columns), name)
    try:
        stored: npt.NDArray[Any] = dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        raise ImageError(
            f'"{name}" is a DICOM picture whose pixels cannot be decoded: {error}. '
            "Install the package that it names, or save the picture uncompressed."
        ) from error
    if int(dataset.get("SamplesPerPixel", 1)) > 1:
        return _colour(stored, dataset, name)
    return _grey(stored, dataset, name)


def _colour(stored: npt.NDArray[Any], dataset: Any, name: str) -> Pixels:
    """Colours are final; pydicom has turned YBR into RGB."""
    if stored.dtype != np.uint8:
        return Pixels(name, stored, "RGB;16", "DICOM", full_range=full_range_of(stored))
    return Pixels(name, stored, str(dataset.PhotometricInterpretation), "DICOM")


def _grey(stored: npt.NDArray[Any], dataset: Any, name: str) -> Pixels:
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)
        n_bits = 8 * colours.dtype.itemsize
        return Pixels(name, (colours >> (n_bits - 8)).astype(np.uint8), photometric, "DICOM")
    values = apply_modality_lut(stored, dataset)
    seen = _windowed(values, dataset)
    inverted = photometric == "MONOCHROME1"
    if seen is None and values.dtype == np.uint8:
        seen = values
    if seen is not None:
        return Pixels(name, (WHITE - seen if inverted else seen)[:, :, None], photometric, "DICOM")
    low, high = _scale_ends(dataset)
    if inverted:
        values = low + high - values.astype(np.float64)
    return Pixels(name, values[:, :, None], photometric, "DICOM", full_range=(low, high))


def _windowed(values: npt.NDArray[Any], dataset: Any) -> npt.NDArray[np.uint8] | None:
    """Apply the first window or grey value table of the file (PS3.3, C.11.2); None if it has neither.

    pydicom answers in the scale of the stored values. What it gives far below and far above the window
    are that scale's ends, which become 0 and 255.
    """
    from pydicom.pixels import apply_voi, apply_windowing

    if "VOILUTSequence" in dataset:
        n_bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        seen = apply_voi(values, dataset)
        low, high = 0.0, float((1 << n_bits) - 1)
    elif "WindowCenter" in dataset and "WindowWidth" in dataset:
        center, width = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
        ends = apply_windowing(np.array([center - 100 * width, center + 100 * width]), dataset)
        low, high = float(ends[0]), float(ends[1])
        seen = apply_windowing(values, dataset)
    else:
        return None
    share: npt.NDArray[np.float64] = np.clip((seen - low) / (high - low), 0, 1)
    return np.rint(share * WHITE).astype(np.uint8)


def _first(value: Any) -> float:
    """Return the first of one or several values."""
    return float(np.atleast_1d(np.asarray(value, dtype=np.float64))[0])


def _scale_ends(dataset: Any) -> tuple[float, float]:
    """Return the ends of the scale that the file stores, in the modality's units (Hounsfield units, say)."""
    from pydicom.pixels import apply_modality_lut

    n_values = 1 << int(dataset.BitsStored)
    lowest = -(n_values // 2) if int(dataset.get("PixelRepresentation", 0)) == 1 else 0
    ends = apply_modality_lut(np.array([lowest, lowest + n_values - 1]), dataset)
    return float(min(ends)), float(max(ends))
