"""Fingerprints of a data set, of which only new and changed files are read."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path

import msgspec

from unfreeze.cache.hashes import FileState, FingerprintIndex, file_state
from unfreeze.data.decoding import decoder_version
from unfreeze.data.fingerprint import THUMB_SIDE, Fingerprint

__all__ = ["fingerprint_from_text", "fingerprint_text", "scan_new"]

FINGERPRINT_VERSION = 1  # raised when the same file would get another fingerprint; fields count by themselves


def fingerprint_text(fingerprint: Fingerprint) -> str | None:
    """Return a fingerprint as JSON without the file's name; None for a file that could not be used.

    What was wrong with such a file may have been mended without its time changing (its permissions, a missing
    package), so that it is read again.
    """
    if fingerprint.error is not None:
        return None
    payload = {"recipe": _recipe(FINGERPRINT_VERSION), "fingerprint": replace(fingerprint, file="")}
    return msgspec.json.encode(payload).decode()


def fingerprint_from_text(text: str, *, file: str) -> Fingerprint | None:
    """Return the fingerprint that `fingerprint_text` wrote; None if another version wrote it, or nobody."""
    try:
        kept = msgspec.json.decode(text, type=_Kept)
    except msgspec.DecodeError:
        return None
    return replace(kept.fingerprint, file=file) if kept.recipe == _recipe(FINGERPRINT_VERSION) else None


def scan_new(
    root: Path | str,
    files: Iterable[str],
    *,
    index: FingerprintIndex,
    scan: Callable[[Sequence[str]], Sequence[Fingerprint]],
) -> tuple[Fingerprint, ...]:
    """Return one fingerprint per file, in their order; those that the index knows are not read.

    Args:
        root: the folder that the names are relative to.
        files: names relative to it.
        index: what is known from earlier; what is new is put into it.
        scan: reads files, as `data.scan` does; it is called once, with the names that are not known, if any.
    """
    names = tuple(files)
    paths = {name: str(Path(root) / name) for name in names}
    texts = index.get_many(list(paths.values()))
    known = {
        name: found
        for name, path in paths.items()
        if path in texts and (found := fingerprint_from_text(texts[path], file=name)) is not None
    }
    unknown = [name for name in paths if name not in known]
    if unknown:
        states = {name: file_state(paths[name]) for name in unknown}  # before they are read
        scanned = scan(unknown)
        known.update(zip(unknown, scanned, strict=True))
        entries: dict[str, tuple[FileState, str]] = {}
        for name, fingerprint in zip(unknown, scanned, strict=True):
            state, text = states[name], fingerprint_text(fingerprint)
            if state is not None and text is not None:
                entries[paths[name]] = state, text
        index.put_many(entries)
    return tuple(known[name] for name in names)


class _Kept(msgspec.Struct):
    recipe: str
    fingerprint: Fingerprint


@functools.cache  # asked for each picture; versions are read from disk
def _recipe(version: int) -> str:
    """What a kept fingerprint must agree with: the version, and which fields there are."""
    names = ",".join(field.name for field in fields(Fingerprint))
    parts = (version, THUMB_SIDE, names, decoder_version(), metadata.version("imagehash"))
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16]
