"""The pictures that advice is judged on: data sets, one changed so that low layers matter, and three splits of each.

Solar cells, of the package elpv-dataset, taught no rule of advice: these stood when they were first looked at. They did
show how dead channels were blown up (docs/adr/0021).
Test sides are disjoint and hold about 87 pictures each, so that some 260 different ones judge in all. Near-duplicates
lie on one side. Train and validation are drawn from the rest.
"""

from __future__ import annotations

import csv
import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from unfreeze.advice.sampling import draw_pictures
from unfreeze.comparison import divide_folds
from unfreeze.data import near_duplicates, open_dataset, scan
from unfreeze.data.samples import read_solar_cells

__all__ = ["SETS", "PictureSet", "write_split"]

N_TEST = 86  # pictures that test in each split, at least: as many parts are made as that allows
LIKELY = 0.5  # the probability of a defect above which a solar cell counts as defective
VALIDATION = 5  # one part of five of what does not test
SPECIES = ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray")
Task = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """A data set, or what becomes of one.

    Attributes:
        name: its own.
        folder: that its pictures and labels.csv are in; None: solar cells, whose package has them.
        columns: the targets.
        task: what is learned.
        change: what is done to each picture; None: nothing.
    """

    name: str
    folder: str | None
    columns: tuple[str, ...] = ("label",)
    task: Task = "classification"
    change: Callable[[Path, Path], None] | None = None


def _inverted(source: Path, target: Path) -> None:
    """Write a picture with its channels moved on by one and inverted: edges stay, colours and light and dark do not."""
    pixels = np.asarray(Image.open(source).convert("RGB"))
    Image.fromarray(255 - np.roll(pixels, 1, axis=2)).save(target, quality=95)


SETS = {
    each.name: each
    for each in (
        PictureSet(name="trashnet", folder="trashnet"),
        PictureSet(name="grocery", folder="grocery"),
        PictureSet(name="brain_mri", folder="brain_mri"),
        PictureSet(name="aquarium", folder="aquarium", columns=SPECIES, task="multilabel"),
        PictureSet(name="aquarium-count", folder="aquarium", columns=("count_total",), task="regression"),
        PictureSet(name="trashnet-inverted", folder="trashnet", change=_inverted),
        PictureSet(name="solar-cells", folder=None),
        PictureSet(name="solar-cells-defect", folder=None, columns=("probability",), task="regression"),
    )
}


def write_split(source: Path, work: Path, wanted: PictureSet, *, number: int, max_train: int) -> Path:
    """Write a table of one split, its pictures beside it, and return it; its column `side` names the sides.

    Args:
        source: the folder of data sets.
        work: where to.
        wanted: which set.
        number: of the split, from 0.
        max_train: the largest number of training pictures; of more, a part is drawn, each class by its share.
    """
    folder = work / wanted.name
    rows = _pictures(source, folder, wanted)
    sides = _sides(folder, wanted, number=number, max_train=max_train)
    table = folder / f"split-{number}-{max_train}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, ("file", *wanted.columns, "side"))
        lines.writeheader()
        lines.writerows({**row, "side": sides[row["file"]]} for row in rows if row["file"] in sides)
    return table


def _pictures(source: Path, folder: Path, wanted: PictureSet) -> list[dict[str, str]]:
    """Write all pictures and the table of all of them, where that is missing; return its rows."""
    table = folder / "all.csv"
    source, labels = _solar_cells() if wanted.folder is None else _labels(source / wanted.folder)
    rows = [{name: row[name] for name in ("file", *wanted.columns)} for row in labels]
    if not table.is_file():
        for row in rows:
            target = folder / row["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copyfile if wanted.change is None else wanted.change)(source / row["file"], target)
        with table.open("w", newline="", encoding="utf-8") as file:
            lines = csv.DictWriter(file, ("file", *wanted.columns))
            lines.writeheader()
            lines.writerows(rows)
    return rows


def _labels(source: Path) -> tuple[Path, list[dict[str, str]]]:
    with (source / "labels.csv").open(newline="", encoding="utf-8") as file:
        return source, list(csv.DictReader(file))


def _solar_cells() -> tuple[Path, list[dict[str, str]]]:
    """Return where they are, and their labels: defective where experts thought a defect likelier than not."""
    source, probabilities = read_solar_cells()
    return source, [
        {"file": name, "probability": str(probability), "label": "defective" if probability > LIKELY else "good"}
        for name, probability in probabilities.items()
    ]


def _sides(folder: Path, wanted: PictureSet, *, number: int, max_train: int) -> dict[str, str]:
    """Return the side of each picture by its name; those that are not drawn are left out."""
    dataset, clusters = _studied(folder / "all.csv", wanted)
    tests = divide_folds(dataset, n_folds=len(dataset) // N_TEST, clusters=clusters)
    most = max_train * VALIDATION // (VALIDATION - 1)
    rest = draw_pictures(dataset, tests.training(number), most=most, generator=np.random.default_rng(number))
    parts = divide_folds(dataset, n_folds=VALIDATION, among=rest, clusters=clusters, seed=number)
    indices = {"test": tests.parts[number], "val": parts.parts[0], "train": parts.training(0)}
    return {dataset.files[index]: side for side, part in indices.items() for index in part}


@functools.cache
def _studied(table: Path, wanted: PictureSet) -> tuple[Any, tuple[tuple[int, ...], ...]]:
    dataset = open_dataset(table, task=wanted.task, target=wanted.columns)
    return dataset, near_duplicates(scan(dataset.root, dataset.files))
