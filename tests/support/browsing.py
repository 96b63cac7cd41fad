"""Pages in a real browser, and what tests watch of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["keep_streams", "opened"]


def opened(browser: Browser, url: str, *, heading: str, width: int, **options: object) -> Iterator[Page]:
    """A page that has loaded, as its heading tells, and whose questions are answered by yes.

    It fails the test if a script failed or anything came from elsewhere.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, permissions=["camera"], **options)
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    made.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith((url, "blob:")) else None)
    made.on("dialog", lambda dialog: dialog.accept())
    made.goto(f"{url}/")
    made.get_by_role("heading", name=heading).wait_for()
    yield made
    context.close()
    assert problems == []


def keep_streams(page: Page) -> None:
    """Keep each camera stream that the page is given, in `window.streams`."""
    page.evaluate("""() => {
      window.streams = [];
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (...how) => {
        const stream = await ask(...how);
        window.streams.push(stream);
        return stream;
      };
    }""")
