"""What a class folder and a picture in it may be called, so that every system and a later training read them alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from unfreeze.data.folder import SPLIT_NAMES
from unfreeze.data.listing import is_hidden
from unfreeze.errors import ConfigError, DataError

__all__ = ["RECORDINGS", "check_class_name", "check_recording", "is_recorded", "picture_name"]

MAX_NAME_BYTES = 200  # file systems take 255, of which something is left for those who add to it
N_HASH_DIGITS = 16  # of a picture's sha256: 64 bits, so that no two pictures of a folder ever meet
FORBIDDEN = frozenset('/\\<>:"|?*')  # paths on one system or another
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "mpo",
    "PNG": "png",
    "WEBP": "webp",
    "TIFF": "tif",
    "BMP": "bmp",
    "GIF": "gif",
    "PPM": "ppm",
    "DICOM": "dcm",
}
RECORDING = re.compile(r"[0-9a-f]{8}")
# Pictures of one recording belong together: `--group` with this pattern keeps them on one side of a split, and every
# other picture by itself. The slash makes it be searched in the whole path, the class included.
RECORDINGS = r"^.*/recording-[0-9a-f]{8}(?=-)|^.+"


def check_class_name(name: str, others: Iterable[str] = ()) -> str:
    """Return the name of a class as its folder is called: trimmed, and in Unicode's composed form.

    Args:
        name: as the user typed it.
        others: the classes that there are already.

    Raises:
        ConfigError: it cannot be a folder's name everywhere, would be hidden or taken for a part of a split, or
            differs from another class in upper and lower case only.

    >>> check_class_name("  coffee mug ")
    'coffee mug'
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    problem = _problem(cleaned)
    if problem is None:
        twin = next((other for other in others if other.casefold() == cleaned.casefold()), None)
        if twin is None:
            return cleaned
        problem = (
            "there is one" if twin == cleaned else f'it differs from the class "{twin}" in its letters\' case only'
        )
    raise ConfigError(f'A class cannot be called "{_shown(name)}": {problem}. Choose another name.')


def picture_name(sha256: str, form: str, recording: str | None = None) -> str:
    """Return what a picture's file is called, by its content.

    Args:
        sha256: of its bytes.
        form: its format, as a fingerprint has it.
        recording: of which recording it is a frame; None: of none.

    >>> picture_name("ab" * 32, "JPEG", "0011aabb")
    'recording-0011aabb-abababababababab.jpg'
    """
    if form not in EXTENSIONS:
        raise DataError(f"Pictures of the format {form} cannot be added; convert it to JPEG or PNG.")
    prefix = "" if recording is None else f"recording-{recording}-"
    return f"{prefix}{sha256[:N_HASH_DIGITS]}.{EXTENSIONS[form]}"


def check_recording(recording: str | None) -> str | None:
    """Return the name of a recording, None for none.

    Raises:
        ConfigError: it is not eight hexadecimal digits.
    """
    if recording is not None and not RECORDING.fullmatch(recording):
        raise ConfigError("A recording is named by eight hexadecimal digits, such as 0011aabb.")
    return recording


def is_recorded(file: str) -> bool:
    """Tell whether a picture is a frame of a recording, by its name.

    >>> is_recorded("mug/recording-0011aabb-abababababababab.jpg"), is_recorded("mug/abababababababab.jpg")
    (True, False)
    """
    return re.match(r"recording-[0-9a-f]{8}-", PurePosixPath(file).name) is not None


def _problem(name: str) -> str | None:
    """Say why a folder should not be called so; None if it may."""
    rules = (
        (not name, "it is empty"),
        (not name.isprintable(), "it holds characters that cannot be seen"),
        (any(char in FORBIDDEN for char in name), f"it holds one of {' '.join(sorted(FORBIDDEN))}"),
        (is_hidden(name), "such folders are hidden, or a system's"),
        (name.endswith("."), "it ends with a full stop"),
        (name.casefold() in SPLIT_NAMES, "folders of this name are parts of a split"),
        (name.partition(".")[0].casefold() in DEVICES, "it is the name of a device on some systems"),
        (len(name.encode(errors="replace")) > MAX_NAME_BYTES, f"it is longer than {MAX_NAME_BYTES} bytes"),
    )
    return next((problem for broken, problem in rules if broken), None)


def _shown(name: str) -> str:
    """Return a name for a message, whatever is in it."""
    text = "".join(char if char.isprintable() else "�" for char in name)
    return text if len(text) <= MAX_NAME_BYTES else f"{text[:40]}…"
