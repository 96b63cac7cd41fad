"""Reading every file of a data set once: what can be read, what it holds, what it looks like."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unfreeze.data.decoding import decode, read_bytes
from unfreeze.data.duplicates import near_duplicates
from unfreeze.data.fingerprint import THUMB_SIDE, Fingerprint, depth_range
from unfreeze.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from unfreeze.data.pixels import Pixels

__all__ = ["Fingerprint", "depth_range", "n_usable_cores", "near_duplicates", "scan"]

HASH_SIDE = 32  # pixels, what the perceptual hash looks at
FLAT_STD = 2.0  # grey levels: below it, a picture is noise or one colour


def scan(
    root: Path | str, files: Iterable[str], *, progress: Callable[[int, int], None] | None = None
) -> tuple[Fingerprint, ...]:
    """Fingerprint files in parallel; each is read from disk once and decoded once.

    Args:
        root: the folder that the names are relative to.
        files: names relative to it.
        progress: called in this thread as progress(n_done, n_all).

    Returns:
        One fingerprint per file, in their order. A file that cannot be used has its `error` set; nothing
        is raised for it.
    """
    names = tuple(files)
    fingerprints = []
    pool = ThreadPoolExecutor(n_usable_cores(), thread_name_prefix="unfreeze-scan")
    try:
        for fingerprint in pool.map(lambda name: _fingerprint(Path(root), name), names):
            fingerprints.append(fingerprint)
            if progress is not None:
                progress(len(fingerprints), len(names))
    finally:
        pool.shutdown(cancel_futures=True)
    return tuple(fingerprints)


def n_usable_cores() -> int:
    """Return how many cores this process may use, which in a container are fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _fingerprint(root: Path, name: str) -> Fingerprint:
    try:
        payload = read_bytes(root / name)
    except ImageError as error:
        return Fingerprint(name, "", error=str(error))
    sha256 = hashlib.sha256(payload).hexdigest()
    try:
        pixels = decode(payload, name=name)
        depth = pixels.depth
    except ImageError as error:
        return Fingerprint(name, sha256, error=str(error))
    phash, thumb = _look(pixels)
    low, high = depth or (None, None)
    return Fingerprint(
        name,
        sha256,
        phash=phash,
        thumb=thumb,
        size=pixels.size,
        mode=pixels.mode,
        format=pixels.format,
        depth_min=low,
        depth_max=high,
    )


def _look(pixels: Pixels) -> tuple[int | None, bytes]:
    """Return the perceptual hash and the thumbnail; deep pictures are stretched by their own range for it."""
    import imagehash

    image = Image.fromarray(pixels.to_rgb(pixels.depth))
    small = image.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    thumb = small.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX).tobytes()
    grey = small.convert("L")
    if float(np.asarray(grey).std()) < FLAT_STD:
        return None, thumb
    bits = imagehash.phash(grey).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), thumb
