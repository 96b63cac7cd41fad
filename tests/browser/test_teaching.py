"""The page of a lesson in a real browser, from an empty folder to a saved run: mouse, camera, keyboard, phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browsing import opened
from support.lessons import HAND_OVER, add_class, card, choose, handed, taught, until
from support.services import served

import unfreeze as uf
from unfreeze.serving import Limits
from unfreeze.teaching import Lesson
from unfreeze.teaching.application import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
TOKEN = "correct-horse-battery-staple"


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_from_an_empty_folder_to_a_saved_run(page: Page, pictures: dict[str, list[Path]], tmp_path: Path) -> None:
    page.locator("#missing").get_by_text("Add two classes, and pictures of each.").wait_for()
    assert page.get_by_role("button", name="Save as a run").is_disabled()
    taught(page, pictures)
    assert card(page, "cup").locator(".count").inner_text().startswith("16 pictures · ")
    assert card(page, "cup").locator(".strip.few img[src^=blob]").count() == 12
    assert page.locator("#figures .figure").inner_text().endswith("%")
    page.locator("#try-files").set_input_files(pictures["pen"][0])
    page.locator("#answer .verdict").wait_for()
    assert page.locator("#answer .verdict").inner_text() == "pen"
    assert page.locator("#answer .bars li").count() == 2
    page.get_by_role("button", name="Save as a run").click()
    page.locator("#saved").get_by_text("Saved in").wait_for(timeout=60_000)
    run = uf.load(page.locator("#saved code").inner_text())
    assert run.record.classes == ("cup", "pen")
    assert f"unfreeze serve {run.path}" in page.locator("#saved pre").first.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert "<html" in Path(download.value.path()).read_text(encoding="utf-8")
    assert len(list((tmp_path / "lesson" / "cup").iterdir())) == 16


def test_pictures_are_dropped_and_pasted_into_the_class_they_are_meant_for(
    page: Page, pictures: dict[str, list[Path]]
) -> None:
    for name in pictures:
        add_class(page, name)
    drop = ["dragenter", "dragover", "drop"]
    page.evaluate(HAND_OVER, ['[data-name="cup"]', drop, handed(pictures["cup"][:3])])
    # In one step: what the real pointer rests over changes as the cards grow, and the paste would follow it.
    page.evaluate(HAND_OVER, ['[data-name="pen"]', ["pointerover", "paste"], handed(pictures["pen"][:2])])
    card(page, "cup").get_by_text("3 pictures added.").wait_for()
    card(page, "pen").get_by_text("2 pictures added.").wait_for()


def test_what_is_refused_says_why_and_copies_are_noticed(
    page: Page, pictures: dict[str, list[Path]], tmp_path: Path
) -> None:
    broken, huge = tmp_path / "broken.png", tmp_path / "huge.png"
    broken.write_bytes(pictures["cup"][0].read_bytes()[:200])
    huge.write_bytes(bytes(2 * 1024**2))
    add_class(page, "cup")
    add_class(page, "pen")
    choose(page, "cup", [pictures["cup"][0], broken])
    card(page, "cup").get_by_text("1 picture added.").wait_for()
    assert "broken.png" in card(page, "cup").locator(".note").inner_text()
    choose(page, "cup", [pictures["cup"][0]])
    card(page, "cup").get_by_text("1 picture was here already.").wait_for()
    choose(page, "pen", [pictures["cup"][0]])
    card(page, "pen").get_by_text('in the class "cup" already').wait_for()
    choose(page, "pen", [huge])
    card(page, "pen").get_by_text("larger than 1 MiB").wait_for()
    page.get_by_label("Name of a new class").fill("../up")
    page.get_by_role("button", name="Add a class").click()
    page.get_by_text("A class cannot be called").wait_for()


def test_the_camera_records_while_a_button_is_held(page: Page, lesson: Lesson) -> None:
    add_class(page, "cup")
    page.get_by_role("button", name="Record by camera for cup").click()
    until(page, "document.getElementById('video').videoWidth > 0")
    for _ in range(2):
        hold = page.locator("#record").bounding_box()
        assert hold is not None
        page.mouse.move(hold["x"] + 20, hold["y"] + 20)
        page.mouse.down()
        page.wait_for_timeout(700)
        page.mouse.up()
        page.wait_for_timeout(300)
    until(page, "document.querySelector('.count').textContent.match(/[3-9] pictures|[1-9][0-9] pictures/)")
    page.get_by_role("button", name="Close the camera").click()
    assert page.locator("#camera").is_hidden()
    recordings = {file.split("-")[1] for file in lesson.album.snapshot().fingerprints}
    assert len(recordings) == 2


def test_the_camera_is_watched_live(page: Page, pictures: dict[str, list[Path]]) -> None:
    taught(page, pictures, 6)
    page.get_by_role("button", name="Watch the camera").click()
    page.locator("#answer .verdict").wait_for()
    page.get_by_role("button", name="Record by camera for cup").click()
    page.get_by_role("button", name="Watch the camera").wait_for()
    page.get_by_role("button", name="Watch the camera").click()
    page.get_by_role("button", name="Stop watching").click()
    assert page.locator("#try-frame").is_hidden()


def test_pictures_and_classes_are_taken_out_and_renamed(page: Page, pictures: dict[str, list[Path]]) -> None:
    taught(page, pictures, 6)
    card(page, "cup").get_by_text("All 6 pictures").click()
    card(page, "cup").get_by_role("button", name="Remove picture 1 of cup").click()
    card(page, "cup").get_by_text("All 5 pictures").wait_for()
    page.get_by_role("button", name="Rename cup").click()
    page.get_by_label("A new name for cup").fill("coffee mug")
    page.keyboard.press("Enter")
    card(page, "coffee mug").wait_for()
    page.get_by_role("button", name="Remove pen").click()
    card(page, "pen").wait_for(state="detached")
    page.locator("#missing").get_by_text("Add another class").wait_for()


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(page: Page, pictures: dict[str, list[Path]]) -> None:
    page.on("filechooser", lambda _: None)  # from now on the browser hands choosers over; asking for it takes a moment
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the classes"
    page.keyboard.press("Enter")
    page.get_by_label("Name of a new class").focus()
    page.keyboard.type("cup")
    page.keyboard.press("Enter")
    card(page, "cup").wait_for()
    until(page, "document.activeElement.textContent === 'Add pictures'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(pictures["cup"][:2])
    card(page, "cup").get_by_text("2 pictures added.").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(page, "document.getElementById('video').videoWidth > 0")
    until(page, "document.activeElement.id === 'record'")
    page.keyboard.down(" ")
    page.wait_for_timeout(500)
    page.keyboard.up(" ")
    until(page, "!document.querySelector('.count').textContent.startsWith('2 ')")


def test_two_tabs_show_the_same(browser: Browser, url: str, page: Page, pictures: dict[str, list[Path]]) -> None:
    for other in opened(browser, url, heading="Classes", width=1000):
        add_class(page, "cup")
        card(other, "cup").wait_for()
        choose(other, "cup", pictures["cup"][:4])
        choose(page, "cup", pictures["cup"][:4])
        card(page, "cup").get_by_text("4 pictures", exact=True).wait_for()
        card(other, "cup").get_by_text("4 pictures", exact=True).wait_for()


def test_names_are_texts_and_no_markup(page: Page, pictures: dict[str, list[Path]]) -> None:
    add_class(page, "b&b i")
    add_class(page, "'x' & y")
    choose(page, "b&b i", pictures["cup"][:2])
    card(page, "b&b i").get_by_text("2 pictures added.").wait_for()
    assert card(page, "'x' & y").locator("h3").inner_text() == "'x' & y"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    browser: Browser, url: str, pictures: dict[str, list[Path]], scheme: str
) -> None:
    for page in opened(browser, url, heading="Classes", width=390, color_scheme=scheme, has_touch=True, is_mobile=True):
        taught(page, pictures)
        page.locator("#try-files").set_input_files(pictures["pen"][0])
        page.locator("#answer .verdict").wait_for()
        card(page, "cup").get_by_text("All 16 pictures").click()
        page.get_by_role("button", name="Record by camera for pen").click()
        until(page, "document.getElementById('video').videoWidth > 0")
        assert overflow(page) == 0
        assert page.locator("#record").evaluate("each => each.offsetHeight") >= 44
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(21, 24, 27)") == (scheme == "dark")


def test_a_token_is_asked_for(browser: Browser, lesson: Lesson, pictures: dict[str, list[Path]]) -> None:
    with served(create_app(lesson, limits=Limits(), token=TOKEN)) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{url}/")
        for given in ("wrong", TOKEN):
            page.get_by_label("This service asks for a token").fill(given)
            page.get_by_role("button", name="Go on").click()
            if given == "wrong":
                page.get_by_text("This token was not accepted.").wait_for()
        add_class(page, "cup")
        choose(page, "cup", pictures["cup"][:2])
        card(page, "cup").locator(".strip.few img[src^=blob]").nth(1).wait_for()
        context.close()
