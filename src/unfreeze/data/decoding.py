"""The one documented conversion of a picture file to 8-bit RGB.

Every picture that unfreeze looks at, in training, prediction and serving, comes through `read_image`
(docs/reference/images.md has the same as a table):

1. The content decides the format, not the name: JPEG, MPO, PNG, WebP, TIFF, BMP, GIF, PPM, DICOM.
2. The picture is turned upright by its EXIF orientation.
3. Grey becomes three equal channels; a palette becomes its colours; 1 bit becomes 0 and 255.
4. Opacity, of whatever kind, is composited on white.
5. CMYK becomes (1 - ink)·(1 - black), after Adobe's inversion is undone. Colour profiles are not applied.
6. More than 8 bits a channel are scaled so that one range for the whole data set becomes 0..255,
   and are rounded: never cut to the upper 8 bits, never stretched picture by picture.
7. Of an MPO file (stereo and burst cameras) the first picture counts. Any other file of several pages or
   frames, more than four channels, and whatever is damaged or cut off is an `ImageError`.

JPEG is decoded by libjpeg-turbo (`unfreeze.data.jpeg`) with the accurate DCT and smooth chroma upsampling: the fast
ones shift features by up to 10%. Where the caller says to what size it will resize, a JPEG is decoded at a half, a
quarter or an eighth of its size while that leaves at least twice what is needed.
"""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageChops, PpmImagePlugin, TiffImagePlugin, UnidentifiedImageError

from unfreeze.data.deep import (
    FULL_16_BIT,
    REDUCED_OR_MASK,
    full_range_of,
    is_deep_png,
    is_tiff,
    read_deep_png,
    read_deep_tiff,
    read_tiff,
    refuse_frames,
    refuse_size,
)
from unfreeze.data.jpeg import is_plain_jpeg, read_jpeg
from unfreeze.data.pixels import Pixels
from unfreeze.errors import ImageError, TooManyPixelsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FORMATS",
    "decode",
    "decoder_version",
    "read_bytes",
    "read_image",
    "telling_what_is_wrong",
]

FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "TIFF",
    "BMP",
    "GIF",
    "PPM",
)  # all of Pillow's would include EPS, which starts a program
WHITE = 255
BITS_PER_BYTE = 8
DICOM_AT = slice(128, 132)


def read_image(
    path: Path | str, *, depth_range: tuple[float, float] | None = None, at_least: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Read one picture file as 8-bit RGB, by the conversion that this module documents.

    Args:
        path: the file.
        depth_range: the values that become 0 and 255 in a picture of more than 8 bits: that of the data set
            in training (`depth_range` of its fingerprints), that of model.json in prediction. Without it,
            0..65535 for unsigned 16 bits and 0..1 for fractions; 8-bit pictures never use it.
        at_least: the height and width, upright, that the caller will resize to at most. A JPEG of which a half, a
            quarter or an eighth is at least twice that in both directions is then decoded at that scale. Without
            it, and in any other format, the whole picture is decoded. `unfreeze.data.read_views` sets it.

    Returns:
        uint8, (height, width, 3), upright, contiguous.

    Raises:
        ImageError: the file cannot be read, or is of a kind that has no single reading; it names the file.
    """
    return decode(read_bytes(path), name=str(path), at_least=at_least).to_rgb(depth_range)


@cache
def decoder_version() -> str:
    """Return what turns files into views, with the versions that a pixel may depend on."""
    packages = ["pillow", "simplejpeg", "tifffile", "torchvision"]
    if find_spec("pydicom") is not None:
        packages.append("pydicom")
    return " ".join(f"{package} {metadata.version(package)}" for package in packages)


def read_bytes(path: Path | str) -> bytes:
    """Read a file whole.

    Raises:
        ImageError: it is missing, is a folder, or may not be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(
            f'"{path}" cannot be opened: {error.strerror or error}. Check the name and the rights.'
        ) from error


def decode(payload: bytes, *, name: str, at_least: tuple[int, int] | None = None) -> Pixels:
    """Decode the bytes of one picture file, upright, in the depth that it has; `at_least` is that of `read_image`.

    Raises:
        ImageError: as `read_image`; `name` stands in its message.
    """
    with telling_what_is_wrong(payload, name):
        return _decode(payload, name, at_least)


@contextmanager
def telling_what_is_wrong(payload: bytes, name: str) -> Iterator[None]:
    """Turn whatever readers raise about the bytes of a picture file into an `ImageError` that names the picture.

    Raises:
        TooManyPixelsError: it has more pixels than are decoded.
        ImageError: it is empty, damaged or cut off.
    """
    if not payload:
        raise ImageError(f'"{name}" is empty (0 bytes). Replace it or leave it out.')
    try:
        with _decoders_are_silent():
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(
            f'"{name}" is too large to be read: {error} Scale it down or cut it into tiles.'
        ) from error
    except Exception as error:  # on damaged bytes readers raise nearly everything there is
        raise ImageError(
            f'"{name}" is damaged or cut off: {str(error) or type(error).__name__}. Replace it or leave it out.'
        ) from error


def _decode(payload: bytes, name: str, at_least: tuple[int, int] | None) -> Pixels:
    if payload[DICOM_AT] == b"DICM":
        from unfreeze.data.dicom import decode_dicom

        return decode_dicom(payload, name=name)
    try:
        image = Image.open(io.BytesIO(payload), formats=FORMATS)
    except UnidentifiedImageError:
        if is_tiff(payload):  # fractions in colour, five channels and more: Pillow knows none of them
            return read_tiff(payload, name)
        raise ImageError(
            f'"{name}" is not a picture of a known format, or its beginning is damaged (known: '
            f"{', '.join(FORMATS)}, MPO, DICOM). Convert it to PNG or leave it out."
        ) from None
    with image:
        refuse_size(image.width * image.height, name)
        n_frames = _count_frames(image)
        if n_frames > 1:
            refuse_frames(n_frames, name)
        if is_plain_jpeg(image):
            found = read_jpeg(payload, image, name, orientation=_exif_orientation(image), at_least=at_least)
            if found is not None:
                return found
        if is_deep_png(payload):
            pixels = read_deep_png(payload, name, transparent=image.info.get("transparency"))
            return pixels.turned(_exif_orientation(image))
        if isinstance(image, TiffImagePlugin.TiffImageFile) and _is_deep_colour(image):
            return read_deep_tiff(payload, image, name)
        _refuse_deep_ppm(image, name)
        image.load()  # before EXIF is asked for: Pillow turns TIFF upright itself, and then says so
        return _pixels(image, name).turned(_exif_orientation(image))


def _pixels(image: Image.Image, name: str) -> Pixels:
    """Turn a loaded Pillow image into pixels, not yet upright."""
    form = str(image.format)
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image, name)
    mode = image.mode
    if mode == "CMYK" and form in {"JPEG", "MPO"} and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for Adobe's, which stores 255 - ink
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours)
    return Pixels(name, np.asarray(image.convert("RGB")), mode, form)


def _deep_grey(image: Image.Image, name: str) -> Pixels:
    """Read grey of 16 bits, 32 bits or fractions; Pillow keeps these in full depth."""
    values: npt.NDArray[Any] = np.asarray(image)
    tags: Any = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16)  # in the machine's byte order
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            values = np.uint16(FULL_16_BIT[1]) - values  # white is zero, which Pillow minds for 8 bits only
    elif image.mode == "I" and tags.get(ExifTags.Base.BitsPerSample) == (32,):
        signed = tags.get(ExifTags.Base.SampleFormat, (1,)) == (2,)
        values = values if signed else values.view(np.uint32)
    alpha = None
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = (values != key).astype(np.float32)
    # Pillow brings PGM of whatever depth to all of 16 bits, in a wider type
    full_range = FULL_16_BIT if image.format == "PPM" and image.mode == "I" else full_range_of(values)
    return Pixels(name, values[:, :, None], image.mode, str(image.format), alpha=alpha, full_range=full_range)


def _count_frames(image: Image.Image) -> int:
    """Count the pages or frames that are pictures of their own."""
    n_frames: int = getattr(image, "n_frames", 1)
    if n_frames == 1 or image.format == "MPO":
        return 1
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return n_frames
    own = 0
    for page in range(n_frames):
        image.seek(page)
        own += not int(image.tag_v2.get(254, 0)) & REDUCED_OR_MASK  # scanners add a thumbnail as a page
    image.seek(0)
    return max(own, 1)


def _is_deep_colour(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Say whether Pillow would cut this TIFF: more than 8 bits in several channels.

    CMYK stays with Pillow: ink has a fixed full scale, so its upper 8 bits are all that RGB could show.
    """
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))
    return len(bits) > 1 and max(bits) > BITS_PER_BYTE and image.mode != "CMYK"


def _refuse_deep_ppm(image: Image.Image, name: str) -> None:
    """Raise ImageError for colour of more than 8 bits in a PPM, which Pillow would cut."""
    args = image.tile[0].args if isinstance(image, PpmImagePlugin.PpmImageFile) else ()
    if image.mode in {"RGB", "RGBA"} and any(isinstance(arg, int) and arg > WHITE for arg in args or ()):
        raise ImageError(f'"{name}" is a PPM of more than 8 bits a colour, which is not read. Save it as 16-bit PNG.')


def _exif_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - a damaged EXIF block raises anything, and leaves the pixels readable
        return 1


class _Silence:
    """How many threads are decoding now, and the filter that keeps the decoders' warnings from the user."""

    lock = threading.Lock()
    n_inside = 0
    entry: Any = None


@contextmanager
def _decoders_are_silent() -> Iterator[None]:
    """Ignore the decoders' warnings: what they are about is either harmless or raised as an error.

    `warnings.catch_warnings` is not safe in threads: it would restore another thread's filters.
    """
    with _Silence.lock:
        _Silence.n_inside += 1
        if _Silence.n_inside == 1:
            warnings.filterwarnings("ignore", module=r"(PIL|pydicom|tifffile)\.")
            _Silence.entry = warnings.filters[0]
    try:
        yield
    finally:
        with _Silence.lock:
            _Silence.n_inside -= 1
            if _Silence.n_inside == 0 and _Silence.entry in warnings.filters:
                warnings.filters.remove(_Silence.entry)  # type: ignore[attr-defined]  # a list, typed as Sequence
