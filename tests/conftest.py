"""What all tests share: no network, few threads, and small pictures made on the spot."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

# Set before torch or a hub client is imported: both read the environment once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "120"
os.environ["NO_COLOR"] = "1"
# What tests compute is not the user's to keep.
os.environ["UNFREEZE_CACHE_DIR"] = tempfile.mkdtemp(prefix="unfreeze-tests-")
# A shell lets what it starts in the background ignore Ctrl-C, and that is inherited: tests of interrupts need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLASS_COLOURS = ((200, 60, 60), (60, 180, 70), (60, 80, 200), (200, 180, 60), (160, 60, 190), (70, 190, 190))
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_unconfigure() -> None:
    """Remove the cache of these tests."""
    shutil.rmtree(os.environ["UNFREEZE_CACHE_DIR"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound torch's threads under xdist: workers that each take all cores only wait for one another."""
    if items and "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def picture(label: int, *, seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """Return a noisy uint8 (height, width, 3) picture whose colour and stripes tell its class."""
    generator = np.random.default_rng([seed, label])
    height, width = size
    stripes = np.sin(np.arange(width) * (0.3 + 0.25 * label) + generator.uniform(0, 6)) * 30
    base = np.asarray(CLASS_COLOURS[label % len(CLASS_COLOURS)], dtype=np.float64)
    noise = generator.normal(0, 25, (height, width, 3))
    return np.clip(base + stripes[None, :, None] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., np.ndarray]:
    """`make_picture(label, seed=0, size=(48, 48))` → uint8 (height, width, 3), pure in its arguments."""
    return picture


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[..., Path]:
    """`make_image_folder(classes=("cat", "dog"), per_class=12, size=(48, 48), name="pets")` → the folder.

    `per_class` is one number or one per class. Files are `<class>/<number>.png`.
    """

    def make(
        classes: Sequence[str] = ("cat", "dog"),
        *,
        per_class: int | Sequence[int] = 12,
        size: tuple[int, int] = (48, 48),
        name: str = "pets",
        seed: int = 0,
    ) -> Path:
        root = tmp_path / name
        counts = [per_class] * len(classes) if isinstance(per_class, int) else per_class
        for label, (class_name, count) in enumerate(zip(classes, counts, strict=True)):
            (root / class_name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                pixels = picture(label, seed=seed * 10_000 + index, size=size)
                Image.fromarray(pixels).save(root / class_name / f"{index:03d}.png")
        return root

    return make


@pytest.fixture
def image_folder(make_image_folder: Callable[..., Path]) -> Path:
    """A folder of two classes, `cat` and `dog`, of twelve 48x48 pictures each."""
    return make_image_folder()


@pytest.fixture
def make_image_table(tmp_path: Path) -> Callable[..., Path]:
    """`make_image_table({"label": ["a", "b", …]}, name="table", size=(48, 48))` → the path of labels.csv.

    One picture is written for each row, in a folder `images` beside the table; the column `file` is
    added. The picture's colour follows the first column's value, so that it can be learned.
    """

    def make(
        columns: dict[str, Sequence[object]],
        *,
        name: str = "table",
        size: tuple[int, int] = (48, 48),
    ) -> Path:
        root = tmp_path / name
        (root / "images").mkdir(parents=True)
        first = list(next(iter(columns.values())))
        order = sorted(set(map(str, first)))
        lines = [",".join(["file", *columns])]
        for index, row in enumerate(zip(*columns.values(), strict=True)):
            file = f"images/{index:03d}.png"
            pixels = picture(order.index(str(first[index])), seed=index, size=size)
            Image.fromarray(pixels).save(root / file)
            lines.append(",".join([file, *map(str, row)]))
        table = root / "labels.csv"
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return table

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures beside the repository; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real pictures of ../shared/data")
    return SHARED_DATA
