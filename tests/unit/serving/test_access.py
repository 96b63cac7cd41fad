"""Other web pages cannot drive a service, and a token is asked for where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.services import served

from unfreeze.errors import ConfigError
from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app
from unfreeze.serving.access import own_names
from unfreeze.serving.running import exposure_note
from unfreeze.serving.tokens import find_token

Png = Callable[..., bytes]
TOKEN = "correct-horse-battery-staple"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it


@pytest.fixture(scope="module")
def guarded(predictor: Predictor) -> Iterator[httpx.Client]:
    app = open_app(predictor, name="guarded", limits=Limits(), token=TOKEN, also_known_as=["cats.example"])
    with served(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_cannot_send_pictures(client: httpx.Client, png: Png, headers: dict[str, str]) -> None:
    response = client.post("/predict", files={"files": ("a.png", png(0))}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")


def test_the_own_page_can_also_behind_a_proxy_that_speaks_https(client: httpx.Client, png: Png) -> None:
    host = f"{client.base_url.host}:{client.base_url.port}"
    for origin in (f"http://{host}", f"https://{host}"):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        assert client.post("/predict", files={"files": ("a.png", png(0))}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "[::1", "evil.example:80", "cats.example"]
)
def test_names_that_it_does_not_go_by_are_refused_for_reading_too(client: httpx.Client, host: str) -> None:
    response = client.get("/model", headers={"Host": host})
    assert (response.status_code, response.json()["error"]["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:80", "192.168.1.7", "LOCALHOST:80", "a.localhost"])
def test_addresses_and_localhost_are_let_in(client: httpx.Client, host: str) -> None:
    assert client.get("/model", headers={"Host": host}).status_code == 200


def test_a_name_that_was_allowed_is_let_in(guarded: httpx.Client) -> None:
    assert guarded.get("/health", headers={"Host": "cats.example"}).status_code == 200


def test_without_the_token_only_the_page_and_health_are_open(guarded: httpx.Client) -> None:
    assert [guarded.get(path).status_code for path in ("/", "/page.js", "/house.css", "/health")] == [200] * 4
    for response in (
        guarded.get("/model"),
        guarded.get("/openapi.json"),
        guarded.post("/predict"),
        guarded.post("/explain"),
    ):
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in response.text


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
def test_a_wrong_token_is_refused(guarded: httpx.Client, given: str) -> None:
    assert guarded.get("/model", headers={"Authorization": given}).status_code == 401


def test_the_token_opens_all(guarded: httpx.Client, png: Png) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/model", headers=headers).status_code == 200
    assert guarded.post("/predict", files={"files": ("a.png", png(0))}, headers=headers).status_code == 200
    assert guarded.get("/openapi.json", headers=headers).json()["components"]["securitySchemes"]


def test_only_who_is_bound_elsewhere_goes_by_the_machines_name() -> None:
    assert own_names("127.0.0.1") == own_names("::1") == {"localhost"}
    assert own_names(EVERYWHERE) > {"localhost"}
    assert "photos.lan" in own_names("photos.lan")


def test_a_note_says_who_can_reach_a_service_without_a_token() -> None:
    assert exposure_note("127.0.0.1", None) is exposure_note("localhost", None) is None
    assert exposure_note(EVERYWHERE, TOKEN) is None
    assert "--token-file" in str(exposure_note(EVERYWHERE, None))


def test_a_token_comes_from_a_file_else_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNFREEZE_TOKEN", raising=False)
    assert find_token(None) is None
    monkeypatch.setenv("UNFREEZE_TOKEN", "of-the-environment-1")
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    assert find_token(None) == "of-the-environment-1"
    assert find_token(tmp_path / "token") == TOKEN


@pytest.mark.parametrize("content", ["", "short", "with a space in its middle", "kürzlich-gefunden-aber-nicht-ascii"])
def test_a_token_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="at least 16"):
        find_token(tmp_path / "token")
    with pytest.raises(ConfigError, match="cannot be read"):
        find_token(tmp_path / "absent")
