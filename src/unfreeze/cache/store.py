"""The activation cache: what a frozen prefix gave for views of pictures, kept on disk by content."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from unfreeze.cache.activations import Activations, MappedActivations, MemoryActivations
from unfreeze.cache.layout import PassDescription, TensorSpec
from unfreeze.cache.location import cache_directory, cache_quota, free_bytes
from unfreeze.cache.passes import (
    PassEntry,
    PassIndex,
    delete_folder,
    entry_of,
    index_pass,
    mark_used,
    pass_folders,
    size_of,
    sweep,
)
from unfreeze.cache.quota import PassSize, passes_to_evict, room_for
from unfreeze.cache.reading import Faults, check_shards, load_rows
from unfreeze.cache.shards import DamagedShardError, Shard
from unfreeze.cache.writing import PassWriter
from unfreeze.errors import CacheError, CacheUnavailableError, ConfigError, MissingRowsError, did_you_mean

__all__ = ["MEMORY_BYTES", "ActivationCache", "Cleared"]

ACTIVATIONS = "activations"
MEMORY_BYTES = 640 << 20  # up to here rows are read into memory as a whole: 100,000 vectors of 1,280 float32
MIN_KEY_DIGITS = 4
CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by unfreeze; see https://bford.info/cachedir/\n"


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What `clear` deleted."""

    n_passes: int
    n_bytes: int
    kept: tuple[str, ...] = ()  # keys of passes that could not be deleted, because another process has them open


class ActivationCache:
    """Activations at the frontier, by pass and row; safe for several processes at once.

    A *pass* is everything that has the same `activation_key`: one directory. A *row* of it is what one view of
    one picture gives, named by its `row_key`. Nothing is made on disk before the first row is written. A
    damaged shard of rows is noticed before one of its rows is used, and deleted: its rows are then missing.

    Args:
        directory: see `cache_directory`.
        quota_bytes: how much all passes may take; see `cache_quota` for None.

    Raises:
        CacheError: the directory is a file.
        ConfigError: the quota is below 0.
    """

    def __init__(self, directory: Path | str | None = None, *, quota_bytes: int | None = None) -> None:
        self.directory = cache_directory(directory)
        if quota_bytes is not None and quota_bytes < 0:
            raise ConfigError(f"quota_bytes must be at least 0, but got {quota_bytes}.")
        self._root = self.directory / ACTIVATIONS
        if quota_bytes is None:
            quota_bytes = cache_quota(self.directory, n_bytes_used=sum(s.n_bytes for s in self._sizes()))
        self.quota_bytes = quota_bytes
        self._checked: set[Path] = set()  # shards whose bytes this object has checked
        self._users: dict[str, weakref.WeakSet[object]] = {}
        self._lock = threading.Lock()

    def lookup(self, pass_key: str, row_keys: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return for each row whether it is there, (n,); the pass counts as used now."""
        mark_used(self.pass_folder(pass_key))
        shard_of, _ = index_pass(self.pass_folder(pass_key)).locate(row_keys)
        return shard_of >= 0

    def read(
        self,
        pass_key: str,
        row_keys: Sequence[str],
        *,
        names: Collection[str] | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> Activations:
        """Return rows in the order of their keys; one key may occur several times.

        Args:
            pass_key: which pass.
            row_keys: which rows, at least one.
            names: which tensors; None takes all.
            memory_bytes: rows that take no more are read into memory; others stay on disk, mapped.

        Returns:
            The rows; as long as mapped ones live, this object does not evict their pass.

        Raises:
            MissingRowsError: some are not there, or were damaged and are gone now: look up and write again.
        """
        folder = self.pass_folder(pass_key)
        mark_used(folder)
        index = index_pass(folder)
        shard_of, place = index.locate(row_keys)
        n_missing = int((shard_of < 0).sum())
        if n_missing:
            raise MissingRowsError(f"{n_missing:,} of {len(row_keys):,} rows are not in pass {pass_key}.")
        index, shard_of = _only_used(index, shard_of)
        specs = tuple(spec for spec in index.specs if names is None or spec.name in names)
        if names is not None and len(specs) < len(set(names)):
            raise MissingRowsError(f"Pass {pass_key} has tensors {[s.name for s in index.specs]}, not all of {names}.")
        n_bytes = len(row_keys) * sum(spec.n_bytes for spec in specs)
        if n_bytes <= memory_bytes:
            activations = self._in_memory(index, shard_of, place, specs)
        else:
            activations = self._mapped(index, shard_of, place, specs)
        if isinstance(activations, MappedActivations):  # others need the disk no longer
            self._hold(pass_key, activations)
        return activations

    def writing(self, pass_key: str, *, description: PassDescription, n_rows: int) -> PassWriter:
        """Return what rows are written with, a context; rows appear shard by shard.

        Args:
            pass_key: which pass.
            description: what it is, for people.
            n_rows: how many rows will come: room is made for all of them before the first is kept.
        """
        sweep(self._root)
        writer = PassWriter(self, pass_key, description=description, n_rows=n_rows)
        self._hold(pass_key, writer)
        return writer

    def available_bytes(self, pass_key: str) -> int:
        """Return how many bytes a pass could take in all, what it has included, if all others went that may go."""
        return room_for(pass_key, self._sizes(), limit=self._limit(), in_use=self._used_keys())

    def make_room(self, n_bytes: int, *, pass_key: str) -> None:
        """Evict passes that were not used for long, never one in use, until so much more can be written.

        Raises:
            CacheUnavailableError: even then there is not room enough; nothing was evicted.
        """
        limit = self._limit()
        chosen = passes_to_evict(self._sizes(), n_more=n_bytes, limit=limit, in_use={*self._used_keys(), pass_key})
        if chosen is None:
            raise CacheUnavailableError(
                f'The cache in "{self.directory}" has no room for {n_bytes:,} bytes more: it may take {limit:,} bytes '
                "(its quota, or what the disk has). Raise UNFREEZE_CACHE_QUOTA, or name a larger disk by --cache-dir."
            )
        for key in chosen:
            delete_folder(self.pass_folder(key))

    def passes(self) -> tuple[PassEntry, ...]:
        """Return what is in the cache, last used first."""
        entries = [entry_of(folder) for folder in pass_folders(self._root)]
        return tuple(sorted(entries, key=lambda entry: (-entry.used, entry.key)))

    def clear(self, keys: Sequence[str] = ()) -> Cleared:
        """Delete passes by their keys or by how these begin, all of them if there are none.

        Raises:
            CacheError: there is no such pass, or more than one; then nothing was deleted.
        """
        entries = self.passes()
        chosen = tuple({entry.key: entry for key in keys for entry in (_pass_named(key, entries),)}.values())
        sweep(self._root)
        gone: list[PassEntry] = []
        kept: list[PassEntry] = []
        for entry in chosen if keys else entries:
            (gone if delete_folder(self.pass_folder(entry.key)) else kept).append(entry)
        return Cleared(
            n_passes=len(gone), n_bytes=sum(e.n_bytes for e in gone), kept=tuple(entry.key for entry in kept)
        )

    def pass_folder(self, pass_key: str) -> Path:
        """Return where a pass lies, or would."""
        return self._root / pass_key

    def parts_folder(self) -> Path:
        """Make the directory of unfinished shards, and mark the cache as one for programs that make backups.

        Raises:
            OSError: it cannot be made.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        tag = self.directory / "CACHEDIR.TAG"
        if not tag.is_file() or not tag.stat().st_size:  # empty: the disk was full when it was written
            tag.write_text(CACHEDIR_TAG, encoding="ascii")
        return self._root

    def _sizes(self) -> list[PassSize]:
        return [size_of(folder) for folder in pass_folders(self._root)]

    def _limit(self) -> int:
        """How much all passes together may take: the quota, or what the disk has for them."""
        n_used = sum(size.n_bytes for size in self._sizes())
        return min(self.quota_bytes, n_used + free_bytes(self.directory))

    def _in_memory(
        self,
        index: PassIndex,
        shard_of: npt.NDArray[np.int64],
        place: npt.NDArray[np.int64],
        specs: Sequence[TensorSpec],
    ) -> Activations:
        checked = [shard.folder in self._checked for shard in index.shards]
        arrays, faults = load_rows(index.shards, shard_of, place, specs, checked=checked)
        self._drop(index.shards, faults)
        return MemoryActivations(arrays)

    def _mapped(
        self,
        index: PassIndex,
        shard_of: npt.NDArray[np.int64],
        place: npt.NDArray[np.int64],
        specs: Sequence[TensorSpec],
    ) -> Activations:
        self._drop(index.shards, check_shards([each for each in index.shards if each.folder not in self._checked]))
        try:
            return MappedActivations(index.shards, shard_of, place, specs)
        except (DamagedShardError, OSError) as error:  # within this moment: evicted or cut off by somebody else
            raise MissingRowsError(f"A shard was lost while it was opened: {error}.") from error

    def _drop(self, shards: Sequence[Shard], faults: Faults) -> None:
        """Note shards as checked; delete damaged ones, and raise MissingRowsError if any could not be used."""
        self._checked.update(shard.folder for shard in shards if shard not in faults)
        if not faults:
            return
        for shard, fault in faults.items():
            if isinstance(fault, DamagedShardError):  # what cannot be read at the moment may be whole
                delete_folder(shard.folder)
        first = next(iter(faults.values()))
        raise MissingRowsError(f"{len(faults)} of {len(shards)} shards are damaged or cannot be read: {first}.")

    def _hold(self, pass_key: str, user: object) -> None:
        with self._lock:
            self._users.setdefault(pass_key, weakref.WeakSet()).add(user)

    def _used_keys(self) -> set[str]:
        with self._lock:
            return {key for key, users in self._users.items() if len(users)}


def _only_used(index: PassIndex, shard_of: npt.NDArray[np.int64]) -> tuple[PassIndex, npt.NDArray[np.int64]]:
    """Leave out the shards that none of the rows lies in."""
    used, renumbered = np.unique(shard_of, return_inverse=True)
    return PassIndex(tuple(index.shards[number] for number in used.tolist())), renumbered.astype(np.int64)


def _pass_named(key: str, entries: Sequence[PassEntry]) -> PassEntry:
    """Return the pass whose key begins as told."""
    found = [entry for entry in entries if len(key) >= MIN_KEY_DIGITS and entry.key.startswith(key)]
    if len(found) > 1:
        raise CacheError(f'{len(found)} passes have a key that begins with "{key}"; write more of it.')
    if not found:
        near = did_you_mean(key, [entry.key[: max(len(key), 12)] for entry in entries])
        raise CacheError(
            f'No pass has a key that begins with "{key}" (at least {MIN_KEY_DIGITS} digits).{near} '
            "`unfreeze cache list` shows them."
        )
    return found[0]
