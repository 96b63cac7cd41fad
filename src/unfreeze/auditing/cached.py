"""Features of pictures that an earlier training left in the cache: with them a check can look further, for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unfreeze.cache import ActivationCache, row_key
from unfreeze.data import Fingerprint
from unfreeze.errors import MissingRowsError

__all__ = ["CachedFeatures", "find_features"]

EVALUATION = "evaluation"  # how a pass of unvaried views is described


@dataclass(frozen=True, eq=False, kw_only=True)
class CachedFeatures:
    """Frozen features of all pictures of a data set.

    Attributes:
        values: float32 (n, d).
        model: the network they come from.
        size: height and width of its input, in pixels.
    """

    values: np.ndarray
    model: str
    size: tuple[int, int]


def find_features(cache: ActivationCache, fingerprints: Sequence[Fingerprint]) -> CachedFeatures | None:
    """Return the features that were used last of those that hold every picture, as one vector each; None without any.

    Args:
        cache: the activation cache.
        fingerprints: of readable pictures, at least one.
    """
    if not fingerprints:
        return None
    keys = [row_key(each.sha256, augment="none", view=0, file=each.file) for each in fingerprints]
    for entry in cache.passes():
        told = entry.description
        if told is None or told.views != EVALUATION or entry.n_rows < len(set(keys)):
            continue
        if not cache.lookup(entry.key, keys).all():
            continue
        try:
            rows = cache.read(entry.key, keys)
        except MissingRowsError:  # damaged or evicted within this moment
            continue
        if len(rows.specs) == 1 and len(rows.specs[0].shape) == 1:
            (values,) = rows.rows(np.arange(rows.n_rows))
            return CachedFeatures(values=values, model=told.model, size=told.size)
    return None
