"""A comparison that is killed outright, as by the machine going down, and resumed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.numpy import load_file

import unfreeze as uf
from unfreeze.comparison import CellResult, SilentComparison
from unfreeze.comparison_records import RowRecord

SETTINGS: dict[str, Any] = {
    "strategies": ["head", "full"], "seeds": 2, "epochs": 3, "model": "test_resnet", "pretrained": False, "size": 32,
    "batch_size": 8,
}  # fmt: skip
N_STEPS = 9  # of a training: three epochs of three steps


class Recording(SilentComparison):
    """Keeps which trainings came to their end."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, int]] = []

    def cell_done(self, result: CellResult) -> None:
        self.ended.append((result.cell.row, result.cell.seed))


def kill_within(data: Path, out: Path, cell: tuple[str, int], *, step: int) -> None:
    """Compare in another process that is killed at a step of one cell."""
    script = (
        "import os, signal, torch, unfreeze as uf\n"
        "from unfreeze.comparison import SilentComparison\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "class Killed(SilentComparison):\n"
        f"    now, left = None, {step}\n"
        "    def cell(self, info): self.now = (info.row, info.seed)\n"
        "    def step(self, info):\n"
        f"        self.left -= self.now == {cell!r}\n"
        "        if self.left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"uf.compare({str(data)!r}, out={str(out)!r}, progress=Killed(), **{SETTINGS!r})\n"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


def figures(found: uf.Comparison) -> list[RowRecord]:
    """All that is said of each row but the time it took."""
    return [msgspec.structs.replace(row, seconds=0.0) for row in found.rows]


def weights(run: Path) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in load_file(run / "model.safetensors").items()}


def written(run: Path) -> dict[str, int]:
    """When each file of a run was last written, the report apart: that is written when a comparison ends."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name not in {"report.html", "methods.txt"})
    return {path.relative_to(run).as_posix(): path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_a_comparison_killed_within_a_cell_repeats_no_finished_one_and_ends_as_if_it_had_never_been(
    image_folder: Path, tmp_path: Path
) -> None:
    whole = uf.compare(image_folder, out=tmp_path / "whole", **SETTINGS)
    out, step = tmp_path / "killed", random.Random().randint(1, N_STEPS)
    kill_within(image_folder, out, ("full", 1), step=step)

    killed = uf.Comparison(out)
    assert killed.record.status == "running", "nothing could be written any more"
    done = {(cell.row, cell.seed): out / cell.run for cell in killed.record.cells if cell.status == "done"}
    assert set(done) == {("head", 0), ("head", 1), ("full", 0)}
    before = {cell: written(run) for cell, run in done.items()}

    resumed = uf.compare(out=out, resume=True, progress=(watched := Recording()))
    assert watched.ended == [("full", 1)], f"killed at step {step}"
    assert {cell: written(run) for cell, run in done.items()} == before, "what was finished was not touched"
    assert resumed.record.status == "done"
    assert figures(resumed) == figures(whole), f"killed at step {step}"
    for cell in (*(cell.run for cell in whole.record.cells), "best"):
        assert weights(out / cell) == weights(tmp_path / "whole" / cell), f"{cell}, killed at step {step}"
