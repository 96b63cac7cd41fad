"""A finished run to predict with, and pictures for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

import unfreeze as uf
from unfreeze.predicting import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Path:
    """The directory of a finished run on cats and dogs, with prediction sets; tests must not change it."""
    root = tmp_path_factory.mktemp("predicting")
    for label, name in enumerate(("cat", "dog")):
        (root / "pets" / name).mkdir(parents=True)
        for index in range(20):
            Image.fromarray(make_picture(label, seed=index)).save(root / "pets" / name / f"{index:02d}.png")
    options = {"model": "test_efficientnet", "pretrained": False, "size": 32, "epochs": 1, "conformal": 0.6}
    return uf.train(root / "pets", out=root / "run", **options).path


@pytest.fixture(scope="session")
def predictor(run: Path) -> Predictor:
    """The run's network, by PyTorch, five pictures at a time; tests must not change it."""
    return Predictor.open(run, engine="eager", batch_size=5)


@pytest.fixture
def pictures(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> Path:
    """A folder of 23 pictures, of which 03 and all from 18 to 22 cannot be read."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(23):
        path = folder / f"{index:02d}.png"
        if index == 3 or index >= 18:
            path.write_bytes(b"not a picture")
        else:
            Image.fromarray(make_picture(index % 2, seed=100 + index)).save(path)
    return folder
