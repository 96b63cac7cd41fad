"""The pictures that an exported file is compared on: the run's own, or generated ones where they are gone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from unfreeze.data import read_image
from unfreeze.data.views import least_size
from unfreeze.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.data import InputSpec
    from unfreeze.records import RunRecord

__all__ = ["Sample", "Source", "own_files", "samples"]

Source = Literal["the run's own", "generated"]
GENERATED_SIZES = ((240, 320), (500, 375), (96, 128), (768, 1024), (333, 333), (64, 200))
COARSE = 12  # pixels of a generated picture's coarsest patches


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture, decoded anew whenever it is asked for, so that many large ones need no memory."""

    read: Callable[[], np.ndarray]
    file: Path | None = None

    @property
    def image(self) -> np.ndarray:
        """The picture as training decodes it, uint8 (height, width, 3)."""
        return self.read()


def own_files(record: RunRecord, *, n: int) -> tuple[Path, ...]:
    """Return up to n of a run's test and validation pictures that still exist, spread evenly over them."""
    path = Path(record.data.path)
    root = path.parent if path.is_file() else path
    sides = [*record.split.get("test", ()), *record.split.get("val", ())]
    files = [root / file for file in sides if (root / file).is_file()]
    taken = np.unique(np.linspace(0, len(files) - 1, min(n, len(files))).round().astype(int)) if files else ()
    return tuple(files[i] for i in taken)


def samples(record: RunRecord, spec: InputSpec, *, n: int) -> tuple[Source, tuple[Sample, ...]]:
    """Return where the pictures to compare on come from, and up to n of them.

    Files that cannot be read are left out. Where none of the run's own is left, pictures of several sizes and
    proportions are generated, the same ones every time.
    """
    found = [Sample(partial(_read, file, spec), file) for file in own_files(record, n=n)]
    readable = tuple(sample for sample in found if _is_readable(sample))
    if readable:
        return "the run's own", readable
    return "generated", tuple(Sample(partial(_generated, i)) for i in range(n))


def _read(file: Path, spec: InputSpec) -> np.ndarray:
    return read_image(file, depth_range=spec.depth_range, at_least=least_size(spec, "none"))


def _is_readable(sample: Sample) -> bool:
    try:
        sample.read()
    except ImageError:
        return False
    return True


def _generated(number: int) -> np.ndarray:
    """Return coloured patches with fine noise on them, uint8 (height, width, 3): edges, flat places and detail."""
    height, width = GENERATED_SIZES[number % len(GENERATED_SIZES)]
    generator = np.random.default_rng([17, number])
    patches = generator.integers(0, 256, (height // COARSE + 1, width // COARSE + 1, 3))
    whole = patches.repeat(COARSE, axis=0).repeat(COARSE, axis=1)[:height, :width]
    return np.clip(whole + generator.normal(0, 12, whole.shape), 0, 255).astype(np.uint8)
