"""Prepared engines on disk: one file each, written whole or not at all, and known when damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["read_stored", "store"]

N_DIGEST_BYTES = hashlib.sha256().digest_size


def read_stored(path: Path) -> bytes | None:
    """Return what was stored, or None if there is nothing or it is damaged; a damaged file is removed."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:N_DIGEST_BYTES], content[N_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() == digest:
        return payload
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def store(path: Path, payload: bytes) -> None:
    """Write a file that appears whole under its name; other processes may write or read the same one.

    Raises:
        OSError: the folder cannot be made or written to, or the disk is full; nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
