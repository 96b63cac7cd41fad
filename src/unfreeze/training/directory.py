"""The run directory while it comes into being: named, claimed, described, and finished."""

from __future__ import annotations

import itertools
import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import torch
from filelock import FileLock, Timeout

from unfreeze.errors import RunError
from unfreeze.records import RunRecord, read_json, write_json

__all__ = [
    "discard_lock",
    "environment",
    "next_directory",
    "now",
    "only_one",
    "out_problem",
    "read_finished",
    "read_run",
    "update",
]


def next_directory(data: Path, strategy: str, *, parent: Path = Path("runs")) -> Path:
    """Return `runs/<data>-<strategy>-<n>` with the first n that is free."""
    stem = data.stem if data.is_file() else data.resolve().name
    name = re.sub(r"[^\w.]+", "-", f"{stem}-{strategy}").strip("-")
    return next(path for n in itertools.count(1) if not (path := parent / f"{name}-{n}").exists())


def out_problem(out: Path) -> str | None:
    """Say why a directory cannot take a new run; `None` if it can."""
    if out.is_file():
        return f'--out "{out}" is a file; name a directory that does not exist yet.'
    if (out / "run.json").exists():
        return f'--out "{out}" holds another run; name another directory, or continue that run with --resume.'
    if out.is_dir() and any(out.iterdir()):
        return f'--out "{out}" is not empty; name a directory that does not exist yet.'
    parent = next(folder for folder in (out, *out.parents) if folder.exists())
    if not parent.is_dir():
        return f'--out "{out}": "{parent}" is a file; name another directory.'
    if not os.access(parent, os.W_OK) or not _can_make(out):
        return f'--out "{out}": "{parent}" cannot be written to; name another directory.'
    return None


@contextmanager
def only_one(out: Path, *, must_be_new: bool) -> Iterator[None]:
    """Keep a run directory to this process meanwhile, making it if it is missing.

    The lock is the system's: it goes with the process, however that ends.

    Raises:
        RunError: another process has the directory, it holds another run where it must be new, or it cannot be made.
    """
    problem = out_problem(out) if must_be_new else None
    if problem:
        raise RunError(problem)
    try:
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
        with FileLock(out / "checkpoints" / "lock", blocking=False):
            yield
    except Timeout:
        raise RunError(
            f'Another process is training in "{out}"; wait for it, or name another directory by --out.'
        ) from None


def discard_lock(out: Path) -> None:
    """Delete what a finished run no longer needs: its checkpoints, and among them the lock, which nobody holds."""
    shutil.rmtree(out / "checkpoints")


def _can_make(out: Path) -> bool:
    """Try it, and leave nothing: some places say that they can be written to, and cannot."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
    return True


def read_run(out: Path) -> RunRecord:
    """Read a run's record.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    if not out.is_dir():
        raise RunError(f'"{out}" does not exist; give the directory of a run.')
    return read_json(out / "run.json", RunRecord)


def read_finished(out: Path) -> RunRecord:
    """Read the record of a run that is done.

    Raises:
        RunError: there is none, it cannot be read, or the run is not finished.
    """
    record = read_run(out)
    if record.status != "done":
        raise RunError(f'The run in "{out}" is {record.status}; finish it with: unfreeze train --resume --out {out}')
    return record


def update(out: Path, record: RunRecord, **changes: object) -> RunRecord:
    """Write run.json anew with some fields changed, and return it."""
    changed = msgspec.structs.replace(record, **changes)
    write_json(out / "run.json", changed)
    return changed


def environment(packages: Sequence[str] = ("unfreeze", "torch", "timm", "numpy", "pillow")) -> dict[str, str]:
    """Return the versions and the machine that a result depends on."""
    found = {package: metadata.version(package) for package in packages}
    return {
        "python": platform.python_version(),
        **found,
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
    }


def now() -> str:
    """Return the time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
