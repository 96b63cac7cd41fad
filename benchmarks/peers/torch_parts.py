"""What the peers on plain PyTorch data loaders share: the pictures, and timm's network with its weights."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from job import Job, n_cores
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

__all__ = ["MODEL", "loader", "network", "pretrained"]

MODEL = "tf_efficientnet_lite0"


def loader(job: Job, side: str) -> DataLoader[tuple[torch.Tensor, int]]:
    """Return the batches of one side of the split: whole pictures squashed to the size, as unfreeze shows them."""
    transform = v2.Compose(
        [
            v2.Resize((job.size, job.size), interpolation=v2.InterpolationMode.BICUBIC),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    return DataLoader(
        ImageFolder(job.layout / side, transform=transform),
        batch_size=job.batch_size,
        shuffle=side == "train",
        num_workers=n_cores(),
        persistent_workers=side != "test",
    )


def network(job: Job) -> nn.Module:
    """Return timm's network with pretrained weights and a new linear classifier."""
    return timm.create_model(MODEL, num_classes=len(job.classes), **pretrained(job.weights))


def pretrained(weights: Path) -> dict[str, object]:
    """Return the arguments by which timm reads pretrained weights from a file instead of a model hub."""
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights)}}
