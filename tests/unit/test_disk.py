"""A file gets its name when its bytes are on the disk, and the name follows them there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from unfreeze.disk import replace_on_disk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_bytes_are_on_the_disk_before_the_name_and_the_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, path, real_fsync = tmp_path / "f.part", tmp_path / "f", os.fsync
    part.write_bytes(b"new")
    path.write_bytes(b"old")
    inodes = part.stat().st_ino, tmp_path.stat().st_ino
    synced: list[tuple[int, bytes]] = []

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, path.read_bytes()))
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_on_disk(part, path)
    assert synced == [(inodes[0], b"old"), (inodes[1], b"new")]
    assert not part.exists()
