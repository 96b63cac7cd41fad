"""Heads: what turns a backbone's features into classes, labels or numbers.

Features of any shape are pooled to vectors first: maps by global average pooling, tokens by their mean, so that
the head is a fixed feature extractor's classifier, linear or with one hidden layer (1024 units and ReLU in the
classic recipe).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from unfreeze.errors import ConfigError

__all__ = ["Head", "make_head", "pool"]

WEIGHT_STD = 0.01  # of the last layer: small, so that training starts near equal scores whatever the features' scale


class Head(nn.Sequential):
    """Pools features of shape (B, F), (B, N, F) or (B, F, H, W) and returns (B, n_outputs)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return one row of scores per image."""
        rows = pool(features)
        for layer in self:
            rows = layer(rows)
        return rows


def pool(features: Tensor) -> Tensor:
    """Bring features to one vector per image: (B, F, H, W) and (B, N, F) are averaged over places."""
    match features.ndim:
        case 2:
            return features
        case 3:
            return features.mean(dim=1)
        case 4:
            return features.mean(dim=(2, 3))
    raise ConfigError(
        f"A backbone must give features of shape (B, F), (B, N, F) or (B, F, H, W), but gave {tuple(features.shape)}."
    )


def make_head(n_features: int, *, n_outputs: int, hidden: int | None = None, seed: int = 0) -> Head:
    """Return a new head whose weights depend on the seed alone, not on torch's global random state.

    Args:
        n_features: length of the pooled feature vector.
        n_outputs: classes, labels or target columns.
        hidden: units of a hidden layer with ReLU between the features and the outputs; None: a linear head.
        seed: of the weights; biases start at zero.

    Raises:
        ConfigError: a size is below 1.
    """
    for what, n in {"n_features": n_features, "n_outputs": n_outputs, "hidden": hidden}.items():
        if n is not None and n < 1:
            raise ConfigError(f"A head's {what} must be at least 1, but got {n}.")
    generator = torch.Generator().manual_seed(seed)
    sizes = [n_features, n_outputs] if hidden is None else [n_features, hidden, n_outputs]
    head = Head()
    for fan_in, fan_out in itertools.pairwise(sizes):
        if len(head):
            head.append(nn.ReLU())
        layer = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")  # drawn from the seed below
        is_last = len(head) == 2 * (len(sizes) - 2)
        # He et al. 2015 for the layer that a ReLU follows.
        std = WEIGHT_STD if is_last else (2.0 / fan_in) ** 0.5
        nn.init.normal_(layer.weight, std=std, generator=generator)
        nn.init.zeros_(layer.bias)
        head.append(layer)
    return head
