"""The service of a lesson: what its addresses do, and what they refuse."""

from __future__ import annotations

import io
import shlex
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from support.lessons import nothing_decoded
from support.services import served

from unfreeze.data.threads import n_usable_cores
from unfreeze.serving import Limits
from unfreeze.teaching import Lesson, Saving
from unfreeze.teaching.answers import state_answer
from unfreeze.teaching.application import create_app

Encode = Callable[..., bytes]
Wait = Callable[[Callable[[], bool]], None]
TOKEN = "correct-horse-battery-staple"


def state_of(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/teach/state")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def add(client: httpx.Client, name: str, *payloads: bytes, **texts: str) -> httpx.Response:
    files = [("files", (f"{number}.png", payload)) for number, payload in enumerate(payloads)]
    return client.post("/teach/pictures", params={"name": name}, files=files, data=texts)


@pytest.mark.slow
def test_from_an_empty_folder_to_a_saved_run(
    client: httpx.Client,
    lesson: Lesson,
    encode: Encode,
    wait_until: Wait,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert client.post("/teach/predict", files={"files": encode(0)}).status_code == 409
    assert client.post("/teach/save").json()["error"]["code"] == "nothing_learned"
    for label, name in enumerate(("cup", "pen")):
        assert client.post("/teach/classes", params={"name": f" {name} "}).json() == {"name": name}
        for seed in range(0, 20, 4):
            answer = add(client, name, *(encode(label, seed + number) for number in range(4)))
            assert answer.status_code == 200
    wait_until(lambda: state_of(client)["is_settled"])
    state = state_of(client)
    assert [each["n_pictures"] for each in state["classes"]] == [20, 20]
    assert state["taught"]["is_current"]
    assert state["taught"]["accuracy"]["value"] > 0.8
    assert state["classes"][0]["recall"]["low"] is not None
    (predicted,) = client.post("/teach/predict", files={"files": encode(1, 99)}).json()["predictions"]
    assert predicted["prediction"] == "pen"
    assert client.post("/teach/save").status_code == 200
    wait_until(lambda: state_of(client)["saving"]["status"] in {"done", "failed"})
    saving = state_of(client)["saving"]
    assert saving["status"] == "done", saving["error"]
    assert (Path(saving["run"]) / "report.html").is_file()
    assert saving["commands"][0] == f"unfreeze serve {saving['run']}"
    report = client.get("/teach/report")
    assert "attachment" in report.headers["Content-Disposition"]
    assert b"<html" in report.content
    assert lesson.album.snapshot().counts == {"cup": 20, "pen": 20}


def test_pictures_are_listed_shown_and_taken_out(client: httpx.Client, encode: Encode) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    (added,) = add(client, "cup", encode(0), recording="0123abcd").json()["pictures"]
    (listed,) = client.get("/teach/pictures", params={"name": "cup"}).json()["pictures"]
    assert listed["file"] == added["file"]
    assert listed["recorded"]
    shown = client.get("/teach/thumbnail", params={"file": added["file"]})
    assert Image.open(io.BytesIO(shown.content)).size == (48, 48)
    assert client.delete("/teach/pictures", params={"file": added["file"]}).status_code == 200
    again = client.delete("/teach/pictures", params={"file": added["file"]})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "no_such_picture")
    assert client.get("/teach/thumbnail", params={"file": added["file"]}).status_code == 404
    assert client.get("/teach/pictures", params={"name": "cup"}).json() == {"pictures": []}


def test_classes_are_renamed_and_taken_out(client: httpx.Client) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    assert client.patch("/teach/classes", params={"name": "cup", "to": "mug"}).json() == {"name": "mug"}
    gone = client.delete("/teach/classes", params={"name": "cup"})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "no_such_class")
    assert client.patch("/teach/classes", params={"name": "cup", "to": "pot"}).status_code == 404
    assert client.get("/teach/pictures", params={"name": "cup"}).status_code == 404
    assert client.delete("/teach/classes", params={"name": "mug"}).status_code == 200
    assert state_of(client)["classes"] == []


def test_each_picture_is_answered_for_and_one_bad_one_spoils_nothing(client: httpx.Client, encode: Encode) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    broken = encode(0)[:200]
    answer = add(client, "cup", encode(0), encode(0), broken, b"no picture")
    assert answer.status_code == 200
    assert [each["outcome"] for each in answer.json()["pictures"]] == ["added", "known", "refused", "refused"]
    assert add(client, "cup", broken).status_code == 422
    bomb = io.BytesIO()
    Image.new("L", (2000, 1000)).save(bomb, "PNG")
    (refused,) = add(client, "cup", bomb.getvalue()).json()["pictures"]
    assert "pixels" in refused["reason"]


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status"),
    [
        ("POST", "/teach/classes", {"name": "../up"}, 422),
        ("POST", "/teach/classes", {"name": "train"}, 422),
        ("POST", "/teach/classes", {}, 422),
        ("POST", "/teach/classes", {"name": ""}, 422),
        ("POST", "/teach/classes", {"name": "x" * 1000}, 422),
        ("PATCH", "/teach/classes", {"name": "cup", "to": "a/b"}, 422),
        ("PATCH", "/teach/classes", {"name": "..", "to": "elsewhere"}, 404),
        ("DELETE", "/teach/classes", {"name": ".."}, 404),
        ("DELETE", "/teach/classes", {"name": ".removed"}, 404),
        ("DELETE", "/teach/pictures", {"file": "../secret.png"}, 404),
        ("GET", "/teach/thumbnail", {"file": "../secret.png"}, 404),
        ("GET", "/teach/thumbnail", {"file": "/etc/passwd"}, 404),
        ("GET", "/teach/thumbnail", {"file": "cup/../../secret.png"}, 404),
        ("GET", "/teach/pictures", {"name": ".."}, 404),
    ],
)
def test_no_path_leads_out_of_the_folder(
    client: httpx.Client,
    tmp_path: Path,
    encode: Encode,
    method: str,
    path: str,
    parameters: dict[str, str],
    status: int,
) -> None:
    (tmp_path / "secret.png").write_bytes(encode(0))
    client.post("/teach/classes", params={"name": "cup"})
    answer = client.request(method, path, params=parameters)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}
    assert (tmp_path / "secret.png").is_file()
    assert sorted(each.name for each in (tmp_path / "lesson").iterdir()) == ["cup"]


@pytest.mark.parametrize("name", ["..", "cup/deep", "absent", "../lesson/cup"])
def test_pictures_go_into_a_class_and_nowhere_else(
    client: httpx.Client, tmp_path: Path, encode: Encode, name: str
) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    (tmp_path / "lesson" / "cup" / "deep").mkdir()
    answer = add(client, name, encode(0))
    assert answer.status_code == 404
    assert "There is no class" in answer.json()["error"]["message"]
    assert not [each for each in tmp_path.rglob("*.png") if each.is_file()]


def test_another_web_page_can_change_nothing(client: httpx.Client, encode: Encode) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for method, path, parameters in (
            ("POST", "/teach/classes", {"name": "pen"}),
            ("DELETE", "/teach/classes", {"name": "cup"}),
            ("POST", "/teach/save", {}),
            ("POST", "/teach/rescan", {}),
        ):
            assert client.request(method, path, params=parameters, headers=headers).status_code == 403
        files = {"files": encode(0)}
        answer = client.post("/teach/pictures", params={"name": "cup"}, files=files, headers=headers)
        assert answer.status_code == 403
    assert client.get("/teach/state", headers={"Host": "evil.example"}).status_code == 421
    assert [each["name"] for each in state_of(client)["classes"]] == ["cup"]


def test_uploads_keep_the_limits_of_the_service(client: httpx.Client, encode: Encode) -> None:
    client.post("/teach/classes", params={"name": "cup"})
    assert add(client, "cup", *(encode(0, seed) for seed in range(5))).status_code == 413
    assert add(client, "cup", bytes(3 * 1024**2)).status_code == 413
    assert add(client, "cup", encode(0), recording="../..").status_code == 422
    assert client.post("/teach/pictures", params={"name": "cup"}, content=b"x").status_code == 415
    assert state_of(client)["classes"][0]["n_pictures"] == 0


def test_pictures_that_all_have_too_many_pixels_are_answered_as_by_predict(
    client: httpx.Client,
) -> None:
    bomb = io.BytesIO()
    Image.new("L", (2000, 1000)).save(bomb, "PNG")
    answer = client.post("/teach/predict", files={"files": bomb.getvalue()})
    assert answer.status_code == 413
    (predicted,) = answer.json()["predictions"]
    assert predicted["error"]["code"] == "too_many_pixels"
    assert "set" not in predicted


def test_no_answer_takes_longer_than_the_limit_and_pictures_are_added_all_the_same(
    lesson: Lesson, encode: Encode, wait_until: Wait
) -> None:
    limits = Limits(answer_seconds=0.2, max_in_flight=1)
    with served(create_app(lesson, limits=limits), limits) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/teach/classes", params={"name": "cup"})
        (added,) = lesson.album.add("cup", [("a", encode(0))])
        shown = {"file": str(added.file)}
        with nothing_decoded(lesson):
            for answer in (
                client.get("/teach/thumbnail", params=shown),
                client.post("/teach/predict", files={"files": encode(0)}),
                add(client, "cup", encode(1)),
            ):
                assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timed_out")
            assert "still being added" in answer.json()["error"]["message"]
            busy = client.get("/teach/thumbnail", params=shown)
            assert busy.status_code == 503  # the pictures that are being added are held, and counted
            assert state_of(client)["classes"][0]["n_pictures"] == 1
        wait_until(lambda: state_of(client)["classes"][0]["n_pictures"] == 2)
        assert client.get("/teach/thumbnail", params=shown).status_code == 200


def test_pictures_that_are_being_added_when_the_service_ends_are(lesson: Lesson, encode: Encode) -> None:
    limits = Limits(answer_seconds=0.05)
    with served(create_app(lesson, limits=limits), limits) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/teach/classes", params={"name": "cup"})
        free = threading.Event()
        for _ in range(n_usable_cores()):
            lesson.album.decoding.submit(free.wait, 60)
        assert add(client, "cup", encode(0)).status_code == 504
        threading.Timer(0.3, free.set).start()
    assert lesson.album.snapshot().counts == {"cup": 1}


def test_a_thumbnail_of_a_picture_of_twelve_bits_is_as_bright_as_the_network_sees_it(
    client: httpx.Client,
) -> None:
    client.post("/teach/classes", params={"name": "cell"})
    content = io.BytesIO()
    Image.fromarray(np.linspace(0, 4095, 48 * 48, dtype=np.uint16).reshape(48, 48)).save(content, "TIFF")
    (added,) = add(client, "cell", content.getvalue()).json()["pictures"]
    shown = client.get("/teach/thumbnail", params={"file": added["file"]})
    assert np.asarray(Image.open(io.BytesIO(shown.content))).max() > 240


def test_the_commands_of_a_run_can_be_pasted_whatever_its_folder_is_called(lesson: Lesson) -> None:
    state = replace(lesson.state(), saving=Saving(status="done", run=Path("/my runs/a & b")))
    saving = state_answer(lesson, state, Limits()).saving
    assert saving is not None
    assert [shlex.split(command)[2] for command in saving.commands] == ["/my runs/a & b"] * 2


def test_the_token_is_asked_for_but_not_by_the_page(lesson: Lesson) -> None:
    with served(create_app(lesson, limits=Limits(), token=TOKEN)) as url, httpx.Client(base_url=url) as client:
        for path in ("/", "/teach.js", "/client.js", "/page.css", "/house.css", "/icon.svg", "/health"):
            assert client.get(path).status_code == 200
        for method, path in (("GET", "/teach/state"), ("POST", "/teach/classes?name=cup"), ("POST", "/teach/save")):
            assert client.request(method, path).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.post("/teach/classes?name=cup").status_code == 200


def test_files_changed_by_hand_are_seen_after_a_rescan(
    client: httpx.Client, tmp_path: Path, encode: Encode, wait_until: Wait
) -> None:
    (tmp_path / "lesson" / "by hand").mkdir()
    (tmp_path / "lesson" / "by hand" / "a.png").write_bytes(encode(0))
    assert client.post("/teach/rescan").status_code == 200
    wait_until(lambda: [(each["name"], each["n_pictures"]) for each in state_of(client)["classes"]] == [("by hand", 1)])
