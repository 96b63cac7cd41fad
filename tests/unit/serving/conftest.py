"""A tiny real run, served for real; tests must not change it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image
from support.services import served

import unfreeze as uf
from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app

if TYPE_CHECKING:
    import numpy as np

LIMITS = Limits(max_upload_bytes=2 * 1024**2, max_pixels=1_000_000, max_files=4)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Path:
    """The directory of a finished run that tells `cat` from `dog <b>`, with prediction sets."""
    root = tmp_path_factory.mktemp("served")
    for label, name in enumerate(("cat", "dog <b>")):
        (root / "pets" / name).mkdir(parents=True)
        for index in range(16):
            Image.fromarray(make_picture(label, seed=index)).save(root / "pets" / name / f"{index:02d}.png")
    out = root / "pets-head"
    uf.train(
        root / "pets", model="test_efficientnet", pretrained=False, size=32, epochs=3, lr=0.01, conformal=0.6, out=out
    )
    return out


@pytest.fixture(scope="session")
def predictor(run: Path) -> Predictor:
    return Predictor.open(run, engine="eager")


@pytest.fixture(scope="session")
def url(predictor: Predictor) -> Iterator[str]:
    """The address of a service of `run` that asks for no token."""
    with served(open_app(predictor, name="pets-head", limits=LIMITS), LIMITS) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as made:
        yield made


@pytest.fixture(scope="session")
def png(make_picture: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """`png(label, seed=99)` → the bytes of a picture of that class."""

    def make(label: int, *, seed: int = 99) -> bytes:
        content = io.BytesIO()
        Image.fromarray(make_picture(label, seed=seed)).save(content, "PNG")
        return content.getvalue()

    return make
