"""How long it takes until anything happens at all."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from components.registry import Reading, Room, median_seconds, part

__all__ = ["help_time", "import_time"]


@part
def help_time(room: Room) -> list[Reading]:
    """`unfreeze --help` takes at most 0.3 s, whole process."""
    command = [sys.executable, "-m", "unfreeze.cli", "--help"]
    seconds = median_seconds(lambda: _run(command), room.n_repeats)
    return [Reading(name="unfreeze --help", value=seconds, unit="s", sense="at most", limit=0.3)]


@part
def import_time(room: Room) -> list[Reading]:
    """`import unfreeze` takes at most 0.1 s, the interpreter's own start left out."""
    program = "import time; t = time.perf_counter(); import unfreeze; print(time.perf_counter() - t)"
    seconds = median(float(_run([sys.executable, "-c", program])) for _ in range(room.n_repeats))
    return [Reading(name="import unfreeze", value=seconds, unit="s", sense="at most", limit=0.1)]


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
