"""Freed memory is kept by the process, so that it need not be faulted in again."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from unfreeze.backbones import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
network = torch.nn.Sequential(*[torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(4)])
images = torch.rand(16, 8, 112, 112)
with torch.inference_mode():
    for _ in range(5):  # until the heap has found its size
        network(images)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        network(images)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_activations_reuse_the_pages_of_those_before() -> None:
    n_faults = {}
    for what in ("leave", "keep"):
        command = [sys.executable, "-c", SCRIPT, what]
        n_faults[what] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert n_faults["keep"] < n_faults["leave"] / 4
