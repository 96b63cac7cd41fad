"""Small prefixes with random weights, and small real pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 24


class TwoDepths(nn.Module):
    """Uint8 in, a map and a vector out, with normalisation inside and a norm layer's statistics."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.last = nn.Conv2d(8, 4, 3, padding=1)
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 120.0))
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.relu(self.norm(self.conv((images.to(self.mean.dtype) - self.mean) / 60)))
        return low, self.last(low).mean((2, 3))


@pytest.fixture
def prefix() -> nn.Module:
    """A prefix with two outputs: (B, 8, 12, 12) and (B, 4)."""
    return TwoDepths()


@pytest.fixture
def make_prefix() -> Callable[..., nn.Module]:
    """`make_prefix(seed=0)` → the same prefix with the weights of that seed."""
    return TwoDepths


@pytest.fixture
def make_pictures(make_picture: Callable[..., np.ndarray]) -> Callable[[int], Tensor]:
    """`make_pictures(n)` → uint8 (n, 3, 24, 24), all different."""

    def make(n: int) -> Tensor:
        pixels = np.stack([make_picture(i % 6, seed=i, size=(SIZE, SIZE)) for i in range(n)])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()

    return make


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
