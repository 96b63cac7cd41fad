"""`unfreeze teach` as a process: it says where it is, learns, and ends in an orderly way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

SECONDS = 120
TINY = ("--model", "test_resnet", "--no-pretrained", "--size", "32", "--engine", "eager")


@pytest.mark.slow
def test_it_teaches_until_it_is_told_to_stop(image_folder: Path) -> None:
    command = [sys.executable, "-m", "unfreeze.cli", "teach", str(image_folder), "--port", "0", "--json", *TINY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = next(match for line in process.stderr if (match := re.search(r"http://\S+", line)))
        url = found.group()
        assert httpx.get(f"{url}health", timeout=SECONDS).json() == {"status": "ok"}
        assert "text/html" in httpx.get(url, timeout=SECONDS).headers["Content-Type"]
        assert httpx.post(f"{url}teach/classes?name=bird", timeout=SECONDS).json() == {"name": "bird"}
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert json.loads(out) == {"folder": str(image_folder), "url": url}
        assert (image_folder / "bird").is_dir()
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "70000"), "port"),
        (("--token-file", "absent"), "cannot be read"),
        (("--model", "resnet5O"), "resnet50"),
        (("--hidden", "4"), "--hidden"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_made(
    unfreeze: Callable[..., object], tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    outcome = unfreeze("teach", tmp_path / "new", *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_divided_is_refused(unfreeze: Callable[..., object], image_folder: Path) -> None:
    (image_folder / "train").mkdir()
    outcome = unfreeze("teach", image_folder, "--port", "0")
    assert outcome.code == 2
    assert "divided by folders" in outcome.err
