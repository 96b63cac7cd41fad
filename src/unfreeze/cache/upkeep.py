"""What a user can do with the cache as a whole: look at it, and empty it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from unfreeze.cache.hashes import INDEX_NAME, FingerprintIndex
from unfreeze.cache.passes import PassEntry
from unfreeze.cache.store import ActivationCache, Cleared

ENGINES = "openvino"  # the folder of prepared engines, which `unfreeze.engines` writes

__all__ = ["CacheContents", "clear_cache", "list_cache"]


class CacheContents(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the cache, and how much it may take."""

    directory: str
    passes: tuple[PassEntry, ...]  # last used first
    n_bytes: int  # of all passes
    quota_bytes: int


def list_cache(directory: Path | str | None = None) -> CacheContents:
    """Return what is in the cache; `directory` as for `cache_directory`."""
    cache = ActivationCache(directory)
    passes = cache.passes()
    return CacheContents(
        directory=str(cache.directory),
        passes=passes,
        n_bytes=sum(entry.n_bytes for entry in passes),
        quota_bytes=cache.quota_bytes,
    )


def clear_cache(directory: Path | str | None = None, *, keys: Sequence[str] = ()) -> Cleared:
    """Delete passes by their keys or by how these begin; without keys, known picture files and engines too.

    Files that the cache did not make stay.

    Raises:
        CacheError: there is no such pass, or more than one; then nothing was deleted.
    """
    cache = ActivationCache(directory)
    cleared = cache.clear(keys)
    if keys:
        return cleared
    n_bytes = FingerprintIndex(cache.directory / INDEX_NAME).clear()
    for engine in (cache.directory / ENGINES).glob("*.blob"):
        n_bytes += engine.stat().st_size
        engine.unlink(missing_ok=True)
    return msgspec.structs.replace(cleared, n_bytes=cleared.n_bytes + n_bytes)
