"""One split for everybody: class folders divided once, laid out as folders of links that every library reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["SIDES", "Layout", "lay_out"]

SIDES = ("train", "val", "test")
SHARE_VAL = SHARE_TEST = 0.15
N_LEAST = 3  # pictures of a class: one on each side
EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A data set as it was laid out, and how it is recognised.

    Attributes:
        name: The name of the folder of pictures.
        split: The file with the sides, classes and labels.
        folder: Holds train, val and test, with a folder of links for each class.
        classes: Their names, sorted.
        n_pictures: By side.
        sha256: Of the names, sides and bytes of all pictures.
    """

    name: str
    split: Path
    folder: Path
    classes: tuple[str, ...]
    n_pictures: dict[str, int]
    sha256: str

    def described(self) -> dict[str, object]:
        """Return what a result says of the pictures; it names no paths of this machine."""
        return {key: value for key, value in asdict(self).items() if key not in {"split", "folder"}}


def lay_out(pictures: Path, *, work: Path, limit: int | None = None) -> Layout:
    """Divide a folder of class folders 70/15/15 within each class and lay it out below `work`.

    Which side a picture takes follows from its name alone. What was laid out before is replaced.

    Args:
        pictures: The folder of class folders.
        work: Where to put the layout and split.json.
        limit: About so many pictures in all, taken evenly from each class; None takes all.

    Raises:
        SystemExit: There are fewer than two classes, or a class is too small to be divided.
    """
    by_class = _by_class(pictures)
    sides = {name: _divide(_some(files, limit, len(by_class), pictures)) for name, files in by_class.items()}
    folder = work / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    digest, rows = hashlib.sha256(), []
    for label, (class_name, divided) in enumerate(sides.items()):
        for side, files in divided.items():
            (folder / side / class_name).mkdir(parents=True)
            for file in files:
                link = folder / side / class_name / file.name
                link.symlink_to(file.resolve())
                digest.update(f"{side}/{class_name}/{file.name}\0".encode() + file.read_bytes())
                rows.append({"file": str(link.relative_to(folder)), "side": side, "label": label})
    content = {"layout": str(folder.resolve()), "classes": list(sides)}
    content |= {side: [row for row in rows if row["side"] == side] for side in SIDES}
    split = work / "split.json"
    split.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return Layout(
        name=pictures.name,
        split=split,
        folder=folder,
        classes=tuple(sides),
        n_pictures={side: len(content[side]) for side in SIDES},
        sha256=digest.hexdigest(),
    )


def _by_class(pictures: Path) -> dict[str, list[Path]]:
    found = {
        folder.name: [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in EXTENSIONS]
        for folder in sorted(pictures.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    }
    found = {name: files for name, files in found.items() if files}
    small = [name for name, files in found.items() if len(files) < N_LEAST]
    if len(found) < 2 or small:  # noqa: PLR2004 - two classes make a classification
        raise SystemExit(
            f'error: "{pictures}" must be a folder of at least two class folders with {N_LEAST} pictures each or more, '
            f"but it has {len(found)} class folders" + (f"; too small: {', '.join(small)}." if small else ".")
        )
    return found


def _some(files: list[Path], limit: int | None, n_classes: int, base: Path) -> list[Path]:
    """Return files in an order that is a function of their names, at most this class's share of the limit."""
    ordered = sorted(files, key=lambda file: hashlib.sha256(file.relative_to(base).as_posix().encode()).digest())
    unique = list({file.name: file for file in ordered}.values())  # links of one folder need names of their own
    return unique if limit is None else unique[: max(N_LEAST, limit // n_classes)]


def _divide(files: list[Path]) -> dict[str, list[Path]]:
    n_val, n_test = (max(1, round(share * len(files))) for share in (SHARE_VAL, SHARE_TEST))
    return {"train": files[n_val + n_test :], "val": files[:n_val], "test": files[n_val : n_val + n_test]}
