from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unfreeze.cache import FileState, FingerprintIndex, file_state

OLD = 1_600_000_000  # seconds since 1970; long enough ago that a file of then is settled


def make_file(path: Path, content: bytes = b"picture", *, at: float = OLD) -> FileState:
    path.write_bytes(content)
    os.utime(path, (at, at))
    state = file_state(path)
    assert state is not None
    return state


@pytest.fixture
def index(tmp_path: Path) -> FingerprintIndex:
    return FingerprintIndex(tmp_path / "cache" / "pictures.sqlite")


def test_trap_32_what_is_known_of_a_file_is_kept_for_the_next_run(index: FingerprintIndex, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{i}.jpg") for i in range(1200)]
    index.put_many({path: (make_file(Path(path)), f"text {path}") for path in paths})
    found = FingerprintIndex(index.path).get_many([*paths, str(tmp_path / "absent.jpg")])
    assert found == {path: f"text {path}" for path in paths}


def test_trap_32_a_change_of_size_time_or_inode_is_noticed(index: FingerprintIndex, tmp_path: Path) -> None:
    names = ("same", "longer", "touched", "replaced", "deleted")
    paths = {name: tmp_path / name for name in names}
    index.put_many({str(path): (make_file(path), name) for name, path in paths.items()})
    make_file(paths["longer"], b"a longer picture")
    os.utime(paths["touched"], (OLD + 1, OLD + 1))
    make_file(tmp_path / "new")
    (tmp_path / "new").replace(paths["replaced"])
    paths["deleted"].unlink()
    assert index.get_many([str(path) for path in paths.values()]) == {str(paths["same"]): "same"}


def test_trap_32_a_file_that_was_fresh_when_it_was_read_is_not_believed(
    index: FingerprintIndex, tmp_path: Path
) -> None:
    now = time.time()
    states = {age: make_file(tmp_path / str(age), at=now - age) for age in (-60, 0, 1, 5)}
    index.put_many({str(tmp_path / str(age)): (state, "text") for age, state in states.items()})
    assert set(index.get_many([str(tmp_path / str(age)) for age in states])) == {str(tmp_path / "5")}


def test_relative_and_absolute_paths_are_the_same_file(
    index: FingerprintIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.put_many({str(tmp_path / "a"): (make_file(tmp_path / "a"), "text")})
    monkeypatch.chdir(tmp_path)
    assert index.get_many(["a"]) == {"a": "text"}


def test_what_is_put_again_replaces_what_was_known(index: FingerprintIndex, tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    for text in ("one", "two"):
        index.put_many({path: (make_file(tmp_path / "a", text.encode()), text)})
    assert index.get_many([path]) == {path: "two"}


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as one" * 40, b""])
def test_a_damaged_index_knows_nothing_and_is_made_anew(
    index: FingerprintIndex, tmp_path: Path, content: bytes
) -> None:
    index.path.parent.mkdir()
    index.path.write_bytes(content)
    path = str(tmp_path / "a")
    entries = {path: (make_file(tmp_path / "a"), "text")}
    assert index.get_many([path]) == {}
    index.put_many(entries)
    assert index.get_many([path]) == {path: "text"}


def test_a_newer_index_is_left_alone(index: FingerprintIndex, tmp_path: Path) -> None:
    index.path.parent.mkdir()
    connection = sqlite3.connect(index.path)
    connection.execute("CREATE TABLE pictures (everything TEXT)")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    before = index.path.read_bytes()
    path = str(tmp_path / "a")
    index.put_many({path: (make_file(tmp_path / "a"), "text")})
    assert index.get_many([path]) == {}
    assert index.path.read_bytes() == before


def test_an_index_that_cannot_be_written_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    index = FingerprintIndex(tmp_path / "file" / "pictures.sqlite")
    path = str(tmp_path / "a")
    index.put_many({path: (make_file(tmp_path / "a"), "text")})
    assert index.get_many([path]) == {}


def test_the_oldest_entries_go_when_there_are_too_many(
    index: FingerprintIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unfreeze.cache.hashes.MAX_ENTRIES", 3)
    paths = [str(tmp_path / str(i)) for i in range(5)]
    for path in paths:
        index.put_many({path: (make_file(Path(path)), "text")})
    assert set(index.get_many(paths)) == set(paths[2:])


def test_clear_forgets_everything_and_says_what_it_freed(index: FingerprintIndex, tmp_path: Path) -> None:
    assert index.clear() == 0
    path = str(tmp_path / "a")
    index.put_many({path: (make_file(tmp_path / "a"), "text" * 100_000)})
    assert index.clear() > 100_000
    assert index.get_many([path]) == {}


def test_several_processes_put_at_once_and_nothing_is_lost(index: FingerprintIndex, tmp_path: Path) -> None:
    code = (
        "import sys; from unfreeze.cache import FingerprintIndex, file_state\n"
        "index = FingerprintIndex(sys.argv[1])\n"
        "for path in sys.argv[2:]: index.put_many({path: (file_state(path), path)})\n"
    )
    paths = [str(tmp_path / str(i)) for i in range(60)]
    for path in paths:
        make_file(Path(path))
    running = [subprocess.Popen([sys.executable, "-c", code, str(index.path), *paths[i::3]]) for i in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert index.get_many(paths) == {path: path for path in paths}
