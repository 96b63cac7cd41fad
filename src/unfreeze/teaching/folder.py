"""The class folders of a lesson on disk: the one truth about which pictures there are, and what they show."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unfreeze.data.folder import SPLIT_NAMES, Layout, class_layout
from unfreeze.data.listing import RUN_FILE, is_hidden, list_folder
from unfreeze.data.table import TABLE_EXTENSIONS
from unfreeze.errors import ConfigError, DataError, NoSuchClassError, NoSuchPictureError, did_you_mean
from unfreeze.teaching.names import check_class_name

__all__ = ["REMOVED", "ClassFolders", "Contents", "no_such_class"]

REMOVED = ".removed"  # hidden, so that nothing reads it: what was taken out can be put back by hand


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder of class folders holds.

    Attributes:
        classes: names of all class folders, empty ones too, sorted.
        layout: the pictures in them.
    """

    classes: tuple[str, ...]
    layout: Layout


class ClassFolders:
    """A folder with one folder of pictures for each class, and all that is changed in it.

    Every change is made in one step of the file system, so that another program, or a training, never sees half of it.
    What is removed is moved to the hidden folder `.removed` beside the classes, never deleted. Not safe for several
    threads at once.

    Args:
        root: the folder; made if it does not exist.

    Raises:
        ConfigError: it cannot be one: it is a file, a run, has folders named train, val or test, or a table with
            pictures instead of class folders.
        DataError: it may not be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if root.exists() and not root.is_dir():
            raise ConfigError(f'"{root}" is a file; give a folder with one folder of pictures per class, or a new one.')
        if (root / RUN_FILE).exists():
            raise ConfigError(f'"{root}" is a run; give the folder of the pictures that are to be learned from.')
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f'The folder "{root}" cannot be made: {error.strerror}. Name another.') from None
        self.read()

    def read(self) -> Contents:
        """Read which classes and pictures there are now.

        Raises:
            ConfigError: there are folders train, val or test, or a table that a training would read instead.
            DataError: the folder may not be read.
        """
        listing = list_folder(self.root)
        layout = class_layout(listing)
        if layout.splits is not None or layout.empty_splits:
            named = sorted({name for name in listing.folders if name.lower() in SPLIT_NAMES})
            raise ConfigError(
                f'"{self.root}" is divided by folders ({", ".join(named)}), which pictures cannot be added to here. '
                "Give one of them, or a folder of class folders; `unfreeze train` takes it as it is."
            )
        tables = [name for name in listing.others if "/" not in name and Path(name).suffix.lower() in TABLE_EXTENSIONS]
        if tables and listing.pictures and not layout.files:
            raise ConfigError(
                f'"{self.root}" has a table ({tables[0]}) and no class folders. Give another folder; '
                "`unfreeze train` takes a table."
            )
        filled = set(layout.classes)
        used = {name.split("/")[0] for name in (*listing.pictures, *listing.others, *listing.runs) if "/" in name}
        nested = {name.split("/")[0] for name in listing.folders if "/" in name}
        empty = {name for name in listing.folders if "/" not in name} - used - nested
        return Contents(classes=tuple(sorted(filled | empty)), layout=layout)

    def add_class(self, name: str) -> str:
        """Make the folder of a new class; return its name.

        Raises:
            ConfigError: it cannot be called so, or cannot be made.
        """
        cleaned = check_class_name(name, self._taken())
        try:
            (self.root / cleaned).mkdir()
        except OSError as error:
            raise ConfigError(f'The folder of the class "{cleaned}" cannot be made: {error.strerror}.') from None
        return cleaned

    def rename_class(self, name: str, to: str) -> str:
        """Rename a class and its folder; return the new name.

        Raises:
            NoSuchClassError: there is no such class.
            ConfigError: it cannot be called so.
        """
        self._check_class(name)
        cleaned = check_class_name(to, [other for other in self._taken() if other != name])
        if cleaned != name:
            try:
                (self.root / name).rename(self.root / cleaned)
            except OSError as error:
                raise ConfigError(f'The class "{name}" cannot be renamed: {error.strerror}.') from None
        return cleaned

    def remove_class(self, name: str) -> None:
        """Take a class out, with all its pictures.

        Raises:
            NoSuchClassError: there is no such class.
            DataError: it cannot be moved.
        """
        self._check_class(name)
        self._put_away(self.root / name, name)

    def add_picture(self, class_name: str, file_name: str, payload: bytes) -> str:
        """Write a picture's file whole or not at all; return its name relative to the folder.

        Raises:
            NoSuchClassError: there is no such class.
            DataError: it cannot be written.
        """
        self._check_class(class_name)
        target = self.root / class_name / file_name
        part = target.with_name(f".{file_name}.{secrets.token_hex(4)}.part")  # hidden: never taken for a picture
        try:
            part.write_bytes(payload)
            os.replace(part, target)  # noqa: PTH105 - says that it is one step
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise DataError(f'The picture cannot be written to "{target.parent}": {error.strerror}.') from None
        return f"{class_name}/{file_name}"

    def remove_picture(self, file: str) -> None:
        """Take a picture out.

        Args:
            file: its name relative to the folder, one of those that `read` returns.

        Raises:
            NoSuchPictureError: it is not there any more.
            DataError: it cannot be moved.
        """
        if not (self.root / file).exists():
            raise NoSuchPictureError(f'The picture "{file}" is not there any more. Let the folder be read anew.')
        self._put_away(self.root / file, file)

    def _put_away(self, path: Path, name: str) -> None:
        target = self.root / REMOVED / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            while target.exists():
                target = target.with_name(f"{secrets.token_hex(2)}-{target.name}")
            path.rename(target)
        except OSError as error:
            raise DataError(f'"{path}" cannot be moved to "{target.parent}": {error.strerror}.') from None

    def _taken(self) -> Iterable[str]:
        """Return the names of all folders and files at the top, hidden ones too."""
        return [entry.name for entry in self.root.iterdir()]

    def _check_class(self, name: str) -> None:
        """Raise unless a class folder has this very name: no path leads elsewhere."""
        with os.scandir(self.root) as entries:
            folders = [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
        if name not in folders:
            raise no_such_class(name, folders)


def no_such_class(name: str, known: Iterable[str]) -> NoSuchClassError:
    """Return the error that says that a class is not there, with those that are called almost so."""
    return NoSuchClassError(
        f'There is no class "{name}".{did_you_mean(name, known)} It may have been renamed or removed.'
    )
