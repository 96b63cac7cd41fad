"""Which pictures to predict: files, folders and globs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from unfreeze.data import iterate_images
from unfreeze.errors import DataError

__all__ = ["PictureFiles"]


class PictureFiles:
    """The pictures that files, folders (searched to any depth) and globs name, each once, in the order given.

    They can be iterated over again, and come in the same order while the files stay the same. Those of one folder
    are found anew each time and never kept: there may be more of them than anybody wants in memory.

    Args:
        given: files, folders and globs. A file that was named is taken for a picture, whatever its name.

    Raises:
        DataError: a path or glob that names nothing, or nothing that is a picture; all are listed.
    """

    def __init__(self, given: Iterable[str | Path]) -> None:
        paths = list(given)
        self._parts = [_part(path) for path in paths]
        problems = [problem for path, part in zip(paths, self._parts, strict=True) if (problem := _problem(path, part))]
        if problems or not paths:
            raise DataError("Expected pictures, folders or globs, but got " + ("; ".join(problems) or "nothing") + ".")

    def __iter__(self) -> Iterator[Path]:
        found = (path for part in self._parts for path in _pictures(part))
        return found if len(self._parts) == 1 else _once(found)

    def count(self) -> int:
        """Return how many there are, which takes a walk through the folders."""
        return sum(1 for _ in self)


_Part = Path | tuple[Path, ...]  # a folder, or files


def _part(given: str | Path) -> _Part:
    path = Path(given)
    if path.is_dir():
        return path
    if path.exists():
        return (path,)
    return tuple(Path(name) for name in sorted(glob(str(given), recursive=True)) if Path(name).is_file())


def _problem(given: str | Path, part: _Part) -> str | None:
    if next(_pictures(part), None) is not None:
        return None
    return f'"{given}": ' + ("no pictures in this folder" if isinstance(part, Path) else "no such file")


def _pictures(part: _Part) -> Iterator[Path]:
    return (part / name for name in iterate_images(part)) if isinstance(part, Path) else iter(part)


def _once(paths: Iterator[Path]) -> Iterator[Path]:
    seen = set[Path]()
    for path in paths:
        if path not in seen:
            seen.add(path)
            yield path
