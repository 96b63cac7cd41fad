"""Proof that what was frozen did not change: a hash over the bytes of each layer group."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from unfreeze.freezing.naming import parameters_by_name
from unfreeze.layers import Layers, strip_wrappers, unwrap

__all__ = ["hash_tensors", "layer_hashes"]


def layer_hashes(model: nn.Module, layers: Layers) -> dict[str, str]:
    """Return the sha256 of each layer group's parameters and buffers, by the group's name, input to output.

    It covers names, shapes, types and the exact bytes, and is the same in every memory format and on every
    device. A buffer belongs to the group of the leaf whose path is nearest to its own.

    Raises:
        PlanError: the model's parameters are not those of the layers.
    """
    members: dict[str, dict[str, torch.Tensor]] = {group.name: {} for group in layers.groups}
    for name, parameter in parameters_by_name(model, layers).items():
        members[layers.group_of(layers.leaf_by_parameter[name]).name][name] = parameter
    for name, buffer in model.named_buffers():
        plain = unwrap(name)
        members[layers.group_of(_nearest_leaf(strip_wrappers(plain), layers)).name][plain] = buffer
    return {group: hash_tensors(tensors) for group, tensors in members.items()}


def _nearest_leaf(name: str, layers: Layers) -> str:
    """Return the leaf that shares the most leading components with a buffer's name, the first of several."""
    path = name.split(".")

    def n_shared(leaf: str) -> int:
        components = leaf.split(".")
        return next((i for i, part in enumerate(path) if components[i : i + 1] != [part]), len(path))

    return max(layers.order, key=n_shared)


def hash_tensors(tensors: dict[str, torch.Tensor]) -> str:
    """Return the sha256 of tensors by name: names, types, shapes and bytes, whatever their memory format."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
