"""Which files of a folder are pictures, and which are left out as hidden, system or foreign files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from unfreeze.data.dataset import name_some
from unfreeze.errors import DataError

__all__ = [
    "IMAGE_EXTENSIONS",
    "RUN_FILE",
    "Listing",
    "escape_name",
    "find_images",
    "is_hidden",
    "is_text",
    "iterate_images",
    "list_folder",
]

IMAGE_EXTENSIONS = frozenset(
    {
        ".bmp",
        ".dcm",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)

# Left behind by macOS, Windows, NAS boxes and file systems; names with a leading dot are hidden anyway.
SYSTEM_NAMES = frozenset(
    {
        "__macosx",
        "__pycache__",
        "@eadir",
        "#recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
    }
)

RUN_FILE = "run.json"

_Kind = Literal["picture", "other", "folder", "run"]


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a folder; all names are relative to it, with "/" between the parts, and sorted.

    Attributes:
        pictures: files with a picture's extension, in upper or lower case.
        others: all other files that are neither hidden nor a system's.
        folders: all folders that are neither hidden nor a system's.
        runs: folders that are run directories of unfreeze; nothing in them is listed.
    """

    pictures: tuple[str, ...]
    others: tuple[str, ...]
    folders: tuple[str, ...]
    runs: tuple[str, ...]


def list_folder(root: Path) -> Listing:
    """List a folder to any depth; links are followed, unless they lead back to where they lie in.

    Raises:
        DataError: a folder that may not be read, or names that are not text.
    """
    found: dict[_Kind, list[str]] = {"picture": [], "other": [], "folder": [], "run": []}
    for kind, name in _walk(root, only_text=True):
        found[kind].append(name)
    return Listing(*(tuple(sorted(found[kind])) for kind in ("picture", "other", "folder", "run")))


def find_images(root: str | Path) -> tuple[str, ...]:
    """Return the pictures below a folder; see `iterate_images`."""
    return tuple(iterate_images(root))


def iterate_images(root: str | Path) -> Iterator[str]:
    """Iterate over the pictures below a folder, at any depth: sorted names relative to it, "/" between the parts.

    Hidden and system files and run directories are left out. Names that are not valid UTF-8 come too, as Python has
    them (`is_text` tells). Names are not kept, but for those of the folders that are being walked through.

    Raises:
        DataError: not a folder, or a folder that may not be read; with the first picture at the earliest.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f'Expected a folder with pictures, but "{folder}" is not a folder.')
    yield from (name for kind, name in _walk(folder, only_text=False) if kind == "picture")


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name (without its path) is hidden or a system's.

    >>> is_hidden("._cat.jpg"), is_hidden("Thumbs.db"), is_hidden("cat.jpg")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_picture(name: str) -> bool:
    """Tell whether a file name has a picture's extension, in upper or lower case."""
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS


def escape_name(name: str) -> str:
    r"""Return a file's name as text that can be written: of bytes that are not valid UTF-8, their numbers.

    >>> escape_name("café.jpg"), escape_name(os.fsdecode(b"caf\xe9.jpg"))
    ('café.jpg', 'caf\\xe9.jpg')
    """
    return name if is_text(name) else os.fsencode(name).decode(errors="backslashreplace")


def is_text(name: str) -> bool:
    """Tell whether a file's name is valid UTF-8; no other can be written into a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path, *, only_text: bool) -> Iterator[tuple[_Kind, str]]:
    """Iterate over what lies below a folder, files in the order of their names relative to it."""
    real = os.path.realpath(root)
    open_folders = [("", iter(_names(root, "", only_text=only_text)), frozenset({real}))]  # name, rest, those above
    while open_folders:
        prefix, remaining, above = open_folders[-1]
        each = next(remaining, None)
        if each is None:
            open_folders.pop()
            continue
        name = prefix + each.removesuffix("/")
        if not each.endswith("/"):
            yield ("picture" if is_picture(name) else "other"), name
            continue
        real = os.path.realpath(root / name)
        if real in above:
            continue
        inside = _names(root, name, only_text=only_text)
        if RUN_FILE in inside:
            yield "run", name
            continue
        yield "folder", name
        open_folders.append((f"{name}/", iter(inside), above | {real}))


def _names(root: Path, prefix: str, *, only_text: bool) -> list[str]:
    """Return the sorted names in a folder, those of folders with "/" behind them.

    A folder so stands where what is in it does: "a-b.png" before "a/c.png".
    """
    folder = root / prefix
    try:
        with os.scandir(folder) as found:
            names = [f"{each.name}/" if each.is_dir() else each.name for each in found if not is_hidden(each.name)]
    except PermissionError:
        raise DataError(
            f'The folder "{escape_name(str(folder))}" may not be read. Change its permissions, or take it out of the '
            "data."
        ) from None
    if only_text and (strange := [name for name in names if not is_text(name)]):
        named = name_some(ascii(name.removesuffix("/")) for name in strange)
        raise DataError(f'Names in "{folder}" that are not valid UTF-8: {named}. Rename these files.')
    return sorted(names)
