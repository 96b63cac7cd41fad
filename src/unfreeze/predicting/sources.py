"""Which pictures to predict: files, folders and globs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from glob import glob
from itertools import chain
from pathlib import Path

from unfreeze.data.listing import RUN_FILE, escape_name, is_hidden, is_text, iterate_images
from unfreeze.errors import DataError

__all__ = ["PictureFiles"]


class PictureFiles:
    """The pictures that files, folders (searched to any depth) and globs name, each once, in the order given.

    They can be iterated over again, and come in the same order while the files stay the same. Those of one folder
    are found anew each time: only the names in the folders that are being walked through are in memory. Of several
    paths all names are, so that a picture that two of them name, in whatever spelling, comes once.

    Args:
        given: files, folders and globs. A file that was named is taken for a picture, whatever its name; a folder that
            a glob names is searched like one that was found in a folder: not if it is hidden, a system's or a run's.

    Attributes:
        folders: the folders that are searched.

    Raises:
        DataError: a path or glob that names nothing, or nothing that is a picture, a folder whose own path is not valid
            UTF-8 (all of these are listed); or a folder that may not be read.
    """

    def __init__(self, given: Iterable[str | Path]) -> None:
        named = [(path, _parts(path)) for path in given]
        self._parts = [part for _, parts in named for part in parts]
        self.folders = frozenset(part for part in self._parts if part.is_dir())
        self._n, problems, is_new = 0, list[str](), _Once()
        for path, parts in named:
            if Path(path) in self.folders and not is_text(str(path)):
                problems.append(f'"{escape_name(str(path))}": its path is not valid UTF-8; rename the folder')
                continue
            n_found = 0
            for picture in self._pictures(parts):
                n_found += 1
                self._n += is_new(picture) if len(self._parts) > 1 else 1
            if not n_found:
                problems.append(f'"{escape_name(str(path))}": {self._missing(path, parts)}')
        if problems or not named:
            raise DataError("Expected pictures, folders or globs, but got " + ("; ".join(problems) or "nothing") + ".")

    def __iter__(self) -> Iterator[Path]:
        found = self._pictures(self._parts)
        return found if len(self._parts) == 1 else filter(_Once(), found)

    def count(self) -> int:
        """Return how many there were when they were looked for first."""
        return self._n

    def _pictures(self, parts: Iterable[Path]) -> Iterator[Path]:
        return chain.from_iterable(map(self._of_part, parts))

    def _of_part(self, part: Path) -> Iterator[Path]:
        return (part / name for name in iterate_images(part)) if part in self.folders else iter((part,))

    def _missing(self, given: str | Path, parts: tuple[Path, ...]) -> str:
        if Path(given) in self.folders:
            return "no pictures in this folder"
        return "no pictures in the folders that it names" if parts else "no such file"


def _parts(given: str | Path) -> tuple[Path, ...]:
    """Return the files and folders that a path or glob names."""
    if os.path.exists(given):  # noqa: PTH110 - never raises
        return (Path(given),)
    found = map(Path, sorted(glob(str(given), recursive=True)))
    return tuple(path for path in found if path.is_file() or _is_data(path))


def _is_data(folder: Path) -> bool:
    """Tell whether a folder is one that is searched where it is found in another."""
    return folder.is_dir() and not is_hidden(folder.name) and not (folder / RUN_FILE).exists()


class _Once:
    """Says of each picture whether it comes for the first time: in whichever spelling, but a link is not its target."""

    def __init__(self) -> None:
        self._seen = set[str]()
        self._real = lru_cache(maxsize=64)(os.path.realpath)  # of the folders that pictures come from, one by one

    def __call__(self, picture: Path) -> bool:
        place, n_before = os.path.join(self._real(picture.parent), picture.name), len(self._seen)  # noqa: PTH118 - a str
        self._seen.add(place)
        return len(self._seen) > n_before
