"""What a network says of pictures: a plain forward pass in inference mode."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from unfreeze.backbones import keep_freed_memory, output_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from torch import nn

    from unfreeze.backbones import Network
    from unfreeze.data import Batch

__all__ = ["evaluating", "laid_out", "predict", "predict_outputs"]


def predict(network: Network, batches: Iterable[Batch], *, device: torch.device | None = None) -> np.ndarray:
    """Return probabilities, or values in their units, for all pictures of the batches.

    Args:
        network: the network; it is in evaluation mode meanwhile and in its own modes again afterwards.
        batches: pictures of one size, at least one batch.
        device: where to send the pictures; None: where the network's weights are.

    Returns:
        float32 (n, n_outputs), in the order of the batches.
    """
    outputs = torch.from_numpy(predict_outputs(network, batches, device=device))
    scores: np.ndarray = output_scores(outputs, network.record).numpy()
    return scores


def predict_outputs(network: nn.Module, batches: Iterable[Batch], *, device: torch.device | None = None) -> np.ndarray:
    """Return the raw outputs (logits; standardised values) for all pictures of the batches, computed in fp32.

    The arguments are those of `predict`; so is the returned array's form.
    """
    place = device if device is not None else next(network.parameters()).device
    if place.type == "cpu":
        keep_freed_memory()
    found = []
    with evaluating(network), torch.inference_mode():
        for batch in batches:
            inputs = (laid_out(tensor.to(place, non_blocking=True)) for tensor in batch.inputs)
            found.append(network(*inputs).float().cpu())
    assert found, "no pictures to predict"
    outputs: np.ndarray = torch.cat(found).numpy()
    return outputs


def laid_out(tensor: torch.Tensor) -> torch.Tensor:
    """Return pictures and maps channels-last, which is faster; vectors and tokens as they are."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor  # noqa: PLR2004


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and each back in its own afterwards: frozen ones differ."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
