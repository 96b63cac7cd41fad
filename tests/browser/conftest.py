"""A real browser, for all pages, with a camera that shows a test picture; and a lesson with its page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.browsing import opened
from support.services import served

from unfreeze.records import TrainOptions
from unfreeze.serving import Limits
from unfreeze.teaching import Lesson
from unfreeze.teaching.application import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = next((found for name in NAMES if (found := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("needs Chromium: apt install chromium")
    playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'unfreeze[dev]'")
    with playwright_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *CAMERA])
        yield found
        found.close()


@pytest.fixture
def pictures(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> dict[str, list[Path]]:
    """Sixteen files of each of two classes."""
    found: dict[str, list[Path]] = {"cup": [], "pen": []}
    for label, name in enumerate(found):
        for seed in range(16):
            path = tmp_path / f"{name}-{seed:02d}.png"
            Image.fromarray(make_picture(label, seed=seed)).save(path)
            found[name].append(path)
    return found


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    monkeypatch.chdir(tmp_path)
    given = {
        "model": "test_resnet",
        "pretrained": False,
        "size": 32,
        "engine": "eager",
        "cache_dir": str(tmp_path / "c"),
    }
    return Lesson(tmp_path / "lesson", TrainOptions(**given), given=frozenset(given))


@pytest.fixture
def url(lesson: Lesson) -> Iterator[str]:
    with served(create_app(lesson, limits=Limits(max_upload_bytes=1024**2))) as found:
        yield found


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    yield from opened(browser, url, heading="Classes", width=1280)
