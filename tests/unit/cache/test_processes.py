"""Several processes on one cache, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.cache import ActivationCache

A = "a" * 64
SETUP = """
import sys
import numpy as np
from unfreeze.cache import ActivationCache, PassDescription, row_key
cache = ActivationCache(sys.argv[1], quota_bytes=10**9)
description = PassDescription(
    model="m", frontier="f", size=(8, 8), views="evaluation", engine="eager", precision="fp32"
)
def keys(numbers): return [row_key(f"{i:064x}", augment="none", view=0, file="") for i in numbers]
def values(numbers): return {"x": np.repeat(np.asarray(numbers, np.float32)[:, None], 500, axis=1)}
"""
WRITER = """
for start in range(0, 600, 20):
    with cache.writing("a" * 64, description=description, n_rows=20) as writer:
        writer.add(keys(range(start, start + 20)), values(range(start, start + 20)))
"""
READER = """
seen = 0
while seen < 600:
    there = np.flatnonzero(cache.lookup("a" * 64, keys(range(600))))
    if len(there):
        found = cache.read("a" * 64, keys(there), memory_bytes=0 if len(there) % 40 else 10**9).rows(range(len(there)))
        assert np.array_equal(found[0], values(there)["x"]), "a reader saw rows that were not whole"
    assert len(there) >= seen
    seen = len(there)
"""
DYING = """
import os, signal
writer = cache.writing("a" * 64, description=description, n_rows=1000)
writer.add(keys(range(10)), values(range(10)))
writer.flush()
writer.add(keys(range(10, 900)), values(range(10, 900)))
real = os.fsync
def die(handle): os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die if sys.argv[2] == "while syncing" else real
if sys.argv[2] == "while writing": die(0)
if sys.argv[2] == "before renaming":
    import pathlib
    pathlib.Path.rename = lambda *_: die(0)
writer.flush()
"""


def start(cache: ActivationCache, code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SETUP + code, str(cache.directory), *arguments])


@pytest.mark.slow
def test_readers_never_see_a_half_while_two_processes_write_the_same_rows(
    cache: ActivationCache, row_keys: Callable[[Any], list[str]]
) -> None:
    running = [start(cache, code) for code in (WRITER, WRITER, READER)]
    assert [process.wait() for process in running] == [0, 0, 0]
    (rows,) = cache.read(A, row_keys(range(600))).rows(range(600))
    np.testing.assert_array_equal(rows[:, 499], np.arange(600))
    assert not list(cache.directory.rglob(".part-*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", ["while writing", "while syncing", "before renaming"])
def test_a_process_killed_in_the_middle_of_a_shard_leaves_nothing_visible(
    cache: ActivationCache, row_keys: Callable[[Any], list[str]], write: Callable[..., None], moment: str
) -> None:
    assert start(cache, DYING, moment).wait() == -signal.SIGKILL
    assert cache.lookup(A, row_keys(range(1000))).sum() == 10
    assert cache.read(A, row_keys(range(10))).n_rows == 10
    (left,) = cache.pass_folder(A).parent.glob(".part-*")
    for path in (*left.iterdir(), left):
        os.utime(path, (0, 0))
    write(cache, "b" * 64, range(3))
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_streaming_large_maps_and_loading_vectors_stay_within_their_memory(cache: ActivationCache) -> None:
    code = """
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096
n, shape = 8_000, (192, 7, 7)  # 301 MB of maps
row = np.ones((100, *shape), np.float32)
base = resident()
with cache.writing("a" * 64, description=description, n_rows=n) as writer:
    for start in range(0, n, 100):
        writer.add(keys(range(start, start + 100)), {"map": row})
assert resident() - base < 50e6, f"writing took {(resident() - base) / 1e6} MB"
maps = cache.read("a" * 64, keys(range(n)), memory_bytes=10**8)
rng, peak = np.random.default_rng(0), 0
for batch in np.array_split(rng.permutation(n), n // 64):
    maps.rows(batch)
    peak = max(peak, resident() - base)
assert peak < 150e6, f"reading took {peak / 1e6} MB"
del maps
base = resident()
vectors = np.ones((1000, 1280), np.float32)
with cache.writing("b" * 64, description=description, n_rows=20_000) as writer:
    for start in range(0, 20_000, 1000):
        writer.add(keys(range(start, start + 1000)), {"x": vectors})
loaded = cache.read("b" * 64, keys(range(20_000)))
assert loaded.arrays[0].shape == (20_000, 1280)
assert resident() - base < 1.4 * loaded.n_bytes, f"{(resident() - base) / 1e6} MB for {loaded.n_bytes / 1e6} MB"
"""
    assert start(cache, code).wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("memory_bytes", ["0", "10**9"])
def test_a_shard_that_cannot_be_opened_at_the_moment_is_missing_and_not_deleted(
    cache: ActivationCache, row_keys: Callable[[Any], list[str]], write: Callable[..., None], memory_bytes: str
) -> None:
    write(cache, A, range(10))
    code = f"""
import os, resource
from unfreeze.cache import store
from unfreeze.errors import MissingRowsError
real = store.index_pass
def indexed(folder):
    index = real(folder)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) - 1, 4096))
    return index
store.index_pass = indexed
try:
    cache.read("a" * 64, keys(range(10)), memory_bytes={memory_bytes})
except MissingRowsError as error:
    assert "Too many open files" in str(error), error
else:
    raise AssertionError("it could be read")
"""
    assert start(cache, code).wait() == 0
    assert cache.read(A, row_keys(range(10))).n_rows == 10
