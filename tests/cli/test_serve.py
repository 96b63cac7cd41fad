"""`unfreeze serve` as a process: it says where it is, answers, and ends in an orderly way."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

SECONDS = 120
TOKEN = "correct-horse-battery-staple"


@contextmanager
def service(run: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start the command; give the process, its address, and what it said before that."""
    command = [sys.executable, "-m", "unfreeze.cli", "serve", str(run), "--port", "0", "--engine", "eager", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:
            said += line
            if found := re.search(r"http://\S+", line):
                yield process, found.group().rstrip("/"), said
                break
        else:
            pytest.fail(said)
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(
    finished: Path, make_picture: Callable[..., np.ndarray], number: signal.Signals
) -> None:
    content = io.BytesIO()
    Image.fromarray(make_picture(0, seed=1)).save(content, "PNG")
    with service(finished, "--json") as (process, url, _):
        answer = httpx.post(f"{url}/predict", files={"files": ("a.png", content.getvalue())}, timeout=SECONDS)
        assert answer.json()["predictions"][0]["prediction"] in {"cat", "dog"}
        process.send_signal(number)
        out, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert json.loads(out) == {"run": str(finished), "url": f"{url}/"}


@pytest.mark.slow
def test_the_token_comes_from_the_environment_and_is_shown_nowhere(finished: Path) -> None:
    with service(finished, "--host", "0.0.0.0", UNFREEZE_TOKEN=TOKEN) as (_, url, said):  # noqa: S104 - that is tested
        assert TOKEN not in said
        assert "note" not in said
        assert httpx.get(f"{url}/model", timeout=SECONDS).status_code == 401
        assert (
            httpx.get(f"{url}/model", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=SECONDS).status_code == 200
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "70000"), "--port"),
        (("--max-files", "0"), "max_files must be above 0 and finite"),
        (("--token-file", "absent"), "cannot be read"),
        (("--allow-host",), "--allow-host needs a value"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_loads(
    unfreeze: Callable[..., object], finished: Path, options: tuple[str, ...], message: str
) -> None:
    outcome = unfreeze("serve", finished, *options)
    assert outcome.code == 2
    assert message in outcome.err


def test_an_unfinished_run_cannot_be_served(unfreeze: Callable[..., object], tmp_path: Path) -> None:
    assert unfreeze("serve", tmp_path).code == 2
