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
    limits = Limits(upload_seconds=0.5, header_seconds=0.5, max_in_flight=2)
    with served(open_app(predictor, name="impatient", limits=limits), limits) as found:
        yield found


@pytest.fixture(scope="module")
def narrow(predictor: Predictor) -> Iterator[str]:
    """The address of a service with room for two requests of 100,000 bytes, and all the time in the world."""
    limits = Limits(upload_seconds=600.0, max_in_flight=8, max_upload_bytes=200_000, max_held_bytes=200_000)
    with served(open_app(predictor, name="narrow", limits=limits), limits) as found:
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


def test_all_bodies_together_have_a_limit_and_a_client_that_goes_away_holds_nothing(narrow: str, png: Png) -> None:
    def ask() -> httpx.Response:
        padded = png(0) + bytes(20_000)
        return httpx.post(f"{narrow}/predict", files={"files": ("a.png", padded)}, timeout=60)

    assert ask().status_code == 200
    with closing(connected(narrow)) as first, closing(connected(narrow)) as second:
        for slow in (first, second):
            slow.sendall(head(150_000) + PART + bytes(95_000))
        refused = _until(ask, lambda response: response.status_code != 200)
        assert code(refused) == (503, "busy")
    assert _until(ask, lambda response: response.status_code != 503).status_code == 200


def test_a_client_that_asks_and_does_not_read_is_let_go(impatient: str) -> None:
    """Whoever has more answers waiting than the service and both kernels hold is dropped, not waited for."""
    ask = b"GET /cards.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(connected(impatient)) as deaf:
        deaf.setblocking(False)
        deadline = time.monotonic() + 60
        dropped = False
        while not dropped:
            assert time.monotonic() < deadline
            try:
                deaf.send(ask * 50)
            except BlockingIOError:
                time.sleep(0.05)
            except (BrokenPipeError, ConnectionResetError):
                dropped = True


def _until(ask: Callable[[], httpx.Response], wanted: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Ask until the server, in its own time, has seen what others did."""
    deadline = time.monotonic() + 30
    while not wanted(response := ask()):
        assert time.monotonic() < deadline
    return response


def _until_busy(url: str, payload: bytes) -> httpx.Response:
    """Ask until both slow requests have been let in."""
    return _until(
        lambda: httpx.post(f"{url}/predict", files={"files": ("a.png", payload)}, timeout=60),
        lambda response: response.status_code != 200,
    )
