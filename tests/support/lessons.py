"""Lessons in tests: what their page is used by, and how their threads are kept busy."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.data.threads import n_usable_cores

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from unfreeze.teaching import Lesson

__all__ = ["HAND_OVER", "add_class", "card", "choose", "handed", "nothing_decoded", "taught", "until"]

HAND_OVER = """([selector, kinds, files]) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
  }
  const target = document.querySelector(selector);
  for (const kind of kinds) {
    const how = { bubbles: true, cancelable: true };
    target.dispatchEvent(kind === "paste"
      ? new ClipboardEvent(kind, { clipboardData: transfer, ...how })
      : kind === "pointerover" ? new PointerEvent(kind, how) : new DragEvent(kind, { dataTransfer: transfer, ...how }));
  }
}"""


@contextmanager
def nothing_decoded(lesson: Lesson) -> Iterator[None]:
    """Keep all threads that decode busy until the block ends."""
    free = threading.Event()
    jobs = [lesson.album.decoding.submit(free.wait, 60) for _ in range(n_usable_cores())]
    try:
        yield
    finally:
        free.set()
        for job in jobs:
            job.result()


def add_class(page: Page, name: str) -> None:
    page.get_by_label("Name of a new class").fill(name)
    page.get_by_role("button", name="Add a class").click()
    card(page, name).wait_for()


def card(page: Page, name: str):  # noqa: ANN201 - a locator
    return page.get_by_role("article", name=name, exact=True)


def choose(page: Page, name: str, files: list[Path]) -> None:
    card(page, name).locator("input[type=file]").set_input_files(files)


def handed(files: list[Path]) -> list[list[str]]:
    return [[each.name, base64.b64encode(each.read_bytes()).decode()] for each in files]


def taught(page: Page, pictures: dict[str, list[Path]], n: int = 16) -> None:
    """Add two classes with pictures, and wait until they are learned."""
    for name, files in pictures.items():
        add_class(page, name)
        choose(page, name, files[:n])
    until(page, "document.getElementById('now').textContent.startsWith('Learned 2 classes from')")
    page.locator("#figures .figure").wait_for()


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true; Playwright's own way evaluates text in the page, which its policy forbids."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")
