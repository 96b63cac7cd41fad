"""What programs are answered: predictions as the library makes them, heat maps, the model, errors in one form."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image

import unfreeze as uf

Png = Callable[..., bytes]


def files(*given: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", each) for each in given]


def code(response: httpx.Response) -> str:
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    return str(error["code"])


def test_a_picture_is_predicted_as_the_library_does(client: httpx.Client, run: Path, png: Png, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(png(1))
    (expected,) = uf.load(run).predict(tmp_path / "one.png")
    (found,) = client.post("/predict", files=files(("one.png", png(1)))).raise_for_status().json()["predictions"]
    assert found["file"] == "one.png"
    assert found["prediction"] == expected.prediction
    assert found["scores"] == pytest.approx(dict(expected.scores), abs=1e-6)
    assert found["set"] == list(expected.classes or ())
    assert found["error"] is None


def test_many_pictures_are_answered_in_their_order_and_one_that_is_broken_does_not_spoil_them(
    client: httpx.Client, png: Png
) -> None:
    response = client.post("/predict", files=files(("a.png", png(0)), ("b.png", b"broken"), ("c.png", png(1))))
    assert response.status_code == 200
    first, broken, last = response.json()["predictions"]
    assert [first["file"], broken["file"], last["file"]] == ["a.png", "b.png", "c.png"]
    assert broken["prediction"] is None
    assert broken["error"]["code"] == "unreadable"
    assert '"b.png" is not a picture' in broken["error"]["message"]
    assert first["error"] is last["error"] is None


def test_many_requests_at_once_get_each_their_own_answer(client: httpx.Client, png: Png) -> None:
    pictures = [(f"{i}.png", png(i % 2, seed=i)) for i in range(24)]
    one_by_one = [client.post("/predict", files=files(each)).json()["predictions"][0] for each in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda each: client.post("/predict", files=files(each)).json()["predictions"][0], pictures)
        )
    for alone, found in zip(one_by_one, together, strict=True):
        assert found["file"] == alone["file"]
        assert found["scores"] == pytest.approx(alone["scores"], abs=1e-5)


@pytest.mark.parametrize(
    ("payload", "status", "error"),
    [(b"", 422, "unreadable"), (b"%PDF-1.4 hello", 422, "unreadable"), (None, 422, "unreadable")],
    ids=["empty", "no picture", "cut off"],
)
def test_where_no_picture_can_be_read_each_says_why(
    client: httpx.Client, png: Png, payload: bytes | None, status: int, error: str
) -> None:
    content = png(0)[:-40] if payload is None else payload
    response = client.post("/predict", files=files(("x.png", content)))
    assert response.status_code == status
    assert [each["error"]["code"] for each in response.json()["predictions"]] == [error]


def test_a_picture_of_ten_thousand_pixels_a_side_is_refused_by_its_header(client: httpx.Client) -> None:
    content = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(content, "PNG")
    response = client.post("/predict", files=files(("large.png", content.getvalue())))
    assert response.status_code == 413
    assert response.json()["predictions"][0]["error"]["code"] == "too_many_pixels"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\Windows\\x.png", "<script>alert(1)</script>.png", "a\x00b.png", "ä 猫.png", ""]
)
def test_a_name_is_only_ever_handed_back(client: httpx.Client, png: Png, name: str) -> None:
    disposition = f'form-data; name="files"; filename="{name}"'.encode()
    body = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + png(0) + b"\r\n--b--\r\n"
    response = client.post("/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert response.status_code == 200
    shown = response.json()["predictions"][0]["file"]
    assert shown in {name, name.replace("\x00", ""), name.rsplit("\\", 1)[-1], "picture"}
    assert "\x00" not in shown


def test_a_heat_map_is_a_picture_of_the_size_the_network_sees(client: httpx.Client, png: Png) -> None:
    response = client.post("/explain", files={"file": ("a.png", png(0))}).raise_for_status()
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (32, 32)
    (said,) = client.post("/predict", files=files(("a.png", png(0)))).json()["predictions"]
    assert unquote(response.headers["x-class"]) == said["prediction"]


def test_heat_maps_are_for_the_class_that_is_asked_for(client: httpx.Client, png: Png) -> None:
    found = [
        client.post("/explain", files={"file": ("a.png", png(0))}, data={"class": name}).raise_for_status()
        for name in ("cat", "dog <b>")
    ]
    assert [unquote(each.headers["x-class"]) for each in found] == ["cat", "dog <b>"]
    assert found[0].content != found[1].content


def test_a_class_that_there_is_not_is_an_error_that_names_the_nearest(client: httpx.Client, png: Png) -> None:
    response = client.post("/explain", files={"file": ("a.png", png(0))}, data={"class": "cats"})
    assert (response.status_code, code(response)) == (422, "unknown_class")
    assert 'Did you mean "cat"?' in response.json()["error"]["message"]


def test_a_broken_picture_cannot_be_explained(client: httpx.Client) -> None:
    response = client.post("/explain", files={"file": ("a.png", b"broken")})
    assert (response.status_code, code(response)) == (422, "unreadable")


def test_the_model_tells_what_it_is_and_how_sure_it_can_be(client: httpx.Client, run: Path) -> None:
    told = client.get("/model").raise_for_status().json()
    record = uf.load(run).record
    test = record.metrics.test[record.primary_metric]
    assert told["name"] == "pets-head"
    assert told["classes"] == ["cat", "dog <b>"]
    assert told["size"] == [32, 32]
    assert (told["n_train"], told["n_test"]) == (record.data.split_counts["train"], record.data.split_counts["test"])
    assert told["metric"]["name"] == record.primary_metric == "balanced_accuracy"
    assert (told["metric"]["value"], told["metric"]["low"], told["metric"]["high"]) == (test.value, test.low, test.high)
    assert told["conformal"] == {"level": 0.6}
    assert told["limits"] == {"max_upload_bytes": 2 * 1024**2, "max_pixels": 1_000_000, "max_files": 4}
    assert any("95% interval" in text for text in told["about"])


def test_it_says_that_it_is_up(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/house.css", "/client.js", "/cards.js", "/camera.js", "/icon.svg"]
)
def test_the_page_is_there_and_takes_nothing_from_elsewhere(client: httpx.Client, path: str) -> None:
    response = client.get(path).raise_for_status()
    assert "http://" not in response.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in response.text
    again = client.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/nothing", "/../pyproject.toml", "/page/../index.html", "/%2e%2e/errors.py", "/docs"]
)
def test_there_is_nothing_at_other_addresses(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, code(response)) == (404, "not_found")


def test_other_methods_are_refused_and_the_right_ones_named(client: httpx.Client) -> None:
    response = client.get("/predict")
    assert (response.status_code, code(response), response.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_every_answer_keeps_browsers_from_being_misled(client: httpx.Client, png: Png) -> None:
    for response in (client.get("/"), client.get("/nothing"), client.post("/explain", files={"file": ("a", png(0))})):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert "http" not in response.headers["content-security-policy"]
    assert client.get("/health").headers["cache-control"] == "no-store"
