"""torch.export: the network with its resizing as a program that PyTorch runs without unfreeze and timm."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch.export import Dim

from unfreeze.exporting.deployment import Deployment, example_pictures, open_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np

__all__ = ["open_torch", "write_torch"]


def write_torch(deployment: Deployment, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write a network as a torch.export program.

    Args:
        deployment: a network, with a resizing where it is to take pictures of any size.
        path: of the `.pt2`.
        metadata: goes into the file as extra files, one for each name.

    Raises:
        Exception: whatever PyTorch raises about a network that it cannot export.
    """
    dimensions = dict.fromkeys(open_axes(deployment), Dim.DYNAMIC)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself; whether it is right is seen on pictures
        # Not strict: heads on all depths are hooks, which only run as Python does.
        program = torch.export.export(
            deployment, (example_pictures(deployment),), dynamic_shapes=(dimensions,), strict=False
        )
        torch.export.save(program, path, extra_files=dict(metadata))


def open_torch(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what runs a torch.export program on uint8 pictures (B, 3, h, w), on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            return tuple(output.numpy() for output in module(torch.from_numpy(images)))

    return run
