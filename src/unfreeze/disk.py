"""Files that a power cut leaves as they were before, or as they are after."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["replace_on_disk", "sync_directory"]


def replace_on_disk(part: Path, path: Path) -> None:
    """Give a finished file its name, in one step; a file of that name is replaced. Its bytes are on the disk first.

    Args:
        part: the file, closed, in the same file system.
        path: what it is to be called.

    Raises:
        OSError: there is no room for what was still to be written, or the file cannot be renamed.
    """
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)  # noqa: PTH105 - says that an existing file is replaced, in one step
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Bring a directory's entries to the disk, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
