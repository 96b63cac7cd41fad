"""Resizing inside a graph, to the pixels that training's resizing gives.

Training resizes uint8 pictures by PyTorch's antialiased kernel: along the width, then along the height, each time with
weights rounded to 16 bits and sums rounded to whole grey levels. Runtimes' own antialiased operators (`Resize` of ONNX,
`bicubic_pillow` of OpenVINO) round otherwise: one value in 250 is off by a grey level, and calibrated probabilities
moved by up to 0.004 for it. So the kernel's weights are computed here, as a matrix for each direction, by operators
that every runtime has. Source: aten/src/ATen/native/cpu/UpSampleKernel.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from unfreeze.data import InputSpec

__all__ = ["MatrixResize", "NativeResize", "can_resize_inside"]

N_BITS = 15  # of a weight, besides its sign
LARGEST_SHIFT = 22  # bits by which the kernel shifts weights to the left, at most
WHITE = 255.0


class NativeResize(nn.Module):
    """Resize whole pictures to one size by the kernel itself, which only PyTorch has."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.size, self.interpolation = spec.size, spec.interpolation

    def forward(self, images: Tensor) -> Tensor:
        """Return uint8 (B, 3, *size) of uint8 (B, 3, h, w)."""
        return nn.functional.interpolate(images, size=self.size, mode=self.interpolation, antialias=True)


class MatrixResize(nn.Module):
    """Resize whole pictures to one size as the kernel does, by two products with matrices.

    The pixels are the kernel's, but for a value in some thousands that is a grey level off in pictures that are reduced
    to less than half: there sums of whole weights exceed what float32 counts exactly.
    """

    powers: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.size, self.interpolation = spec.size, spec.interpolation
        powers = torch.tensor([2.0**k for k in range(1, LARGEST_SHIFT + 1)], dtype=torch.float64)
        self.register_buffer("powers", powers, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 (B, 3, *size), in whole grey levels of 0..255, of uint8 (B, 3, h, w)."""
        height, width = self.size
        across, unit = self.weights(images.shape[3], width)
        levels = _whole(images.to(torch.float32) @ across, unit)
        down, unit = self.weights(images.shape[2], height)
        return _whole(down.transpose(0, 1) @ levels, unit)

    def weights(self, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
        """Return whole weights (n_in, n_out) in float32, and the unit that they are counted in.

        Distances are fractions of whole numbers, which even float32 tells well enough.
        """
        places = torch.arange(n_in)
        n = places[-1:] + 1  # as a tensor, which stays open in a graph
        between = ((2 * places + 1) * n_out)[:, None] - ((2 * torch.arange(n_out) + 1) * n)[None, :]
        reach = 2 * torch.clamp(n, min=n_out)
        weights = self._filter(between.abs().to(torch.float64) / reach.to(torch.float64))
        weights = weights / weights.sum(dim=0, keepdim=True)
        fits = torch.floor(0.5 + weights.max() * self.powers) < 2**N_BITS
        unit = (1 + fits.to(torch.float32)).prod()  # a power of two: the largest whole weight has 15 bits
        scaled = weights * unit
        return (torch.sign(scaled) * torch.floor(scaled.abs() + 0.5)).to(torch.float32), unit

    def _filter(self, x: Tensor) -> Tensor:
        """Return the filter's value at a distance from its middle: a triangle, or Keys's cubic with a = -0.5."""
        if self.interpolation == "bilinear":
            return torch.clamp(1 - x, min=0)
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))  # noqa: PLR2004 - its support


def can_resize_inside(spec: InputSpec) -> bool:
    """Tell whether graphs can bring pictures of any size to this input as training does."""
    return spec.crop == "squash" and spec.interpolation in {"bilinear", "bicubic"}


def _whole(sums: Tensor, unit: Tensor) -> Tensor:
    """Round weighted sums to whole grey levels, half upwards."""
    return torch.clamp(torch.floor((sums + unit / 2) / unit), 0.0, WHITE)
