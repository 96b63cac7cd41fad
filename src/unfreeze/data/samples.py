"""Real pictures for a first try: solar cells, good and defective, from the package elpv-dataset."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from unfreeze.errors import DataError

__all__ = ["SOLAR_CELL_CLASSES", "read_solar_cells", "write_solar_cells"]

SOLAR_CELL_CLASSES = {"defective": 1.0, "good": 0.0}  # the probability of a defect that experts agreed on
ATTRIBUTION = "ATTRIBUTION.txt"
ATTRIBUTION_TEXT = """\
Electroluminescence pictures of solar cells, a selection from the ELPV dataset (package elpv-dataset).
Licence: CC BY-NC-SA 4.0. https://github.com/zae-bayern/elpv-dataset

Buerhop-Lutz, C.; Deitsch, S.; Maier, A.; Gallwitz, F.; Berger, S.; Doll, B.; Hauch, J.; Camus, C.; Brabec, C.J.:
A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery. EU PVSEC, 2018.
"""


def write_solar_cells(directory: str | Path, *, n_images: int = 600, seed: int = 0) -> Path:
    """Write class folders `good` and `defective` with as many solar cells each; return the directory.

    The pictures are 300x300 px, grey, 8 bits, copied byte for byte. Only those whose experts agreed are taken
    (probability of a defect 0 or 1). A directory that already holds this very selection is left as it is.

    Args:
        directory: Where to; written whole or not at all.
        n_images: Pictures in all, an even number.
        seed: Of the random choice.

    Raises:
        DataError: elpv-dataset is not installed, has fewer pictures, or the directory holds something else.
    """
    target = Path(directory)
    source, probabilities = read_solar_cells()
    chosen = _choose(probabilities, n_images=n_images, seed=seed)
    if target.exists():
        _check_same(target, chosen)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as part:
        for class_name, files in chosen.items():
            folder = Path(part) / "new" / class_name
            folder.mkdir(parents=True)
            for file in files:
                shutil.copyfile(source / file, folder / file)
        (Path(part) / "new" / ATTRIBUTION).write_text(ATTRIBUTION_TEXT, encoding="utf-8")
        os.replace(Path(part) / "new", target)  # noqa: PTH105 - in one step, as the records are written
    return target


def read_solar_cells() -> tuple[Path, dict[str, float]]:
    """Return the folder of all pictures, and the probability of a defect (0, 1/3, 2/3, 1) by the name of each.

    Raises:
        DataError: elpv-dataset is not installed.
    """
    spec = find_spec("elpv_dataset")  # only located: its loader would read all pictures into memory
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "The demo's pictures come with the package elpv-dataset, which is not installed. "
            "Run: pip install 'unfreeze[demo]'"
        )
    source = Path(next(iter(spec.submodule_search_locations))) / "data"
    rows = [line.split() for line in (source / "labels.csv").read_text(encoding="utf-8").splitlines() if line]
    return source / "images", {Path(file).name: float(defect) for file, defect, _ in rows}


def _choose(probabilities: dict[str, float], *, n_images: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the file names to take of each class."""
    if n_images < len(SOLAR_CELL_CLASSES) or n_images % len(SOLAR_CELL_CLASSES):
        raise DataError(f"The number of solar cells must be even and at least 2, but got {n_images}.")
    n_each = n_images // len(SOLAR_CELL_CLASSES)
    chosen = {}
    for class_name, probability in SOLAR_CELL_CLASSES.items():
        files = sorted(file for file, defect in probabilities.items() if defect == probability)
        if len(files) < n_each:
            raise DataError(f"There are {len(files)} {class_name} solar cells, but {n_each} were asked for.")
        chosen[class_name] = tuple(sorted(random.Random(seed).sample(files, n_each)))
    return chosen


def _check_same(target: Path, chosen: dict[str, tuple[str, ...]]) -> None:
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    expected = {f"{class_name}/{file}" for class_name, files in chosen.items() for file in files}
    if found - {ATTRIBUTION} != expected:
        raise DataError(
            f'"{target}" exists and holds something else than the demo\'s pictures; '
            "remove it, or name another directory with --out."
        )
