"""Stored files are whole or absent, whoever writes them and however they end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from unfreeze.engines.storing import read_stored, store

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
from pathlib import Path
from unfreeze.engines.storing import read_stored, store
path, mark = Path(sys.argv[1]), sys.argv[2].encode()
for _ in range(50):
    store(path, mark * 200_000)
    read = read_stored(path)
    assert read is not None and len(read) == 200_000 and len(set(read)) == 1
"""


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.blob"
    assert read_stored(path) is None
    store(path, b"one")
    store(path, b"other")
    assert read_stored(path) == b"other"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 10, 40])
def test_a_truncated_file_is_noticed_and_removed(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.blob"
    store(path, b"a long payload")
    path.write_bytes(path.read_bytes()[:keep])
    assert read_stored(path) is None
    assert not path.exists()


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.blob"
    store(path, b"a long payload")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert read_stored(path) is None


def test_a_folder_that_cannot_be_made_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match="taken"):
        store(tmp_path / "taken" / "a.blob", b"payload")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_processes_that_write_the_same_file_at_once_never_see_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "a.blob"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), mark]) for mark in "xyz"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [path]
