"""Pictures that are the same, byte for byte or to the eye."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.data.fingerprint import Fingerprint
from typing import Any

__all__ = ["near_duplicates"]

MAX_BITS = 4  # METHODS.md, trap 28: at 8 of 64, unlike pictures of one kind are joined
BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))  # first bit and number of bits of five bands
MIN_CORRELATION = 0.997  # of thumbnails: copies reach 0.9973 (half size, JPEG 50), unlike solar cells at most 0.996
N_CHANNELS = 3


def near_duplicates(fingerprints: Sequence[Fingerprint]) -> tuple[tuple[int, ...], ...]:
    """Find clusters of pictures that show the same: copies, and copies resized, stretched or compressed anew.

    Every cluster has a leader, its earliest member; the others are byte-identical to it, or their perceptual
    hashes differ from the leader's in at most 4 of 64 bits and their thumbnails agree too. A member is only
    ever compared to leaders, so that clusters do not chain (a like b, b like c, and a joined with c).
    Hashes that differ in at most 4 bits agree in at least one of five bands, so only pictures that share a
    band are compared: n log n in practice, not n².

    Returns:
        Clusters of at least two indices into `fingerprints`, each ascending; clusters by their leaders.
        Unreadable pictures are in none.
    """
    clusters: dict[int, list[int]] = {}
    leader_of_bytes: dict[str, int] = {}
    leaders = _Leaders(fingerprints)
    for index, fingerprint in enumerate(fingerprints):
        if fingerprint.error is not None:
            continue
        leader = leader_of_bytes.get(fingerprint.sha256)
        if leader is None:
            leader = leaders.nearest(index)
            if leader is None:
                leader = index
                clusters[index] = []
                leaders.add(index)
            leader_of_bytes[fingerprint.sha256] = leader
        clusters[leader].append(index)
    return tuple(tuple(members) for members in clusters.values() if len(members) > 1)


class _Leaders:
    """The leaders so far, found again by each band of their hash."""

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        self._fingerprints = fingerprints
        self._by_band: tuple[dict[int, list[int]], ...] = tuple(defaultdict(list) for _ in BANDS)

    def add(self, index: int) -> None:
        phash = self._fingerprints[index].phash
        if phash is not None:
            for table, band in zip(self._by_band, _bands(phash), strict=True):
                table[band].append(index)

    def nearest(self, index: int) -> int | None:
        """Return the confirmed leader with the fewest different bits, the earliest of those; None if none."""
        phash = self._fingerprints[index].phash
        if phash is None:
            return None
        distances: dict[int, int] = {}
        for table, band in zip(self._by_band, _bands(phash), strict=True):
            for leader in table.get(band, ()):
                if leader not in distances:
                    distances[leader] = (phash ^ (self._fingerprints[leader].phash or 0)).bit_count()
        near = sorted((bits, leader) for leader, bits in distances.items() if bits <= MAX_BITS)
        if not near:
            return None
        candidates = [leader for _, leader in near]
        thumb = _thumbs([self._fingerprints[index]])
        agree = _agree(thumb, _thumbs([self._fingerprints[leader] for leader in candidates]))
        return candidates[int(agree.argmax())] if agree.any() else None


def _bands(phash: int) -> tuple[int, ...]:
    return tuple((phash >> first) & ((1 << n_bits) - 1) for first, n_bits in BANDS)


def _thumbs(fingerprints: Sequence[Fingerprint]) -> npt.NDArray[np.float32]:
    return np.stack([np.frombuffer(f.thumb, np.uint8) for f in fingerprints]).astype(np.float32)


def _agree(one: npt.NDArray[np.float32], many: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Say which of many thumbnails (n, 768) show what one (1, 768) shows, brighter or darker perhaps.

    Correlated as they are, so that colours count, and without each channel's mean, so that a common cast
    does not pass for likeness.
    """
    pattern, patterns = _without_cast(one), _without_cast(many)
    return (_correlation(one, many) >= MIN_CORRELATION) & (_correlation(pattern, patterns) >= MIN_CORRELATION)


def _without_cast(thumbs: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    channels = thumbs.reshape(len(thumbs), -1, N_CHANNELS)
    without: npt.NDArray[Any] = channels - channels.mean(axis=1, keepdims=True)
    return without.reshape(len(thumbs), -1)


def _correlation(one: npt.NDArray[Any], many: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    a, b = one - one.mean(axis=1, keepdims=True), many - many.mean(axis=1, keepdims=True)
    norms = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    correlation: npt.NDArray[np.float32] = (a * b).sum(axis=1) / np.maximum(norms, np.finfo(np.float32).tiny)
    return correlation
