"""A whole network in an engine: what evaluation, prediction and the service compute with."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Literal

import torch

from unfreeze.engines import Opened, open_engine
from unfreeze.evaluation.predicting import evaluating
from unfreeze.frontier.keys import engine_key, hash_graph, hash_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from unfreeze.backbones import Network
    from unfreeze.data import Batch
    from unfreeze.engines import EngineName

__all__ = ["LEAST_PICTURES", "compute_outputs", "open_network"]

# Below it PyTorch has computed them all by the time that another engine is prepared and checked.
LEAST_PICTURES = 128


def open_network(
    network: Network,
    pictures: Tensor,
    *,
    device: torch.device,
    engine: Literal["auto"] | EngineName = "auto",
    batch_size: int = 32,
    n_images: int | None = None,
    cache_dir: Path | None = None,
) -> Opened:
    """Open the fastest engine for a whole network that agrees with PyTorch on real pictures; see `open_engine`.

    Args:
        network: on the device, in evaluation mode; it must not change while the engine is used.
        pictures: uint8 (n, 3, height, width) on the CPU, real ones, at least one.
        device: where PyTorch computes.
        engine: which to use; `auto` leaves fewer than `LEAST_PICTURES` to PyTorch.
        batch_size: pictures in the batches to come.
        n_images: how many pictures are to be computed; None: not known, many.
        cache_dir: the folder where the prepared engine is stored for other processes; None: nowhere.

    Raises:
        ConfigError: as `open_engine`.
    """
    is_few = engine == "auto" and n_images is not None and n_images < LEAST_PICTURES
    is_stored = cache_dir is not None and not is_few and engine != "eager"
    return open_engine(
        network,
        pictures,
        device=device,
        engine="eager" if is_few else engine,
        # PyTorch fills batches up, and for a few pictures that would be most of the work.
        batch_size=min(batch_size, len(pictures)) if is_few else batch_size,
        n_images=n_images,
        cache_dir=cache_dir,
        key=engine_key([(hash_graph(network), hash_weights(network))], pictures) if is_stored else None,
        part="the network",
    )


def compute_outputs(network: Network, batches: Iterator[Batch], *, n_images: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return the raw outputs of a whole network for all pictures of the batches, by the fastest engine.

    Args:
        network: on the device that PyTorch is to compute on; its modes are as before afterwards.
        batches: evaluation views, at least one batch.
        n_images: how many pictures are in them.

    Returns:
        float32 (n, n_outputs) on the CPU, in the order of the batches, and what the user should know.
    """
    first = next(batches)
    device = next(network.parameters()).device
    with evaluating(network):
        opened = open_network(network, first.images, device=device, batch_size=len(first.images), n_images=n_images)
        images = (batch.images for batch in chain((first,), batches))
        return torch.cat([outputs for (outputs,) in opened.engine.run(images)]), opened.notes
