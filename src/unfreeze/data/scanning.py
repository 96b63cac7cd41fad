"""Reading every file of a data set once: what can be read, what it holds, what it looks like."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unfreeze.data.decoding import decode, read_bytes
from unfreeze.data.duplicates import near_duplicates
from unfreeze.data.fingerprint import THUMB_SIDE, Fingerprint, depth_range
from unfreeze.data.jpeg import jpeg_reduction
from unfreeze.data.threads import computing_alone, n_usable_cores
from unfreeze.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from unfreeze.data.memory import ViewMemory
    from unfreeze.data.pixels import Pixels
    from unfreeze.data.spec import InputSpec

__all__ = ["Fingerprint", "depth_range", "fingerprint_bytes", "near_duplicates", "scan"]

HASH_SIDE = 32  # pixels, what the perceptual hash looks at
LOOK_AT_LEAST = (224, 224)  # pixels; at the usual sizes of input a picture's view comes out of the same decode
FLAT_STD = 2.0  # grey levels: below it, a picture is noise or one colour


def scan(
    root: Path | str,
    files: Iterable[str],
    *,
    spec: InputSpec | None = None,
    memory: ViewMemory | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Fingerprint, ...]:
    """Fingerprint files in parallel, and put their evaluation views into a memory; each is read from disk once.

    A file is decoded once too, except large JPEGs whose view needs another scale than the fingerprint's, which is
    always the same: fingerprints depend on the files alone.

    Args:
        root: the folder that the names are relative to.
        files: names relative to it.
        spec: the network's input, where views are wanted.
        memory: takes the views of 8-bit pictures under `str(root / file)`, as `batches` looks them up, while it has
            room. Deeper pictures are left out: the range of the data set is known only when all are scanned.
        progress: called in this thread as progress(n_done, n_all).

    Returns:
        One fingerprint per file, in their order. A file that cannot be used has its `error` set; nothing
        is raised for it.

    Raises:
        ConfigError: only one of `spec` and `memory` is given.
    """
    if (spec is None) != (memory is None):
        raise ConfigError("Views are kept for an input: give both spec and memory, or neither.")
    names = tuple(files)
    keeper = _ViewKeeper(spec, memory) if spec is not None and memory is not None else None
    fingerprints = []
    pool = ThreadPoolExecutor(
        n_usable_cores(),
        thread_name_prefix="unfreeze-scan",
        initializer=None if keeper is None else computing_alone(),
    )
    try:
        for fingerprint in pool.map(lambda name: _fingerprint(Path(root), name, keeper), names):
            fingerprints.append(fingerprint)
            if progress is not None:
                progress(len(fingerprints), len(names))
    finally:
        pool.shutdown(cancel_futures=True)
    return tuple(fingerprints)


@dataclass(frozen=True, slots=True)
class _ViewKeeper:
    """Where the scan puts evaluation views."""

    spec: InputSpec
    memory: ViewMemory

    def keep(self, path: Path, payload: bytes, pixels: Pixels) -> None:
        """Keep the view of a picture, from the pixels at hand if they have the scale that `batches` would decode."""
        if pixels.depth is not None or not self.memory.has_room(self.spec):
            return
        from unfreeze.data.reading import decode_views, views_of
        from unfreeze.data.views import least_size

        width, height = pixels.size
        reduction = jpeg_reduction((height, width), least_size(self.spec, "none"))
        try:
            if pixels.reduction in {None, reduction}:
                views = views_of(pixels, self.spec)
            else:
                views = decode_views(payload, self.spec, name=pixels.name)
        except ImageError:  # readable, but too long and thin for this input: an error where the view is asked for
            return
        self.memory.keep(str(path), self.spec, views.squeeze(0), of_8_bits=True)


def fingerprint_bytes(payload: bytes, *, name: str) -> Fingerprint:
    """Return the fingerprint of the bytes of one picture file; `name` is what it is called, also in its error."""
    return _fingerprint_of(payload, name, lambda _: None)


def _fingerprint(root: Path, name: str, keeper: _ViewKeeper | None) -> Fingerprint:
    try:
        payload = read_bytes(root / name)
    except ImageError as error:
        return Fingerprint(name, "", error=str(error))
    keep = (lambda _: None) if keeper is None else (lambda pixels: keeper.keep(root / name, payload, pixels))
    return _fingerprint_of(payload, name, keep)


def _fingerprint_of(payload: bytes, name: str, decoded: Callable[[Pixels], None]) -> Fingerprint:
    sha256 = hashlib.sha256(payload).hexdigest()
    try:
        pixels = decode(payload, name=name, at_least=LOOK_AT_LEAST)
        depth = pixels.depth
    except ImageError as error:
        return Fingerprint(name, sha256, error=str(error))
    decoded(pixels)
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
