"""Running one program from start to exit and measuring it, and describing the machine that it ran on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["Measured", "Others", "machine", "measure", "versions_in"]

KIB = 1024
PACKAGES = (
    "torch", "torchvision", "timm", "openvino", "numpy", "pillow", "simplejpeg",
    "fastai", "lightning", "finetuning-scheduler", "keras", "tensorflow-cpu",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a process cost, the processes that it started and waited for included.

    Attributes:
        exit_code: 0 if it did what it should.
        wall_seconds: From its start to its end.
        cpu_seconds: On all cores, in user and system mode.
        max_rss_bytes: Peak resident memory of the largest single process; workers are not added up.
        others_share: How much of all cores' time went to other processes, 0 to 1; None where it cannot be told.
    """

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    others_share: float | None


class Others:
    """What other processes take of the machine from now on."""

    def __init__(self) -> None:
        self._busy, self._began = _busy_seconds(), time.perf_counter()

    def share(self, *, cpu_seconds: float) -> float | None:
        """Return their share of all cores' time until now, 0 to 1; None where it cannot be told.

        Args:
            cpu_seconds: What was taken meanwhile by the process that is measured.
        """
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        available = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        return round(max(0.0, busy - self._busy - cpu_seconds) / available, 3)


def measure(command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command, its output in `log`, and measure the whole process.

    This process must stay small: a child's peak counts from what its parent had at the fork.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        others, began = Others(), time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, env=dict(environment)
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(
        exit_code=process.returncode,
        wall_seconds=round(wall, 3),
        cpu_seconds=round(cpu, 3),
        max_rss_bytes=usage.ru_maxrss * KIB,
        others_share=others.share(cpu_seconds=cpu),
    )


def machine() -> dict[str, object]:
    """Describe this machine by what matters to speed; it is not named."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "n_cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "python": platform.python_version(),
    }


def versions_in(python: Path | str, *, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the releases of the packages that matter, as they are installed for a Python."""
    answer = subprocess.run(
        [str(python), str(Path(__file__).resolve())], check=True, capture_output=True, text=True, env=dict(environment)
    )
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def _busy_seconds() -> float | None:
    """Return the seconds that all cores together have worked since the machine started, or were taken by its host."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, soft_irq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":  # asked by `versions_in`, under another Python
    print(json.dumps(_versions()))
