"""How long an answer may take, what a service does that ends, and what it says where it cannot draw or foresee."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.services import served
from torch import Tensor

from unfreeze.errors import ConfigError
from unfreeze.evaluation import Prediction
from unfreeze.evaluation.attribution import HeatMaps
from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app
from unfreeze.serving.running import bind

Png = Callable[..., bytes]
SECONDS = 60


class Gated(Predictor):
    """A predictor that holds still while its gate is closed, and fails where it is told to."""

    def __init__(self, like: Predictor) -> None:
        super().__init__(like.network, like.record, engine="eager")
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.note: str | None = None
        self.n_at_once: list[int] = []
        self.prepared = threading.Semaphore(0)

    def prepare(self, data: bytes | Path, *, name: str = "the picture") -> Tensor:
        view = super().prepare(data, name=name)
        self.prepared.release()
        return view

    def predict(self, pictures: Sequence[Tensor], *, files: Sequence[str] | None = None) -> list[Prediction]:
        self.entered.set()
        assert self.gate.wait(SECONDS)
        if self.error is not None:
            raise self.error
        self.n_at_once.append(len(pictures))
        return super().predict(pictures, files=files)

    def explain(self, pictures: Sequence[Tensor], outputs: Sequence[int]) -> HeatMaps:  # noqa: ARG002 - none spoke
        if self.note is not None:
            return HeatMaps(maps=(None,), note=self.note)
        return HeatMaps(maps=(None,), layer="none spoke")


@contextmanager
def gated(predictor: Predictor, limits: Limits) -> Iterator[tuple[Gated, str]]:
    model = Gated(predictor)
    with served(open_app(model, name="gated", limits=limits), limits) as url:
        yield model, url
        model.gate.set()


def ask(url: str, payload: bytes) -> httpx.Response:
    return httpx.post(f"{url}/predict", files={"files": ("a.png", payload)}, timeout=SECONDS)


def test_an_answer_that_takes_too_long_is_a_timeout_and_the_next_is_not(predictor: Predictor, png: Png) -> None:
    with gated(predictor, Limits(answer_seconds=0.2)) as (model, url):
        model.gate.clear()
        response = ask(url, png(0))
        assert (response.status_code, response.json()["error"]["code"]) == (504, "timed_out")
        model.gate.set()
        deadline = time.monotonic() + SECONDS
        while (response := ask(url, png(0))).status_code == 504:
            assert time.monotonic() < deadline
        assert response.status_code == 200


def test_what_comes_while_the_network_computes_is_computed_together(predictor: Predictor, png: Png) -> None:
    with gated(predictor, Limits()) as (model, url), ThreadPoolExecutor(9) as pool:
        model.gate.clear()
        first = pool.submit(ask, url, png(0))
        assert model.entered.wait(SECONDS)
        others = [pool.submit(ask, url, png(i % 2)) for i in range(8)]
        for _ in range(9):
            assert model.prepared.acquire(timeout=SECONDS)
        model.gate.set()
        assert [each.result(SECONDS).status_code for each in (first, *others)] == [200] * 9
        assert model.n_at_once[0] == 1
        assert len(model.n_at_once) < 9


def test_a_service_that_is_told_to_stop_answers_what_is_in_flight(predictor: Predictor, png: Png) -> None:
    model = Gated(predictor)
    model.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        with served(open_app(model, name="gated", limits=Limits())) as url:
            answer = pool.submit(ask, url, png(0))
            assert model.entered.wait(SECONDS)
            threading.Timer(0.3, model.gate.set).start()  # by then it has been told to stop, and waits
        assert answer.result(SECONDS).status_code == 200


def test_an_error_that_nobody_foresaw_tells_clients_nothing_and_ends_nothing(predictor: Predictor, png: Png) -> None:
    with gated(predictor, Limits()) as (model, url):
        model.error = RuntimeError("a secret of the server")
        response = ask(url, png(0))
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
        assert "secret" not in response.text
        assert response.headers["x-content-type-options"] == "nosniff"
        model.error = None
        assert ask(url, png(0)).status_code == 200


def test_where_heat_maps_cannot_be_drawn_it_says_why(predictor: Predictor, png: Png) -> None:
    with gated(predictor, Limits()) as (model, url):
        model.note = "Heat maps need captum."
        response = httpx.post(f"{url}/explain", files={"file": ("a.png", png(0))}, timeout=SECONDS)
        assert response.status_code == 501
        assert response.json() == {"error": {"code": "no_heat_maps", "message": "Heat maps need captum."}}


def test_where_no_place_spoke_the_picture_alone_is_drawn(predictor: Predictor, png: Png) -> None:
    with gated(predictor, Limits()) as (_, url):
        response = httpx.post(f"{url}/explain", files={"file": ("a.png", png(0))}, timeout=SECONDS)
        assert (response.status_code, response.headers["x-heat"]) == (200, "none")


def test_a_place_that_is_taken_is_an_error_with_a_remedy() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(ConfigError, match=r"cannot listen at 127\.0\.0\.1.*--port"):
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="--host"):
        bind("no.such.host.invalid", 0)
    with pytest.raises(ConfigError, match="--port"):
        bind("127.0.0.1", 70_000)


def test_limits_of_nothing_are_refused_together() -> None:
    with pytest.raises(ConfigError, match=r"(?s)max_files.*answer_seconds"):
        Limits(max_files=0, answer_seconds=-1.0)
    with pytest.raises(ConfigError, match="max_held_bytes must be at least max_upload_bytes"):
        Limits(max_upload_bytes=1_000, max_held_bytes=999)


NEVER_CLOSES = """
import asyncio, time
from contextlib import asynccontextmanager
from fastapi import FastAPI
from unfreeze.serving import Limits
from unfreeze.serving.running import bind, run_server

@asynccontextmanager
async def lifespan(app):
    yield
    print("closing", flush=True)
    await asyncio.to_thread(time.sleep, 600)

run_server(FastAPI(lifespan=lifespan), bind("127.0.0.1", 0), Limits(), ready=lambda: print("ready", flush=True))
"""


@pytest.mark.slow
def test_whoever_asks_often_enough_need_not_kill_what_does_not_close() -> None:
    command = [sys.executable, "-c", NEVER_CLOSES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "closing\n"
        deadline = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            process.terminate()
            time.sleep(0.1)
        process.kill()
    assert process.returncode == -signal.SIGTERM
