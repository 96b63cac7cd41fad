"""A disk that is really full: a small one in memory, which takes root to mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unfreeze.cache import ActivationCache, FingerprintIndex, fetch_activations, file_state
from unfreeze.errors import CacheUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from unfreeze.cache import PassDescription, PassWriter

    Keys = Callable[[Any], list[str]]

A, B = "a" * 64, "b" * 64
N_BYTES_A_ROW = 4000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("needs mount")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    yield place
    subprocess.run([umount, "--lazy", place], check=True)


def values(numbers: Any) -> dict[str, Any]:
    return {"x": np.repeat(np.asarray(numbers, np.float32)[:, None], N_BYTES_A_ROW // 4, axis=1)}


def fill(writer: PassWriter, row_keys: Keys) -> None:
    """Add more rows than were announced, so that no room was made for them."""
    for start in range(100, 1000, 50):
        writer.add(row_keys(range(start, start + 50)), values(range(start, start + 50)))
        assert writer._shard is not None
        writer._shard._file.flush()


def test_a_disk_that_fills_up_while_rows_are_written_leaves_nothing_half_written(
    small_disk: Path, description: PassDescription, row_keys: Keys
) -> None:
    cache = ActivationCache(small_disk / "cache", quota_bytes=10**9)
    with cache.writing(A, description=description, n_rows=100) as writer:
        writer.add(row_keys(range(100)), values(range(100)))
        writer.flush()
        (small_disk / "of somebody else").write_bytes(b"x" * 1_300_000)
        with pytest.raises(CacheUnavailableError, match="No space left on device"):
            fill(writer, row_keys)
    assert not list(small_disk.rglob(".part-*"))
    assert cache.lookup(A, row_keys(range(1000))).sum() == 100
    np.testing.assert_array_equal(cache.read(A, row_keys([7])).rows([0])[0], values([7])["x"])


def test_what_does_not_fit_on_the_disk_is_refused_before_it_is_filled(
    small_disk: Path, description: PassDescription, row_keys: Keys
) -> None:
    cache = ActivationCache(small_disk / "cache", quota_bytes=10**9)
    assert cache.available_bytes(A) <= 2 << 20
    with (
        pytest.raises(CacheUnavailableError, match="or what the disk has"),
        cache.writing(A, description=description, n_rows=1000) as writer,
    ):
        writer.add(row_keys(range(10)), values(range(10)))
    assert cache.passes() == ()


def test_older_passes_make_room_on_a_full_disk(small_disk: Path, description: PassDescription, row_keys: Keys) -> None:
    cache = ActivationCache(small_disk / "cache", quota_bytes=10**9)
    for key in (A, B):
        with cache.writing(key, description=description, n_rows=300) as writer:
            writer.add(row_keys(range(300)), values(range(300)))
        del writer
    assert [entry.key for entry in cache.passes()] == [B]


def test_training_goes_on_in_memory_when_the_disk_is_full(
    small_disk: Path, description: PassDescription, row_keys: Keys
) -> None:
    (small_disk / "of somebody else").write_bytes(b"x" * (2 << 20))
    cache = ActivationCache(small_disk / "cache", quota_bytes=10**9)

    def compute(positions: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
        yield positions, values(positions)

    found = fetch_activations(cache, A, row_keys(range(10)), compute, description=description)
    assert found.note is not None
    assert found.n_hits == 0
    np.testing.assert_array_equal(found.activations.rows([9])[0], values([9])["x"])


def test_the_index_of_pictures_survives_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "picture"
    path.write_bytes(b"picture")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    state = file_state(path)
    assert state is not None
    index = FingerprintIndex(small_disk / "pictures.sqlite")
    index.put_many({str(path): (state, "small")})
    index.put_many({str(small_disk / str(i)): (state, "x" * 10_000) for i in range(400)})
    assert index.get_many([path]) == {str(path): "small"}
