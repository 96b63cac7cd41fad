"""Lessons of a tiny network, and pictures for them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from support.services import served

from unfreeze.records import TrainOptions
from unfreeze.serving import Limits
from unfreeze.teaching import Lesson
from unfreeze.teaching.application import create_app

SECONDS = 60
GIVEN = frozenset({"model", "pretrained", "size", "engine", "cache_dir"})
LIMITS = Limits(max_upload_bytes=2 * 1024**2, max_pixels=1_000_000, max_files=4)


@pytest.fixture
def options(tmp_path: Path) -> TrainOptions:
    """Settings of a tiny network, with a cache of its own."""
    return TrainOptions(
        model="test_resnet", pretrained=False, size=32, engine="eager", cache_dir=str(tmp_path / "cache")
    )


@pytest.fixture
def given() -> frozenset[str]:
    """The names of those settings that a user would have given."""
    return GIVEN


@pytest.fixture
def encode(make_picture: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """`encode(label, seed=0, form="PNG")` → the bytes of a picture's file."""

    def made(label: int, seed: int = 0, *, form: str = "PNG") -> bytes:
        file = io.BytesIO()
        Image.fromarray(make_picture(label, seed=seed)).save(file, form)
        return file.getvalue()

    return made


@pytest.fixture
def lesson(tmp_path: Path, options: TrainOptions) -> Lesson:
    """A lesson in an empty folder, not started."""
    return Lesson(tmp_path / "lesson", options, given=GIVEN)


@pytest.fixture
def client(lesson: Lesson) -> Iterator[httpx.Client]:
    """Talks to the service of the lesson, on a real socket."""
    with (
        served(create_app(lesson, limits=LIMITS), LIMITS) as url,
        httpx.Client(base_url=url, timeout=SECONDS) as made,
    ):
        yield made


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """`wait_until(condition)` returns when it holds, and fails the test if it does not within a minute."""

    def wait(condition: Callable[[], bool]) -> None:
        latest = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < latest, "it never came to that"
            threading.Event().wait(0.02)

    return wait
