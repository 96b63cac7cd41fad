"""Backbones: timm networks without their classifier, at a size, with or without values in their tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vgg import VGG
from torch import nn

from unfreeze.backbones.heads import pool
from unfreeze.backbones.naming import pretrained_settings
from unfreeze.backbones.ordering import output_shape
from unfreeze.errors import ModelError

__all__ = ["build_backbone", "build_meta", "count_features", "native_size", "probe_size"]

N_CHANNELS = 3
PROBE_SCALE = 10 / 7  # 224 → 320 px
PROBE_STEP = 32  # px; by so much common networks reduce a picture


def native_size(name: str) -> tuple[int, int]:
    """Return the height and width, in pixels, that a network was pretrained at.

    Raises:
        ModelError: it takes something other than RGB pictures.
    """
    channels, height, width = pretrained_settings(name).get("input_size") or (3, 224, 224)
    if channels != N_CHANNELS:
        raise ModelError(f"{name} takes {channels} channels; unfreeze trains networks for RGB pictures.")
    return (height, width)


def probe_size(name: str) -> int:
    """Return the side of the input, in pixels, that a head on the frozen network is shown pictures at.

    Larger than what the network was pretrained at, as Touvron et al. 2019 ("Fixing the train-test resolution
    discrepancy") found for evaluation, and docs/adr/0014 for heads; its own where its input is fixed or not square.

    >>> probe_size("resnet50"), probe_size("vit_tiny_patch16_224")
    (320, 224)
    """
    height, width = native_size(name)
    if height != width or pretrained_settings(name).get("fixed_input_size"):
        return height
    return max(height, round(height * PROBE_SCALE / PROBE_STEP) * PROBE_STEP)


def build_backbone(
    name: str, size: tuple[int, int], *, seed: int = 0, pretrained: bool = False, file: Path | None = None
) -> nn.Module:
    """Build a timm network without its classifier.

    VGG's two wide layers of its classifier (timm's `pre_logits`, 4,096 units each) are dropped with it: 512 pooled
    features are left, as the classic recipe has them.

    Args:
        name: timm's name, with or without a pretrained tag.
        size: height and width in pixels; networks of a fixed size are built for it.
        seed: of random weights; torch's global random state is neither read nor changed.
        pretrained: load timm's weights, from the hub or from `file`; timm resamples position tables to the size.
        file: timm's own weights, already on disk.

    Raises:
        ModelError: the network cannot be built at this size.
    """
    arguments: dict[str, Any] = {"num_classes": 0, "pretrained": pretrained}
    if file is not None:
        arguments["pretrained_cfg_overlay"] = {"file": str(file)}
    is_fixed = bool(pretrained_settings(name).get("fixed_input_size"))
    if is_fixed and size != native_size(name):
        arguments["img_size"] = size
    if name.startswith("vgg") and not pretrained:
        arguments["mlp_ratio"] = 1 / 4096  # dropped below: 120 million weights need not be drawn first
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            backbone: nn.Module = timm.create_model(name, **arguments)
        except (AssertionError, TypeError, ValueError, ZeroDivisionError) as error:
            if "img_size" not in arguments:
                raise
            raise ModelError(_size_message(name, size, error)) from error
    return _without_wide_layers(backbone)


def build_meta(name: str, size: tuple[int, int]) -> nn.Module:
    """Build a backbone whose tensors have shapes but no values, in milliseconds."""
    try:
        with torch.device("meta"):
            return build_backbone(name, size)
    except ModelError:
        raise
    except (RuntimeError, NotImplementedError):  # some compute with values while they are built
        return build_backbone(name, size)


def count_features(backbone: nn.Module, name: str, size: tuple[int, int]) -> int:
    """Return the length of the feature vector, seen in a forward pass at this size.

    Raises:
        ModelError: the network does not run at this size, or gives something other than one tensor of features.
    """
    try:
        output = output_shape(backbone, torch.zeros(1, N_CHANNELS, *size))
    except ModelError as error:
        raise ModelError(_size_message(name, size, error.__cause__ or error)) from error
    if output is None or not 2 <= len(output) <= 4:  # noqa: PLR2004 - vectors, tokens or maps
        raise ModelError(f"{name} gives no features of shape (B, F), (B, N, F) or (B, F, H, W); take another network.")
    return int(pool(torch.empty(output, device="meta")).shape[1])


def _without_wide_layers(backbone: nn.Module) -> nn.Module:
    if isinstance(backbone, VGG):
        backbone.pre_logits = nn.Identity()
        backbone.head_hidden_size = backbone.num_features
        backbone.head.num_features = backbone.num_features
    return backbone


def _size_message(name: str, size: tuple[int, int], error: BaseException) -> str:
    height, width = native_size(name)
    reason = (str(error).strip().splitlines() or [""])[0]
    return (
        f"{name} cannot take pictures of {size[0]}×{size[1]} px ({type(error).__name__}: {reason}). "
        f"Its native size is {height}×{width}; sizes that work are usually multiples of 32, and of "
        f"{height} for networks with windows."
    )
