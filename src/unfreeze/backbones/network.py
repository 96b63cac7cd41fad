"""The network that is trained, saved, exported and served: a backbone, a head, and the preprocessing inside."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unfreeze.backbones.grouping import layers_from
from unfreeze.backbones.heads import Head, pool
from unfreeze.backbones.ordering import trace
from unfreeze.backbones.outputs import output_scores
from unfreeze.data import InputSpec

if TYPE_CHECKING:
    from unfreeze.layers import Layers
    from unfreeze.records import ModelRecord

__all__ = ["Network", "spec_of"]


class Network(nn.Module):
    """A pretrained backbone with a head of its own; it takes pictures as they are, in 0..255.

    Normalisation is part of it, so that training, export and service cannot differ in it.

    Attributes:
        backbone: the timm network without its classifier.
        head: from features to one output per class, label or target column.
        record: all that is needed, beside the weights, to rebuild it.
        spec: the input it wants.
        notes: what the user should know about how its weights were loaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: Head, *, record: ModelRecord, notes: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.record = record
        self.spec = spec_of(record)
        self.notes = notes
        # In the record, so not in the weights: one home for each fact.
        for name, values in {"mean": record.mean, "std": record.std}.items():
            pixel_values = torch.tensor([255.0 * value for value in values])
            self.register_buffer(name, pixel_values.reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, n_outputs); for regression the targets, standardised.

        Args:
            images: uint8, or floating values in 0..255, of shape (B, 3, height, width).
        """
        logits: Tensor = self.head(self.backbone(self.normalise(images)))
        return logits

    def normalise(self, images: Tensor) -> Tensor:
        """Return images as the backbone wants them: minus the mean, over the standard deviation."""
        return (images.to(self.mean.dtype) - self.mean) / self.std

    def features(self, images: Tensor) -> Tensor:
        """Return the vectors (B, n_features) that the head is given."""
        return pool(self.backbone(self.normalise(images)))

    def scores(self, images: Tensor) -> Tensor:
        """Return what a user reads, as float32 (B, n_outputs).

        Probabilities that add up to 1 (classification), a probability for each label (multi-label), or values in
        the targets' own units (regression).
        """
        return output_scores(self(images), self.record)

    @functools.cached_property
    def layers(self) -> Layers:
        """Its stages, layer groups and leaves, measured at the size of its input."""
        size = self.spec.size
        return layers_from(self, trace(self, torch.zeros(1, 3, *size)), size=size)


def spec_of(record: ModelRecord) -> InputSpec:
    """Return the input that a recorded network wants."""
    return InputSpec(
        size=record.size,
        mean=record.mean,
        std=record.std,
        interpolation=record.interpolation,
        crop=record.crop,
        crop_pct=record.crop_pct,
        depth_range=record.depth_range,
    )
