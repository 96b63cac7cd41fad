"""evidence/: small pictures of what a network got wrong or was unsure of, so that a report needs the data no longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from unfreeze.data import read_image
from unfreeze.errors import ImageError
from unfreeze.evaluation.drawing import heat_palette
from unfreeze.evaluation.mistakes import EVIDENCE, PICTURES, Doubt, Mistake, PictureIndex, least_certain, worst_mistakes
from unfreeze.records import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.data import InputSpec
    from unfreeze.evaluation.attribution import HeatMaps
    from unfreeze.evaluation.predictions import Predictions

__all__ = ["Explain", "write_evidence", "write_thumbnail"]

THUMBNAIL_SIZE = 224  # px, the longer side
N_SHOWN = 10  # of each kind: a heat map each takes a second in all
JPEG_QUALITY = 82
N_SHADES = 51  # of a heat map

Explain = Callable[[Sequence[str], Sequence[int]], "HeatMaps"]
"""From names of pictures, and for each the number of an output, to heat maps."""


def write_evidence(
    directory: Path,
    predictions: Predictions,
    *,
    root: Path,
    depth_range: tuple[float, float] | None = None,
    spec: InputSpec | None = None,
    explain: Explain | None = None,
    n: int = N_SHOWN,
) -> PictureIndex:
    """Write evidence/pictures.json, and a thumbnail and a heat map of each picture in it; return the index.

    Args:
        directory: the run directory.
        predictions: of the pictures to choose from, with known truths.
        root: the folder that the pictures' names are relative to.
        depth_range: what becomes 0 and 255 in pictures of more than 8 bits.
        spec: the network's input, which says where in a picture a heat map lies; None: over the whole of it.
        explain: draws heat maps; None: there are none.
        n: how many mistakes, and how many doubts, at most. Pictures of an earlier evaluation are removed.
    """
    folder = directory / EVIDENCE
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("mistake-*.*"), *folder.glob("doubt-*.*")):
        old.unlink()
    mistakes = worst_mistakes(predictions, n=n)
    doubts = least_certain(predictions, n=n, leave_out={mistake.file for mistake in mistakes})
    found: tuple[Mistake | Doubt, ...] = (*mistakes, *doubts)
    heat = None
    if explain is not None and found:
        heat = explain([each.file for each in found], [predictions.outputs.index(each.explained) for each in found])
    shown: list[Mistake | Doubt] = []
    for i, each in enumerate(found):
        is_doubt = i >= len(mistakes)
        name = f"{'doubt' if is_doubt else 'mistake'}-{i - len(mistakes) * is_doubt + 1:02d}"
        thumbnail = write_thumbnail(folder / f"{name}.jpg", root / each.file, depth_range=depth_range)
        values = heat.maps[i] if heat is not None and thumbnail is not None else None
        drawn = None if values is None else _write_heat_map(folder, name, values, spec=spec)
        shown.append(msgspec.structs.replace(each, thumbnail=thumbnail, heat_map=drawn))
    index = PictureIndex(
        mistakes=tuple(each for each in shown if isinstance(each, Mistake)),
        doubts=tuple(each for each in shown if isinstance(each, Doubt)),
        heat_layer=heat.layer if heat is not None else "",
        notes=(heat.note,) if heat is not None and heat.note else (),
    )
    write_json(folder / PICTURES, index)
    return index


def write_thumbnail(path: Path, source: Path, *, depth_range: tuple[float, float] | None = None) -> str | None:
    """Write a small JPEG of a picture and return its name; None if the picture cannot be read any more."""
    try:
        pixels = read_image(source, depth_range=depth_range, at_least=(THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    except ImageError:  # it went missing since it was predicted: the row of the index still tells of it
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=JPEG_QUALITY)
    return path.name


def _write_heat_map(folder: Path, name: str, values: np.ndarray, *, spec: InputSpec | None) -> str:
    """Write a heat map as a PNG to be laid over the whole thumbnail of its picture; return its name."""
    with Image.open(folder / f"{name}.jpg") as picture:
        size = picture.size
    size = ((size[0] + 1) // 2, (size[1] + 1) // 2)  # there is nothing fine in it
    box = (0, 0, *size) if spec is None else _seen_box(size, spec)
    smooth = Image.fromarray(values).resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC)
    shades = np.zeros((size[1], size[0]), dtype=np.uint8)
    seen = np.clip(np.asarray(smooth), 0, 1)
    shades[box[1] : box[3], box[0] : box[2]] = np.round(N_SHADES * seen) * (255 // N_SHADES)
    image = Image.fromarray(shades)
    image.putpalette(heat_palette().tobytes(), "RGBA")
    path = folder / f"{name}-heat.png"
    image.save(path, "PNG", optimize=True, transparency=heat_palette()[:, 3].tobytes())
    return path.name


def _seen_box(size: tuple[int, int], spec: InputSpec) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what the network was shown, in a picture of (width, height) px."""
    if spec.crop == "squash":
        return (0, 0, *size)
    height, width = spec.size
    scale = spec.crop_pct * min(size[0] / width, size[1] / height)
    seen = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size[0] - seen[0]) // 2, (size[1] - seen[1]) // 2
    return left, top, left + seen[0], top + seen[1]
