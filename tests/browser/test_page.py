"""The page in a real browser: drop a picture, read the class, open the heat map, by mouse, by keyboard, on a phone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.browsing import keep_streams, opened
from support.services import served

import unfreeze as uf
from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
TOKEN = "correct-horse-battery-staple"
CLASSES = ("cat", "dog <b>bold")
DROP = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const target = document.getElementById("drop");
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
PASTE = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Predictor:
    root = tmp_path_factory.mktemp("page")
    for label, name in enumerate(CLASSES):
        folder = root / "pets" / name
        folder.mkdir(parents=True)
        for index in range(16):
            Image.fromarray(make_picture(label, seed=index)).save(folder / f"{index:02d}.png")
    out = root / "pets-head"
    uf.train(
        root / "pets", model="test_efficientnet", pretrained=False, size=32, epochs=6, lr=0.02, conformal=0.6, out=out
    )
    return Predictor.open(out, engine="eager")


@pytest.fixture(scope="module")
def url(predictor: Predictor) -> Iterator[str]:
    limits = Limits(max_upload_bytes=1024**2)
    with served(open_app(predictor, name="pets-head", limits=limits), limits) as found:
        yield found


@pytest.fixture
def pictures(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> dict[str, Path]:
    """Three files: a cat, one that is no picture, and one that is too large."""
    found = {name: tmp_path / name for name in ("cat.png", "broken.jpg", "huge.png")}
    Image.fromarray(make_picture(0, seed=99, size=(120, 160))).save(found["cat.png"])
    found["broken.jpg"].write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    found["huge.png"].write_bytes(found["cat.png"].read_bytes() + bytes(2 * 1024**2))
    return found


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    yield from opened(browser, url, heading="pets-head", width=1200)


def handed(path: Path) -> list[str]:
    return [path.name, "image/png", base64.b64encode(path.read_bytes()).decode()]


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_a_dropped_picture_is_told_with_its_probabilities(page: Page, pictures: dict[str, Path]) -> None:
    page.evaluate(DROP, handed(pictures["cat.png"]))
    card = page.locator("#cards > li")
    card.locator(".bars").wait_for()
    assert card.locator(".verdict").inner_text().startswith("cat")
    assert "sure" in card.locator(".verdict").inner_text()
    assert card.locator(".bars li").count() == 2
    assert page.locator("#status").inner_text().startswith("cat.png: cat")


def test_a_pasted_picture_is_told_too(page: Page, pictures: dict[str, Path]) -> None:
    page.evaluate(PASTE, handed(pictures["cat.png"]))
    page.locator("#cards .bars").wait_for()


def test_several_files_are_chosen_at_once_and_a_broken_one_says_what_is_wrong(
    page: Page, pictures: dict[str, Path]
) -> None:
    page.locator("#files").set_input_files([pictures["cat.png"], pictures["broken.jpg"], pictures["huge.png"]])
    broken = page.locator("#cards > li.failed", has_text="broken.jpg")
    broken.wait_for()
    assert "damaged" in broken.inner_text() or "not a picture" in broken.inner_text()
    huge = page.locator("#cards > li.failed", has_text="huge.png")
    huge.wait_for()
    assert "at most 1 MiB" in huge.inner_text()
    page.locator("#cards > li", has_text="cat.png").locator(".bars").wait_for()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#cards > li").count() == 0


def test_the_heat_map_opens_and_closes_and_can_be_asked_for_any_class(page: Page, pictures: dict[str, Path]) -> None:
    page.locator("#files").set_input_files(pictures["cat.png"])
    page.get_by_role("button", name="Where did it look?", exact=True).click()
    heat = page.get_by_role("img", name="Heat map: where the network looked for cat")
    heat.wait_for()
    assert heat.evaluate("image => image.complete && image.naturalWidth") == 32
    page.locator("button.bar", has_text="bold").click()
    page.get_by_role("img", name="looked for dog").wait_for()
    page.get_by_role("button", name="Show the picture").click()
    page.get_by_role("img", name="The picture cat.png").wait_for()


def test_names_of_classes_and_files_are_texts_and_no_markup(
    page: Page, pictures: dict[str, Path], tmp_path: Path
) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>.png"
    evil.write_bytes(pictures["cat.png"].read_bytes())
    page.locator("#files").set_input_files(evil)
    page.locator("#cards .bars").wait_for()
    assert page.locator("#cards .file").inner_text() == evil.name
    assert page.locator("#cards b").count() == 0


def test_the_camera_takes_a_picture(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Ask about this").click()
    page.locator("#cards .bars").wait_for()
    page.get_by_role("button", name="Close the camera").click()
    assert page.locator("#camera").is_hidden()


def test_the_camera_is_used_twice_and_no_stream_is_left_behind(page: Page) -> None:
    keep_streams(page)
    use = page.get_by_role("button", name="Use the camera")
    use.evaluate("each => { each.click(); each.click(); }")
    page.get_by_role("button", name="Ask about this").wait_for()
    use.click()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Close the camera").click()
    assert page.evaluate("window.streams.flatMap((each) => each.getTracks()).map((each) => each.readyState)") == [
        "ended",
        "ended",
    ]


def test_an_answer_that_is_not_the_services_is_an_error(page: Page, pictures: dict[str, Path]) -> None:
    page.route("**/predict", lambda route: route.fulfill(status=413, body="<h1>Too large</h1>"))
    page.locator("#files").set_input_files(pictures["cat.png"])
    page.locator("#cards").get_by_text("answered with 413").wait_for()


def test_it_says_what_the_network_is_and_how_sure_it_can_be(page: Page) -> None:
    about = page.get_by_role("region", name="How sure can it be?").inner_text()
    assert "balanced accuracy on" in about
    assert "95% interval" in about
    assert "knows no other class" in about


def test_everything_can_be_done_by_keyboard_and_the_focus_is_seen(page: Page, pictures: dict[str, Path]) -> None:
    page.on("filechooser", lambda _: None)  # from now on the browser hands choosers over; asking for it takes a moment
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the pictures"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(pictures["cat.png"])
    page.locator("#cards .bars").wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Where did it look?":
            break
    page.keyboard.press("Enter")
    page.get_by_role("img", name="Heat map").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    browser: Browser, url: str, pictures: dict[str, Path], scheme: str
) -> None:
    for page in opened(
        browser, url, heading="pets-head", width=390, color_scheme=scheme, has_touch=True, is_mobile=True
    ):
        page.locator("#files").set_input_files(list(pictures.values()))
        page.locator("#cards .bars").wait_for()
        page.locator("#cards > li.failed").nth(1).wait_for()
        page.get_by_role("button", name="Where did it look?", exact=True).click()
        page.get_by_role("img", name="Heat map").wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        assert overflow(page) == 0
        assert page.get_by_role("button", name="Choose pictures").evaluate("each => each.offsetHeight") >= 44
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(21, 24, 27)") == (scheme == "dark")


def test_a_service_with_a_token_asks_for_it(browser: Browser, predictor: Predictor, pictures: dict[str, Path]) -> None:
    with served(open_app(predictor, name="pets-head", limits=Limits(), token=TOKEN)) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{url}/")
        for given, accepted in (("wrong", False), (TOKEN, True)):
            page.get_by_label("This service asks for a token").fill(given)
            page.get_by_role("button", name="Go on").click()
            if not accepted:
                page.get_by_text("This token was not accepted.").wait_for()
        page.get_by_role("heading", name="pets-head").wait_for()
        page.locator("#files").set_input_files(pictures["cat.png"])
        page.locator("#cards .bars").wait_for()
        context.close()
