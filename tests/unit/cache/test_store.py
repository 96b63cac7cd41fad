from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unfreeze.cache import ActivationCache, MappedActivations, MemoryActivations
from unfreeze.errors import CacheError, CacheUnavailableError, ConfigError, MissingRowsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.cache import PassDescription

    Keys = Callable[[Any], list[str]]
    Write = Callable[..., None]
    Tensors = Callable[[Any], dict[str, Any]]

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def shards_of(cache: ActivationCache, pass_key: str = A) -> list[Path]:
    return sorted(path.parent for path in cache.pass_folder(pass_key).glob("*/manifest.json"))


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("memory_bytes", [0, 10**9])
def test_rows_come_back_in_the_order_asked_for_from_all_shards(
    cache: ActivationCache, write: Write, row_keys: Keys, tensors: Tensors, memory_bytes: int
) -> None:
    write(cache, A, range(50), shards=7)
    wanted = [49, 0, 7, 7, 23, 8, 9, 10]
    found = cache.read(A, row_keys(wanted), memory_bytes=memory_bytes)
    assert isinstance(found, MemoryActivations if memory_bytes else MappedActivations)
    assert [spec.name for spec in found.specs] == ["pooled", "map", "odd"]
    numbers = [3, 0, 7, 3]
    for array, expected in zip(found.rows(numbers), tensors([7, 49, 10, 7]).values(), strict=True):
        assert array.dtype == expected.dtype
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, expected)


def test_only_missing_rows_are_missing(cache: ActivationCache, write: Write, row_keys: Keys) -> None:
    write(cache, A, range(5))
    assert cache.lookup(A, row_keys([0, 4, 5, 2])).tolist() == [True, True, False, True]
    assert not cache.lookup(B, row_keys([0])).any()
    with pytest.raises(MissingRowsError, match="1 of 2 rows are not in pass"):
        cache.read(A, row_keys([0, 5]))


def test_a_few_tensors_can_be_read_alone(cache: ActivationCache, write: Write, row_keys: Keys) -> None:
    write(cache, A, range(5))
    found = cache.read(A, row_keys(range(5)), names={"map"}, memory_bytes=5 * 24)
    assert [spec.name for spec in found.specs] == ["map"]
    assert found.arrays is not None
    assert found.n_bytes == 5 * 24
    with pytest.raises(MissingRowsError, match="not all of"):
        cache.read(A, row_keys([0]), names={"maps"})


def test_nothing_is_made_before_something_is_written(cache: ActivationCache, row_keys: Keys) -> None:
    assert not cache.lookup(A, row_keys([1])).any()
    assert cache.passes() == ()
    assert cache.clear().n_passes == 0
    assert not cache.directory.exists()


def interrupted(cache: ActivationCache, rows: tuple[Any, Any], description: PassDescription, last: bytes) -> None:
    with cache.writing(A, description=description, n_rows=9) as writer:
        writer.add(*rows)
        assert writer._shard is not None
        writer._shard._file.write(last)
        raise KeyboardInterrupt


def test_what_was_added_before_an_interruption_is_kept(
    cache: ActivationCache, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(cache, (row_keys([1, 2]), tensors([1, 2])), description, b"")
    assert cache.lookup(A, row_keys([1, 2])).all()


def test_a_batch_that_was_interrupted_half_way_is_never_seen(
    cache: ActivationCache, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(cache, (row_keys([1, 2]), tensors([1, 2])), description, b"half a row")
    assert not cache.lookup(A, row_keys([1, 2])).any()
    assert not list(cache.directory.rglob("rows.bin"))


def test_a_writer_without_rows_leaves_nothing(cache: ActivationCache, description: PassDescription) -> None:
    with cache.writing(A, description=description, n_rows=0) as writer:
        writer.add([], {"x": np.zeros((0, 3), np.float32)})
    assert cache.passes() == ()


def damage_truncated(shard: Path) -> None:
    os.truncate(shard / "rows.bin", 10)


def damage_flipped_byte(shard: Path) -> None:
    flip(shard / "rows.bin", 100)


def damage_flipped_padding(shard: Path) -> None:
    flip(shard / "rows.bin", 63)


def damage_missing_data(shard: Path) -> None:
    (shard / "rows.bin").unlink()


def damage_missing_manifest(shard: Path) -> None:
    (shard / "manifest.json").unlink()


def damage_garbage_manifest(shard: Path) -> None:
    (shard / "manifest.json").write_bytes(b"\xff\x00 not json")


def damage_manifest_of_another_kind(shard: Path) -> None:
    (shard / "manifest.json").write_text('{"format": 1, "rows": "all"}')


def damage_manifest_with_another_dtype(shard: Path) -> None:
    path = shard / "manifest.json"
    path.write_text(path.read_text().replace("<f4", "<i4", 1))


def damage_manifest_with_swapped_rows(shard: Path) -> None:
    path = shard / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["rows"].reverse()
    path.write_text(json.dumps(manifest))


DAMAGES = [value for name, value in list(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("memory_bytes", [0, 10**9])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_shard_is_noticed_dropped_and_written_again(
    cache: ActivationCache,
    write: Write,
    row_keys: Keys,
    tensors: Tensors,
    damage: Callable[[Path], None],
    memory_bytes: int,
) -> None:
    write(cache, A, range(30), shards=3)
    keys = row_keys(range(30))
    damaged = shards_of(cache)[1]
    damage(damaged)
    reopened = ActivationCache(cache.directory, quota_bytes=10**9)
    with pytest.raises(MissingRowsError):
        reopened.read(A, keys, memory_bytes=memory_bytes)
    assert not damaged.exists()
    (lost,) = np.nonzero(~reopened.lookup(A, keys))
    assert len(lost) == 10
    write(reopened, A, lost.tolist())
    for array, expected in zip(
        reopened.read(A, keys, memory_bytes=memory_bytes).rows(range(30)), tensors(range(30)).values(), strict=True
    ):
        np.testing.assert_array_equal(array, expected)


def test_bytes_are_checked_once(cache: ActivationCache, write: Write, row_keys: Keys) -> None:
    write(cache, A, range(4))
    cache.read(A, row_keys(range(4)))
    flip(shards_of(cache)[0] / "rows.bin", 0)
    cache.read(A, row_keys(range(4)))
    with pytest.raises(MissingRowsError, match="1 of 1 shards are damaged"):
        ActivationCache(cache.directory, quota_bytes=10**9).read(A, row_keys(range(4)))


def test_what_is_foreign_or_newer_is_passed_over_and_stays(
    cache: ActivationCache, write: Write, row_keys: Keys, tmp_path: Path
) -> None:
    write(cache, A, range(4))
    folder = cache.pass_folder(A)
    newer = folder / "newer"
    newer.mkdir()
    (newer / "manifest.json").write_text('{"format": 99, "chunks": {}}')
    (folder / "notes.txt").write_text("mine")
    (folder.parent / "not a pass").mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "description.json").write_text("[1, 2")
    assert cache.lookup(A, row_keys(range(4))).all()
    (entry,) = cache.passes()
    assert (entry.n_rows, entry.description) == (4, None)
    assert newer.exists()
    cache.clear()
    assert (folder.parent / "not a pass").exists()
    assert tmp_path.exists()


def test_shards_with_other_tensors_are_not_mixed(cache: ActivationCache, description: Any, row_keys: Keys) -> None:
    for width, numbers in ((3, [1, 2, 3]), (4, [4])):
        with cache.writing(A, description=description, n_rows=9) as writer:
            writer.add(row_keys(numbers), {"x": np.zeros((len(numbers), width), np.float32)})
    assert cache.lookup(A, row_keys([1, 2, 3, 4])).tolist() == [True, True, True, False]


def use(cache: ActivationCache, pass_key: str, at: float) -> None:
    os.utime(cache.pass_folder(pass_key) / "used", (at, at))


def test_the_least_recently_used_pass_makes_room(cache: ActivationCache, write: Write) -> None:
    for at, key in enumerate((A, B)):
        write(cache, key, range(100))
        use(cache, key, at)
    size = cache.passes()[0].n_bytes
    small = ActivationCache(cache.directory, quota_bytes=int(2.5 * size))
    small.lookup(A, [])  # the older one is used again
    write(small, C, range(100))
    assert {entry.key for entry in small.passes()} == {A, C}


def test_what_is_in_use_is_not_evicted_and_what_is_no_longer_is(
    cache: ActivationCache, write: Write, row_keys: Keys
) -> None:
    write(cache, A, range(100))
    small = ActivationCache(cache.directory, quota_bytes=int(1.5 * cache.passes()[0].n_bytes))
    held = small.read(A, row_keys([3]), memory_bytes=0)
    with pytest.raises(CacheUnavailableError, match="has no room"):
        write(small, B, range(100))
    assert [entry.key for entry in small.passes()] == [A]
    assert held.n_rows == 1
    del held
    write(small, B, range(100))
    assert [entry.key for entry in small.passes()] == [B]


def test_what_has_been_read_into_memory_does_not_keep_its_pass(
    cache: ActivationCache, write: Write, row_keys: Keys
) -> None:
    write(cache, A, range(100))
    small = ActivationCache(cache.directory, quota_bytes=int(1.5 * cache.passes()[0].n_bytes))
    held = small.read(A, row_keys([3]))
    write(small, B, range(100))
    assert [entry.key for entry in small.passes()] == [B]
    assert held.n_rows == 1


def test_a_pass_larger_than_the_quota_is_refused_before_anything_is_written_or_evicted(
    cache: ActivationCache, write: Write
) -> None:
    write(cache, A, range(10))
    small = ActivationCache(cache.directory, quota_bytes=5000)
    with pytest.raises(CacheUnavailableError, match="UNFREEZE_CACHE_QUOTA"):
        write(small, B, range(100))
    assert [entry.key for entry in small.passes()] == [A]
    assert not list(cache.directory.rglob(".part-*"))


def test_mapped_rows_outlive_their_eviction_by_somebody_else(
    cache: ActivationCache, write: Write, row_keys: Keys, tensors: Tensors
) -> None:
    write(cache, A, range(20), shards=3)
    mapped = cache.read(A, row_keys(range(20)), memory_bytes=0)
    ActivationCache(cache.directory, quota_bytes=1).clear()
    np.testing.assert_array_equal(mapped.rows([19])[0], tensors([19])["pooled"])


def test_a_pass_evicted_while_it_is_written_is_begun_anew(
    cache: ActivationCache, description: PassDescription, row_keys: Keys, tensors: Tensors
) -> None:
    with cache.writing(A, description=description, n_rows=4) as writer:
        writer.add(row_keys([0, 1]), tensors([0, 1]))
        writer.flush()
        writer.add(row_keys([2, 3]), tensors([2, 3]))
        ActivationCache(cache.directory, quota_bytes=1).clear()
    assert cache.lookup(A, row_keys(range(4))).tolist() == [False, False, True, True]


def test_available_bytes_count_what_may_be_evicted(cache: ActivationCache, write: Write, row_keys: Keys) -> None:
    write(cache, A, range(10))
    size = cache.passes()[0].n_bytes
    small = ActivationCache(cache.directory, quota_bytes=10_000)
    assert small.available_bytes(B) == 10_000
    held = small.read(A, row_keys([1]), memory_bytes=0)
    assert small.available_bytes(B) == 10_000 - size
    assert small.available_bytes(A) == 10_000
    del held


def test_passes_say_what_they_are(cache: ActivationCache, write: Write, description: PassDescription) -> None:
    write(cache, A, range(10), shards=2)
    (entry,) = cache.passes()
    assert (entry.key, entry.description, entry.n_rows) == (A, description, 10)
    assert entry.n_bytes > 10 * 64
    assert (cache.directory / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_clear_takes_the_beginning_of_a_key(cache: ActivationCache, write: Write) -> None:
    for key in (A, B, "bbb" + "c" * 61):
        write(cache, key, range(2))
    with pytest.raises(CacheError, match="No pass has a key that begins with"):
        cache.clear(["aaaa", "ffff"])
    with pytest.raises(CacheError, match="at least 4 digits"):
        cache.clear(["a"])
    assert len(cache.passes()) == 3
    cleared = cache.clear(["aaaa", "aaaaa"])
    assert (cleared.n_passes, len(cache.passes())) == (1, 2)
    write(cache, "bbbb" + "c" * 60, range(2))
    with pytest.raises(CacheError, match="2 passes have a key"):
        cache.clear(["bbbb"])


def test_leavings_of_dead_processes_are_swept_when_they_are_old(cache: ActivationCache, write: Write) -> None:
    write(cache, A, range(2))
    root = cache.pass_folder(A).parent
    for name in (".part-old", ".part-new", ".dropped-x"):
        (root / name).mkdir()
        (root / name / "rows.bin").write_bytes(b"x")
    for path in (root / ".part-old" / "rows.bin", root / ".part-old"):
        os.utime(path, (0, 0))
    write(cache, B, range(2))
    assert {path.name for path in root.iterdir()} == {A, B, ".part-new"}


def test_a_directory_that_cannot_be_written_is_said_and_can_still_be_read(
    cache: ActivationCache, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="is a file"):
        ActivationCache(tmp_path / "file")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "activations").write_text("")
    blocked = ActivationCache(tmp_path / "half", quota_bytes=10**9)
    assert blocked.passes() == ()
    with pytest.raises(CacheUnavailableError, match="cannot be written"):
        write(blocked, A, range(2))
    assert not cache.directory.exists()


def test_a_quota_below_zero_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="quota_bytes must be at least 0, but got -1"):
        ActivationCache(tmp_path, quota_bytes=-1)
