"""Networks out and back: model.safetensors with the weights, model.json with everything else."""

from __future__ import annotations

import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from unfreeze.backbones.building import build_backbone
from unfreeze.backbones.depths import join_depths
from unfreeze.backbones.heads import make_head
from unfreeze.backbones.network import Network
from unfreeze.errors import RunError
from unfreeze.records import ModelRecord, write_json

__all__ = ["MODEL_FILE", "TENSORS_FILE", "rebuild", "save_network"]

MODEL_FILE, TENSORS_FILE = "model.json", "model.safetensors"


def save_network(network: Network, directory: Path) -> None:
    """Write a network's weights and record into a directory, each file whole or not at all.

    The same weights give the same bytes: safetensors orders its header's entries at random, so there is one. The
    weights are written contiguous (safetensors takes no other), with a note of their memory format: in another
    one the same weights give outputs that differ in the last bits.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Copies, because tensors that share memory are refused as well.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    layout = "channels_last" if _is_channels_last(network) else "contiguous"
    part = directory / (TENSORS_FILE + ".part")
    # Not save_file: that would make a file that only its owner can read, unlike all others of a run.
    part.write_bytes(safetensors.torch.save(tensors, metadata={"memory_format": layout}))
    os.replace(part, directory / TENSORS_FILE)  # noqa: PTH105 - says that an existing file is replaced, in one step
    write_json(directory / MODEL_FILE, network.record)


def rebuild(record: ModelRecord, tensors: Path) -> Network:
    """Rebuild a saved network, bit for bit, from its record and its weights; no hub is ever asked.

    Args:
        record: the contents of model.json.
        tensors: model.safetensors beside it.

    Returns:
        The network on the CPU, in inference mode.

    Raises:
        RunError: the weights are missing, damaged, or not those of the record.
        ModelError: the installed timm does not know the architecture.
    """
    try:
        with safetensors.safe_open(tensors, framework="pt") as file:
            layout = (file.metadata() or {}).get("memory_format")
        saved = safetensors.torch.load_file(tensors)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f'"{tensors}" cannot be read as the weights of a network: {error}') from error
    weight = saved.get("head.0.weight")
    if weight is None:
        raise RunError(f'"{tensors}" holds no head ("head.0.weight"); expected the weights that unfreeze saved.')
    head = make_head(weight.shape[1], n_outputs=len(record.outputs), hidden=record.hidden)
    backbone = build_backbone(record.architecture, record.size)
    if record.features == "stages":
        join_depths(backbone, size=record.size)
    network = Network(backbone, head, record=record)
    try:
        network.load_state_dict(saved)
    except RuntimeError as error:
        raise RunError(f'"{tensors}" does not fit the network of its {MODEL_FILE}: {error}') from error
    if layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    return network.eval()


def _is_channels_last(network: nn.Module) -> bool:
    """Tell whether a weight is laid out channels-last and not at the same time contiguous, as 1×1 kernels are."""
    return any(
        p.ndim == 4 and not p.is_contiguous() and p.is_contiguous(memory_format=torch.channels_last)  # noqa: PLR2004
        for p in network.parameters()
    )
