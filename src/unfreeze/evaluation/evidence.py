"""evidence/: thumbnails of the worst pictures with an index, so that a report needs the data no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PIL import Image

from unfreeze.data import read_image
from unfreeze.errors import ImageError
from unfreeze.evaluation.mistakes import Mistake, worst_mistakes
from unfreeze.records import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.evaluation.predictions import Predictions

__all__ = ["write_evidence"]

THUMBNAIL_SIZE = 160  # px, the longer side


def write_evidence(
    directory: Path,
    predictions: Predictions,
    *,
    root: Path,
    depth_range: tuple[float, float] | None = None,
    n: int = 24,
) -> tuple[Mistake, ...]:
    """Write evidence/worst.json and a JPEG thumbnail of each picture in it; return the index.

    Args:
        directory: the run directory.
        predictions: of the pictures to choose from, with known truths.
        root: the folder that the pictures' names are relative to.
        depth_range: what becomes 0 and 255 in pictures of more than 8 bits.
        n: how many at most. Thumbnails of an earlier evaluation are removed.
    """
    folder = directory / "evidence"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("worst-*.jpg"):
        old.unlink()
    index = tuple(
        msgspec.structs.replace(
            mistake,
            thumbnail=_write_thumbnail(folder / f"worst-{i:02d}.jpg", root / mistake.file, depth_range=depth_range),
        )
        for i, mistake in enumerate(worst_mistakes(predictions, n=n), start=1)
    )
    write_json(folder / "worst.json", index)
    return index


def _write_thumbnail(path: Path, source: Path, *, depth_range: tuple[float, float] | None) -> str | None:
    try:
        pixels = read_image(source, depth_range=depth_range, at_least=(THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    except ImageError:  # it went missing since it was predicted: the row of the index still tells of it
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=85)
    return path.name
