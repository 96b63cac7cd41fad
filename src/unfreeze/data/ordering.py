"""The order of the pictures in an epoch: a pure function, so that a resumed training meets the same one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unfreeze.errors import ConfigError

__all__ = ["epoch_order"]


def epoch_order(
    indices: Sequence[int] | np.ndarray,
    *,
    seed: int,
    epoch: int,
    weights: Sequence[float] | np.ndarray | None = None,
) -> np.ndarray:
    """Return the indices in the order in which this epoch shows them.

    Nothing but the arguments decides, so no generator has to be saved with a checkpoint (trap 26).

    With weights, pictures are drawn in proportion to them, as many as there are indices. The draw is
    systematic (one random offset, equal steps; Kish 1965): each picture comes the rounded-down or
    rounded-up number of times that its weight asks for, which varies less than independent draws.

    Args:
        indices: (n,) of the training pictures.
        seed: at least 0.
        epoch: counted from 0 over the whole training.
        weights: (n,) of at least 0, not all 0, or None for each picture once.

    Returns:
        int64 (n,).

    Raises:
        ConfigError: a negative seed, or weights that are negative, not finite, all 0 or too few.

    >>> sorted(epoch_order([3, 5, 8], seed=0, epoch=1).tolist())
    [3, 5, 8]
    """
    if seed < 0:
        raise ConfigError(f"Expected a seed of at least 0, but got {seed}.")
    pool = np.asarray(indices, dtype=np.int64)
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(pool))
    if weights is None:
        return pool[order]
    chances = np.asarray(weights, dtype=np.float64)
    if chances.shape != pool.shape:
        raise ConfigError(f"Expected one weight for each of {len(pool)} pictures, but got {chances.size}.")
    if not (np.all(np.isfinite(chances)) and np.all(chances >= 0) and chances.sum() > 0):
        raise ConfigError("Expected sampling weights that are finite, at least 0 and not all 0.")
    # Over shuffled pictures, since a systematic draw over a fixed order pairs neighbours.
    edges = np.cumsum(chances[order])
    points = (np.arange(len(pool)) + generator.uniform()) * (edges[-1] / len(pool))
    drawn = order[np.minimum(np.searchsorted(edges, points, side="right"), len(pool) - 1)]
    return pool[generator.permutation(drawn)]
