"""The pooled outputs of every stage in one pass, for a head that reads all depths (Evci et al. 2022, Head2Toe)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from unfreeze.backbones import Network
from unfreeze.backbones.heads import pool
from unfreeze.errors import SelectorError, did_you_mean
from unfreeze.layers import Layers, Stage, unwrap

__all__ = ["Taps", "tap_network"]


@dataclass(frozen=True, slots=True)
class _Tap:
    """Where a stage ends: its name, the path of its last module in the backbone, and its channels."""

    stage: str
    path: str
    n_channels: int


class Taps(nn.Module):
    """From images to vectors: the pooled output of each stage, and the backbone's features.

    Attributes:
        stages: the names of the stages, input to output.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, taps: Sequence[_Tap]) -> None:
        super().__init__()
        self.stages = tuple(tap.stage for tap in taps)
        self.backbone = network.backbone
        self.register_buffer("mean", network.mean, persistent=False)
        self.register_buffer("std", network.std, persistent=False)
        self._taps = tuple(taps)
        self._is_channels_last = getattr(network.backbone, "output_fmt", None) == "NHWC"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return a vector for each stage, then the features.

        A stage's is (B, 2 C), the mean and then the maximum of each channel over all places (maps) or tokens, or
        (B, C) where the stage gives vectors; the features are those that the head reads, (B, F).

        Args:
            images: uint8, or floating values in 0..255, of shape (B, 3, height, width).
        """
        pooled: dict[str, Tensor] = {}
        with contextlib.ExitStack() as hooks:
            # Only for this pass: the backbone is the network's own.
            for tap in self._taps:
                hooks.enter_context(
                    self.backbone.get_submodule(tap.path).register_forward_hook(self._hook(tap, pooled))
                )
            features = pool(self.backbone((images.to(self.mean.dtype) - self.mean) / self.std))
        return (*(pooled[stage] for stage in self.stages), features)

    def _hook(self, tap: _Tap, pooled: dict[str, Tensor]) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            # Pooled at once: what comes next may change the output in place.
            tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
            vectors = [_pool_both(leaf, tap.n_channels, channels_last=self._is_channels_last) for leaf in tensors]
            pooled[tap.stage] = torch.cat(vectors, dim=1)

        return keep


def tap_network(network: Network, stages: Sequence[str] | None = None) -> Taps:
    """Return a module that gives the pooled outputs of a network's stages in one pass.

    A stage ends where the module of its name does, as `layer4`; else with the largest module that holds its last
    leaf and no other stage's, and in a sequence with what follows without weights, as an activation. The modules
    are the network's own, and run in their present modes: put the network into inference mode.

    Args:
        network: it is not changed.
        stages: names of stages of `network.layers`; by default all below the head.

    Raises:
        SelectorError: there is no stage of a name.
    """
    below = {stage.name: stage for stage in network.layers.stages[:-1]}
    for name in stages or ():
        if name not in below:
            raise SelectorError(
                f'{network.layers.model} has no stage "{name}" below its head.{did_you_mean(name, below)} '
                f"Its stages are: {', '.join(below)}."
            )
    chosen = [stage for name, stage in below.items() if stages is None or name in stages]
    modules = dict(network.backbone.named_modules())
    return Taps(network, [_tap(stage, network.layers, modules) for stage in chosen])


def _tap(stage: Stage, layers: Layers, modules: dict[str, nn.Module]) -> _Tap:
    last = next(leaf for leaf in reversed(layers.order) if leaf in stage.leaf_names)
    parameters = next(leaf.parameters for leaf in layers.leaves if leaf.name == last)
    n_channels = parameters[0].shape[0] if parameters[0].shape else 0
    if stage.name in modules:
        return _Tap(stage.name, _with_activation(stage.name, modules), n_channels)
    owner = unwrap(parameters[0].name).removeprefix("backbone.").rpartition(".")[0]
    elsewhere = {
        unwrap(parameter.name).removeprefix("backbone.")
        for leaf in layers.leaves
        if leaf.name not in stage.leaf_names
        for parameter in leaf.parameters
    }
    path = owner
    while "." in path and not any(name.startswith(f"{path.rpartition('.')[0]}.") for name in elsewhere):
        path = path.rpartition(".")[0]
    return _Tap(stage.name, _with_activation(path, modules), n_channels)


def _with_activation(path: str, modules: dict[str, nn.Module]) -> str:
    """Return the last of the modules without weights that follow a module in a sequence, else its own path."""
    parent, _, name = path.rpartition(".")
    if not isinstance(modules[parent], nn.Sequential):
        return path
    names = [child for child, _ in modules[parent].named_children()]
    for following in names[names.index(name) + 1 :]:
        path_of = f"{parent}.{following}" if parent else following
        if any(True for _ in modules[path_of].parameters()):
            break
        path = path_of
    return path


def _pool_both(values: Tensor, n_channels: int, *, channels_last: bool) -> Tensor:
    """Pool (B, C, H, W), (B, H, W, C) or (B, N, C) to (B, 2 C): the mean, and the maximum, of each channel."""
    if values.ndim == 2:  # noqa: PLR2004 - vectors
        return values
    usual = 1 if values.ndim == 4 and not channels_last else values.ndim - 1  # noqa: PLR2004 - maps
    fitting = [axis for axis in range(1, values.ndim) if values.shape[axis] == n_channels]
    axis = usual if usual in fitting or not fitting else fitting[0]
    places = [each for each in range(1, values.ndim) if each != axis]
    return torch.cat([values.mean(dim=places), values.amax(dim=places)], dim=1)
