"""The page of a lesson where things do not go smoothly: slow, gone, clicked twice, heard instead of seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.browsing import keep_streams
from support.lessons import HAND_OVER, add_class, card, choose, nothing_decoded, taught, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from unfreeze.teaching import Lesson

pytestmark = pytest.mark.slow


def test_a_class_is_not_renamed_or_removed_while_pictures_are_sent_to_it(
    page: Page, lesson: Lesson, pictures: dict[str, list[Path]]
) -> None:
    add_class(page, "cup")
    page.get_by_role("button", name="Rename cup").click()
    with nothing_decoded(lesson):
        choose(page, "cup", pictures["cup"])
        card(page, "cup").get_by_text("Sending 16 pictures").wait_for()
        assert page.get_by_role("button", name="Remove cup").is_disabled()
        assert page.locator(".rename button").first.is_disabled()
    card(page, "cup").get_by_text("16 pictures added.").wait_for()
    assert page.get_by_role("button", name="Remove cup").is_enabled()
    page.get_by_label("A new name for cup").fill("mug")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.getAttribute('aria-label') === 'Rename mug'")


def test_the_next_name_may_be_typed_before_the_service_has_answered(page: Page) -> None:
    late = []
    page.route("**/teach/classes?name=cup", lambda route: late.append(route) if not late else route.continue_())
    field = page.get_by_label("Name of a new class")
    field.fill("cup")
    field.press("Enter")
    while not late:
        page.wait_for_timeout(20)
    field.fill("pen")
    late[0].continue_()
    card(page, "cup").wait_for()
    page.locator("#status").get_by_text("The class cup was added.").wait_for()
    page.wait_for_timeout(500)  # in which the focus would move
    assert field.input_value() == "pen"
    assert page.evaluate("document.activeElement.id") == "class-name"


def test_pictures_for_a_class_that_another_has_removed_are_not_lost_from_view(
    page: Page, lesson: Lesson, pictures: dict[str, list[Path]]
) -> None:
    add_class(page, "cup")
    with nothing_decoded(lesson):
        choose(page, "cup", pictures["cup"])
        card(page, "cup").get_by_text("Sending 16 pictures").wait_for()
        lesson.album.remove_class("cup")
        card(page, "cup").wait_for(state="detached")
    until(page, "document.getElementById('class-problem').textContent.startsWith('cup: There is no class')")


@pytest.mark.parametrize(("status", "content"), [(502, "<h1>Bad Gateway</h1>"), (503, "Service Unavailable")])
def test_the_page_goes_on_after_an_answer_that_is_not_the_services(page: Page, status: int, content: str) -> None:
    page.route("**/teach/state", lambda route: route.fulfill(status=status, body=content, content_type="text/html"))
    page.get_by_text(f"answered with {status}").wait_for()
    page.unroute("**/teach/state")
    add_class(page, "cup")
    page.locator("#missing").get_by_text("Add another class").wait_for()
    page.route("**/teach/pictures?*", lambda route: route.fulfill(status=413, body=content, content_type="text/html"))
    page.evaluate(HAND_OVER, ['[data-name="cup"]', ["drop"], [["a.png", ""]]])
    card(page, "cup").get_by_text("too large").wait_for()


def test_an_answer_never_stands_under_another_picture(page: Page, pictures: dict[str, list[Path]]) -> None:
    taught(page, pictures, 6)
    late = []
    page.route("**/teach/predict", lambda route: late.append(route) if not late else route.continue_())
    page.locator("#try-files").set_input_files(pictures["cup"][0])
    while not late:
        page.wait_for_timeout(20)
    page.locator("#try-files").set_input_files(pictures["pen"][0])
    until(page, "document.querySelector('#answer .verdict')?.textContent === 'pen'")
    with page.expect_response("**/teach/predict"):
        late[0].continue_()
    page.wait_for_timeout(200)
    assert page.locator("#answer .verdict").inner_text() == "pen"


def test_watching_a_service_that_is_gone_asks_ever_less_and_says_it_once(
    page: Page, pictures: dict[str, list[Path]]
) -> None:
    taught(page, pictures, 6)
    asked = []
    page.route("**/teach/predict", lambda route: (asked.append(1), route.abort())[1])
    page.get_by_role("button", name="Watch the camera").click()
    page.locator("#answer .problem").wait_for()
    page.evaluate("""() => {
      window.alerts = 0;
      const count = () => { window.alerts += 1; };
      new MutationObserver(count).observe(document.getElementById("answer"), { childList: true });
    }""")
    page.wait_for_timeout(3000)
    assert 2 <= len(asked) <= 6  # after 0, 0.3, 0.9, 2.1, … seconds
    assert page.evaluate("window.alerts") == 0
    page.unroute("**/teach/predict")
    page.locator("#answer .verdict").wait_for()


def test_a_recording_begins_and_ends_by_a_click_without_a_pointer_and_is_told_of_once(page: Page) -> None:
    add_class(page, "cup")
    page.get_by_role("button", name="Record by camera for cup").click()
    until(page, "document.getElementById('video').videoWidth > 0")
    page.evaluate("""() => {
      window.told = [];
      const line = document.getElementById("status");
      new MutationObserver(() => window.told.push(line.textContent)).observe(line, { childList: true });
    }""")
    record = page.get_by_role("button", name="Hold to record")
    record.evaluate("each => each.click()")
    assert record.get_attribute("aria-pressed") == "true"
    until(page, "/[3-9] pictures added/.test(document.querySelector('.class .note').textContent)")
    record.evaluate("each => each.click()")
    assert record.get_attribute("aria-pressed") == "false"
    until(page, "window.told.at(-1).includes('added')")
    page.wait_for_timeout(500)
    assert page.evaluate("window.told.length") == 2


def test_two_clicks_on_the_camera_leave_no_stream_behind(page: Page) -> None:
    keep_streams(page)
    add_class(page, "cup")
    page.evaluate("""() => {
      const button = document.querySelector("[aria-label='Record by camera for cup']");
      button.click();
      button.click();
      document.getElementById("try-camera").click();
    }""")
    page.get_by_role("button", name="Stop watching").click()
    until(page, "window.streams.every((each) => each.getTracks().every((track) => track.readyState === 'ended'))")
    assert page.evaluate("window.streams.length") == 1


def test_what_is_learned_is_told_when_it_rests_and_old_figures_can_be_read(
    page: Page, pictures: dict[str, list[Path]]
) -> None:
    told = page.locator("#learned-told")
    until(page, "document.getElementById('learned-told').textContent.includes('Add two classes')")
    taught(page, pictures, 8)
    until(page, "document.getElementById('learned-told').textContent.includes('are recognised')")
    assert told.get_attribute("role") == "status"
    page.evaluate("document.getElementById('figures').classList.add('stale')")
    for part in ("#figures", "#figures .figure"):
        style = "each => [getComputedStyle(each).color, getComputedStyle(document.body).backgroundColor]"
        colours = page.locator(part).evaluate(style)
        assert contrast(*colours) >= 4.5
        assert page.locator(part).evaluate("each => getComputedStyle(each).opacity") == "1"


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as a browser tells them, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(each) / 255 for each in re.findall(r"[0-9]+", colour)[:3]]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
