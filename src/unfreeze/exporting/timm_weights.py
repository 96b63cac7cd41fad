"""A fine-tuned network as timm's own: a state dict that `timm.create_model(name, num_classes=n)` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from unfreeze.backbones import native_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from unfreeze.backbones import Network

__all__ = ["TIMM_SUFFIX", "NotPlainError", "create_arguments", "timm_state_dict", "write_timm"]

TIMM_SUFFIX = ".timm.safetensors"
N_CHECKED = 2
LARGEST_DEVIATION = 1e-4  # of the largest logit: the same sums in another order, and no more


class NotPlainError(Exception):
    """Why a network is not timm's own with another classifier."""


def create_arguments(network: Network) -> dict[str, Any]:
    """Return the arguments of `timm.create_model` for the network with its head."""
    record = network.record
    arguments: dict[str, Any] = {"model_name": record.architecture, "num_classes": len(record.outputs)}
    is_fixed = bool(getattr(network.backbone, "pretrained_cfg", {}).get("fixed_input_size"))
    if is_fixed and record.size != native_size(record.architecture):
        arguments["img_size"] = record.size
    return arguments


def timm_state_dict(network: Network) -> dict[str, Tensor]:
    """Return the weights of a network by the names that they have in timm's own network with n classes.

    That network was built and compared: it gives the same logits for normalised pictures.

    Raises:
        NotPlainError: it cannot be timm's own, with what to do instead.
    """
    record = network.record
    if record.hidden is not None:
        raise NotPlainError("its head has a hidden layer, for which timm's networks have no place")
    if record.features == "stages":
        raise NotPlainError("its head reads the outputs of all stages, which timm's networks do not give")
    with torch.random.fork_rng(devices=[]):
        plain: nn.Module = timm.create_model(pretrained=False, **create_arguments(network)).eval()
    settings: Any = getattr(plain, "pretrained_cfg", {})
    name = settings.get("classifier")
    if not isinstance(name, str) or not isinstance(classifier := _module(plain, name), nn.Linear | nn.Conv2d):
        raise NotPlainError("timm's network has no single classifier")
    (linear,) = network.head
    assert isinstance(linear, nn.Linear)
    weight, bias = linear.weight.detach(), linear.bias.detach()
    state = {key: value.detach().cpu() for key, value in network.backbone.state_dict().items()}
    if classifier.bias is None:
        raise NotPlainError("timm's classifier has no bias, and ours has")
    if weight.numel() != classifier.weight.numel():
        raise NotPlainError(
            f"timm's classifier reads {classifier.weight.shape[1]} features and ours {weight.shape[1]}: the wide "
            "layers before it were dropped"
        )
    state |= {f"{name}.weight": weight.reshape(classifier.weight.shape), f"{name}.bias": bias}
    try:
        plain.load_state_dict(state)
    except RuntimeError as error:
        raise NotPlainError("the layers of timm's network with a classifier are others than without") from error
    _check_logits(plain, network)
    return {key: value.contiguous().clone() for key, value in state.items()}


def write_timm(path: Path, tensors: Mapping[str, Tensor], network: Network, *, metadata: Mapping[str, str]) -> None:
    """Write a state dict as safetensors; the arguments of `create_model` join the metadata."""
    arguments = msgspec.json.encode(create_arguments(network)).decode()
    # Not save_file: that would make a file that only its owner can read.
    path.write_bytes(safetensors.torch.save(dict(tensors), metadata={**metadata, "create_model": arguments}))


def _module(network: nn.Module, name: str) -> nn.Module | None:
    try:
        return network.get_submodule(name)
    except AttributeError:
        return None


def _check_logits(plain: nn.Module, network: Network) -> None:
    """Raise unless both give the same logits for pictures of noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N_CHECKED, 3, *network.spec.size), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        expected = network(images)
        got = plain(network.normalise(images))
    if got.shape != expected.shape or not torch.allclose(
        got, expected, rtol=0, atol=LARGEST_DEVIATION * float(expected.abs().max())
    ):
        raise NotPlainError("timm's network treats its features otherwise before its classifier")
