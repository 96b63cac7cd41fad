"""Which pictures to predict: files, folders and globs."""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from unfreeze.data import find_images
from unfreeze.errors import DataError

__all__ = ["expand_paths"]


def expand_paths(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Turn files, folders (searched to any depth) and globs into pictures, each once, in the order given.

    Raises:
        DataError: a path or glob that names nothing, or nothing that is a picture; all are listed.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = [path / name for name in find_images(path)]
        elif path.exists():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob(str(given), recursive=True)) if Path(name).is_file()]
        if not files:
            problems.append(f'"{given}": ' + ("no pictures in this folder" if path.is_dir() else "no such file"))
        found.update(dict.fromkeys(files))
    if problems or not found:
        raise DataError("Expected pictures, folders or globs, but got " + ("; ".join(problems) or "nothing") + ".")
    return tuple(found)
