"""Finished runs of tiny networks, one for each task and kind of head; and networks with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import unfreeze as uf
from unfreeze.backbones import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.backbones import Network
    from unfreeze.run import Run

N_PICTURES = 30


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Path:
    """A folder of pictures of two sizes, with tables for classes, labels and values; tests must not change it."""
    root = tmp_path_factory.mktemp("pictures")
    rows = ["file,kind,striped,dark,age"]
    for i in range(N_PICTURES):
        size = (60, 48) if i % 2 else (90, 120)
        Image.fromarray(make_picture(i % 3, seed=i, size=size)).save(root / f"{i:02d}.png")
        rows.append(f"{i:02d}.png,{'abc'[i % 3]},{int(i % 3 == 0)},{int(i % 2)},{10 * (i % 3) + i / 10}")
    (root / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root / "table.csv"


@pytest.fixture(scope="session")
def make_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """`make_run("classes", hidden=8)` → a finished run on `pictures`; the same settings give the same run."""
    made: dict[str, Run] = {}
    targets = {"classes": ("kind",), "labels": ("striped", "dark"), "values": ("age",)}
    tasks = {"classes": "classification", "labels": "multilabel", "values": "regression"}

    def make(what: str = "classes", **options: Any) -> Run:
        key = f"{what} {sorted(options.items())}"
        if key not in made:
            out = tmp_path_factory.mktemp("runs") / "run"
            settings = {"model": "test_efficientnet", "pretrained": False, "size": 32, "epochs": 2, **options}
            made[key] = uf.train(pictures, out=out, task=tasks[what], target=targets[what], **settings)
        return made[key]

    return make


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Network]:
    """`make_network("resnet18", size=64)` → a network for three classes with random weights."""

    def make(name: str, *, size: int = 64, **options: Any) -> Network:
        return load_network(
            name, task="classification", outputs=("a", "b", "c"), size=size, pretrained=False, **options
        )

    return make
