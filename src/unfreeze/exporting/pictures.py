"""The pictures that an exported file is compared on: the run's own, or generated ones where they are gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from unfreeze.data import read_image
from unfreeze.data.views import least_size
from unfreeze.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unfreeze.data import InputSpec
    from unfreeze.records import RunRecord

__all__ = ["Sample", "Source", "own_files", "samples"]

Source = Literal["the run's own", "generated"]
GENERATED_SIZES = ((240, 320), (500, 375), (96, 128), (768, 1024), (333, 333), (64, 200))
COARSE = 12  # pixels of a generated picture's coarsest patches


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture as training decodes it, uint8 (height, width, 3), and the file that it is from, if there is one."""

    image: np.ndarray
    file: Path | None = None


def own_files(record: RunRecord, *, n: int) -> tuple[Path, ...]:
    """Return up to n of a run's test and validation pictures that still exist, spread evenly over them."""
    path = Path(record.data.path)
    root = path.parent if path.is_file() else path
    sides = [*record.split.get("test", ()), *record.split.get("val", ())]
    files = [root / file for file in sides if (root / file).is_file()]
    taken = np.unique(np.linspace(0, len(files) - 1, min(n, len(files))).round().astype(int)) if files else ()
    return tuple(files[i] for i in taken)


def samples(record: RunRecord, spec: InputSpec, *, n: int) -> tuple[Source, Iterator[Sample]]:
    """Return where the pictures to compare on come from, and up to n of them, decoded one after another.

    Files that cannot be read are passed over. Where none of the run's own is left, pictures of several sizes and
    proportions are generated, the same ones every time.
    """
    files = own_files(record, n=n)
    if any(_read(file, spec) is not None for file in files):
        return "the run's own", (sample for file in files if (sample := _read(file, spec)) is not None)
    return "generated", (Sample(_generated(i)) for i in range(n))


def _read(file: Path, spec: InputSpec) -> Sample | None:
    try:
        image = read_image(file, depth_range=spec.depth_range, at_least=least_size(spec, "none"))
        return Sample(image, file)
    except ImageError:
        return None


def _generated(number: int) -> np.ndarray:
    """Return coloured patches with fine noise on them, uint8 (height, width, 3): edges, flat places and detail."""
    height, width = GENERATED_SIZES[number % len(GENERATED_SIZES)]
    generator = np.random.default_rng([17, number])
    patches = generator.integers(0, 256, (height // COARSE + 1, width // COARSE + 1, 3))
    whole = patches.repeat(COARSE, axis=0).repeat(COARSE, axis=1)[:height, :width]
    return np.clip(whole + generator.normal(0, 12, whole.shape), 0, 255).astype(np.uint8)
