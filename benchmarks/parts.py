"""`python benchmarks/parts.py`: measurements of single parts of unfreeze, each against what it must reach.

A part is one function that returns readings, and a line that registers it:

    @part
    def import_time(room: Room) -> list[Reading]:
        '''`import unfreeze` takes at most 0.1 s.'''
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from measuring import machine, versions_in

HERE = Path(__file__).resolve().parent
PHOTO_SIZE = (3456, 2592)  # of a made-up photograph: 9 megapixels
N_PHOTOS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured figure and the limit that it must keep.

    Attributes:
        name: What was measured.
        value: The median of the repeats.
        unit: Of value and limit; "×" for a ratio.
        sense: Which side of the limit is good.
        limit: Taken from what the project promises; None for a figure that only explains another.
    """

    name: str
    value: float
    unit: str
    sense: Literal["at most", "at least"] = "at least"
    limit: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.sense == "at most" else self.value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a part is given: how often to measure, photographs, and a folder that is thrown away afterwards."""

    n_repeats: int
    photos: Path | None
    folder: Path


Part = Callable[[Room], list[Reading]]
PARTS: dict[str, Part] = {}


def part(function: Part) -> Part:
    """Register a part under its function's name, with hyphens."""
    PARTS[function.__name__.replace("_", "-")] = function
    return function


@part
def help_time(room: Room) -> list[Reading]:
    """`unfreeze --help` takes at most 0.3 s, whole process."""
    command = [sys.executable, "-m", "unfreeze.cli", "--help"]
    seconds = _median(lambda: _run(command), room.n_repeats)
    return [Reading(name="unfreeze --help", value=seconds, unit="s", sense="at most", limit=0.3)]


@part
def import_time(room: Room) -> list[Reading]:
    """`import unfreeze` takes at most 0.1 s, the interpreter's own start left out."""
    program = "import time; t = time.perf_counter(); import unfreeze; print(time.perf_counter() - t)"
    seconds = median(float(_run([sys.executable, "-c", program])) for _ in range(room.n_repeats))
    return [Reading(name="import unfreeze", value=seconds, unit="s", sense="at most", limit=0.1)]


@part
def photo_decode(room: Room) -> list[Reading]:
    """9 MP photographs become 224 px views at least three times as fast as by Pillow, one thread each."""
    import torch

    from unfreeze.data import InputSpec, batches, open_dataset

    photos = _photos(room)
    for number, photo in enumerate(photos):
        link = room.folder / "photos" / f"class-{number % 2}" / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photo.resolve())
    dataset = open_dataset(room.folder / "photos")
    spec = InputSpec(size=(224, 224), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    indices = range(len(dataset.files))

    def ours() -> None:
        for _ in batches(dataset, indices, spec, batch_size=1, n_threads=1):
            pass

    def pillow() -> None:
        for photo in photos:
            _pillow_view(photo)

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pairs = [(_seconds(ours), _seconds(pillow)) for _ in range(room.n_repeats)]
    finally:
        torch.set_num_threads(n_threads)
    return [
        Reading(name="9 MP to 224 px", value=len(photos) / median(a for a, _ in pairs), unit="img/s"),
        Reading(name="the same by Pillow", value=len(photos) / median(b for _, b in pairs), unit="img/s"),
        Reading(name="9 MP decode against Pillow", value=median(b / a for a, b in pairs), unit="×", limit=3.0),
    ]


def main() -> None:
    """Measure the parts asked for, print them, and keep them if told where."""
    given = _arguments()
    names = list(PARTS) if given.only is None else given.only.split(",")
    wrong = [name for name in names if name not in PARTS]
    if wrong:
        raise SystemExit(f"error: there is no part {', '.join(wrong)}; there are {', '.join(PARTS)}.")
    readings = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="unfreeze-parts-") as folder:
            room = Room(n_repeats=given.repeats, photos=given.photos, folder=Path(folder))
            readings += PARTS[name](room)
    _show(readings)
    if given.out is not None:
        content = {
            "format": 1,
            "machine": machine(),
            "versions": versions_in(sys.executable, environment={}),
            "n_repeats": given.repeats,
            "readings": [{**asdict(reading), "holds": reading.holds} for reading in readings],
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _show(readings: list[Reading]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "measured", "must be", "")
    marks = {True: "holds", False: "falls short", None: ""}
    for reading in readings:
        limit = "" if reading.limit is None else f"{reading.sense} {reading.limit:g} {reading.unit}"
        table.add_row(reading.name, f"{reading.value:.3g} {reading.unit}", limit, marks[reading.holds])
    Console().print(table)


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _median(function: Callable[[], object], n_repeats: int) -> float:
    return median(_seconds(function) for _ in range(n_repeats))


def _photos(room: Room) -> list[Path]:
    """Return the user's photographs, or make some by enlarging a solar cell, with a camera's noise on it."""
    if room.photos is not None:
        found = sorted(file for file in room.photos.iterdir() if file.suffix.lower() in {".jpg", ".jpeg", ".mpo"})
        if len(found) < 2:  # noqa: PLR2004 - two classes
            raise SystemExit(f'error: "{room.photos}" must hold two JPEG photographs or more.')
        return found
    import numpy as np
    from PIL import Image

    from unfreeze.data.samples import write_solar_cells

    cells = sorted(write_solar_cells(room.folder / "cells", n_images=N_PHOTOS).rglob("*.png"))
    rng, photos = np.random.default_rng(0), []
    for cell in cells:
        with Image.open(cell) as image:
            pixels = np.asarray(image.convert("RGB").resize(PHOTO_SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
        noisy = pixels + rng.normal(0, 6, pixels.shape).astype(np.float32)
        photos.append(room.folder / f"{cell.stem}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(photos[-1], quality=92)
    return photos


def _pillow_view(photo: Path) -> None:
    from PIL import Image, ImageOps

    with Image.open(photo) as image:
        ImageOps.exif_transpose(image).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--photos", type=Path, help="a folder of large JPEG photographs [default: made up]")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the readings")
    return parser.parse_args()


if __name__ == "__main__":
    main()
