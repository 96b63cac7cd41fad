"""Proof that two parts together compute what the network does, because a graph can be wrong without an error."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["is_exact"]

LARGEST_DIFFERENCE = 1e-5  # of max |a - b| / max |b|; what is right is equal on a CPU


@torch.no_grad()
def is_exact(network: nn.Module, prefix: nn.Module, suffix: nn.Module, example: Tensor) -> bool:
    """Tell whether `suffix(*prefix(example))` is `network(example)`, in their present modes and with equal dropout.

    It runs on copies that share the parameters alone, so that neither statistics nor what modules remember of a
    pass (LeViT's attention biases) are changed.
    """
    shared = {id(parameter): parameter for parameter in network.parameters()}
    shared |= {id(value): value for value in vars(network).values() if not isinstance(value, dict)}
    whole, before, behind = copy.deepcopy((network, prefix, suffix), shared)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = whole(example)
        torch.manual_seed(0)
        got = behind(*before(example))
    same = expected.shape == got.shape and expected.dtype == got.dtype
    return same and bool((expected - got).abs().max() <= LARGEST_DIFFERENCE * expected.abs().max())
