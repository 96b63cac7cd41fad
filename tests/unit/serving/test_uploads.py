"""Forms are read within limits, and everything that is wrong with one has its status."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from support.services import served

from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app

Png = Callable[..., bytes]
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
END = b"\r\n--b--\r\n"


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(
    "kind", ["application/json", "image/png", "text/plain; charset=utf-8", "multipart/mixed; boundary=b", ""]
)
def test_only_forms_are_taken(client: httpx.Client, kind: str) -> None:
    response = client.post("/predict", content=b"{}", headers={"Content-Type": kind})
    assert code(response) == (415, "wrong_content_type")
    assert "multipart/form-data" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        PART + b"abc",
        b"--b\r\n\r\nabc" + END,
        b"--b\r\nContent-Disposition: form-data\r\n\r\nabc" + END,
    ],
    ids=["empty", "nonsense", "no end", "no headers", "no name"],
)
def test_malformed_forms_are_refused(client: httpx.Client, body: bytes) -> None:
    assert code(client.post("/predict", content=body, headers=FORM)) == (400, "malformed_form")


@pytest.mark.parametrize("kind", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"])
def test_forms_without_a_proper_boundary_are_refused(client: httpx.Client, kind: str) -> None:
    response = client.post("/predict", content=PART + END, headers={"Content-Type": kind})
    assert code(response) == (400, "malformed_form")


def test_a_form_without_files_is_refused(client: httpx.Client) -> None:
    assert code(client.post("/predict", content=b"--b--\r\n", headers=FORM)) == (422, "no_file")


def test_a_text_is_no_file(client: httpx.Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nabc' + END
    assert code(client.post("/predict", content=body, headers=FORM)) == (422, "not_a_file")


def test_unknown_fields_are_not_ignored(client: httpx.Client, png: Png) -> None:
    response = client.post("/predict", files={"files": ("a", png(0))}, data={"colour": "red"})
    assert code(response) == (422, "unknown_field")


def test_a_field_given_twice_is_refused(client: httpx.Client, png: Png) -> None:
    response = client.post("/explain", files={"file": ("a", png(0))}, data={"class": ["cat", "cat"]})
    assert code(response) == (422, "repeated_field")


def test_too_many_files_are_refused(client: httpx.Client, png: Png) -> None:
    assert code(client.post("/predict", files=[("files", ("a", png(0)))] * 5)) == (413, "too_many_files")
    assert code(client.post("/explain", files=[("file", ("a", png(0)))] * 2)) == (413, "too_many_files")


def test_too_many_bytes_are_refused_whether_they_are_declared_or_not(client: httpx.Client) -> None:
    body = PART + bytes(3 * 1024**2) + END
    assert code(client.post("/predict", content=body, headers=FORM)) == (413, "too_large")

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    assert code(client.post("/predict", content=chunks(), headers=FORM)) == (413, "too_large")


def test_the_connection_is_still_good_after_a_refusal(client: httpx.Client, png: Png) -> None:
    client.post("/predict", content=PART + bytes(3 * 1024**2) + END, headers=FORM)
    assert client.post("/predict", files={"files": ("a.png", png(0))}).status_code == 200


@pytest.fixture(scope="module")
def impatient(predictor: Predictor) -> Iterator[str]:
    """The address of a service that waits for nobody, and takes two requests at a time."""
    limits = Limits(upload_seconds=0.5, header_seconds=0.5, max_in_flight=2, max_held_bytes=200_000)
    with served(open_app(predictor, name="impatient", limits=limits), limits) as found:
        yield found


def connected(url: str) -> socket.socket:
    place = httpx.URL(url)
    return socket.create_connection((place.host, place.port or 80), timeout=30)


def head(n_bytes: int) -> bytes:
    lines = ["POST /predict HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=b"]
    return "\r\n".join([*lines, f"Content-Length: {n_bytes}", "", ""]).encode()


def received(connection: socket.socket) -> bytes:
    found = b""
    while chunk := connection.recv(65536):
        found += chunk
        if b"\r\n\r\n" in found and found.endswith(b"}"):
            break
    return found


def test_a_client_that_sends_its_picture_too_slowly_is_told_so(impatient: str) -> None:
    with closing(connected(impatient)) as slow:
        slow.sendall(head(100_000) + PART)
        answer = received(slow)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"too_slow"' in answer


@pytest.mark.parametrize(
    "begun", [b"", b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow"], ids=["nothing", "half its headers"]
)
def test_a_client_that_never_completes_a_request_is_let_go(impatient: str, begun: bytes) -> None:
    with closing(connected(impatient)) as silent:
        silent.sendall(begun)
        assert silent.recv(1) == b""


def test_requests_beyond_those_in_flight_are_put_off(impatient: str, png: Png) -> None:
    with closing(connected(impatient)) as first, closing(connected(impatient)) as second:
        for slow in (first, second):
            slow.sendall(head(100_000) + PART)
        response = _until_busy(impatient, png(0))
        assert code(response) == (503, "busy")
        assert response.headers["retry-after"] == "1"
        for slow in (first, second):
            received(slow)
    assert httpx.post(f"{impatient}/predict", files={"files": ("a.png", png(0))}, timeout=60).status_code == 200


def test_all_bodies_together_have_a_limit_too(impatient: str) -> None:
    response = httpx.post(f"{impatient}/predict", content=PART + bytes(300_000) + END, headers=FORM, timeout=60)
    assert code(response) == (503, "busy")


def test_a_client_that_goes_away_holds_nothing(impatient: str, png: Png) -> None:
    for _ in range(4):
        with closing(connected(impatient)) as gone:
            gone.sendall(head(100_000) + PART)
    deadline = time.monotonic() + 30
    while httpx.post(f"{impatient}/predict", files={"files": ("a.png", png(0))}, timeout=60).status_code != 200:
        assert time.monotonic() < deadline


def _until_busy(url: str, payload: bytes) -> httpx.Response:
    """Ask until both slow requests have been let in, which the server does in its own time."""
    while True:
        response = httpx.post(f"{url}/predict", files={"files": ("a.png", payload)}, timeout=60)
        if response.status_code != 200:
            return response
