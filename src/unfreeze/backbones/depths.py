"""Every stage's pooled output beside the features, for a head that reads all depths (Evci et al. 2022, Head2Toe).

The stages are tapped by forward hooks, so that the backbone's modules, parameters and their names stay as they are.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from unfreeze.backbones.grouping import layers_from
from unfreeze.backbones.heads import pool
from unfreeze.backbones.ordering import trace
from unfreeze.layers import Layers, Parameter, Stage, strip_wrappers, unwrap

__all__ = ["FEATURES", "depth_columns", "join_depths", "pooled_columns", "stage_ends"]

FEATURES = "features"  # the depth of what a head reads without the stages

Collected = dict[int, dict[str, Tensor]]  # by thread, the vector of each stage that its pass has come by


@dataclass(frozen=True, eq=False)
class PoolStage:
    """A forward hook that keeps the pooled output of a stage until the pass has come to its end."""

    stage: str
    n_channels: int
    channels_last: bool
    collected: Collected = field(repr=False)

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> None:
        """Pool at once: what comes next may change the output in place."""
        self.collected.setdefault(threading.get_ident(), {})[self.stage] = torch.cat(self.parts(output), dim=1)

    def parts(self, output: Any) -> list[Tensor]:
        """Return what an output is pooled to: of maps and tokens means, then maxima, (B, C) each; vectors as such."""
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        return [
            part for leaf in tensors for part in _pool_both(leaf, self.n_channels, channels_last=self.channels_last)
        ]


@dataclass(frozen=True, eq=False)
class JoinDepths:
    """The forward hook of the backbone: the vectors of all stages, then its features, as one vector for each image."""

    stages: tuple[str, ...]
    collected: Collected = field(repr=False)

    def __call__(self, _module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        """Return (B, F'), where the backbone alone would give features of length F."""
        if isinstance(output, fx.Proxy):
            raise TypeError("its head reads the outputs of all stages")
        pooled = self.collected.pop(threading.get_ident())
        return torch.cat([*(pooled[stage] for stage in self.stages), pool(output)], dim=1)


def join_depths(backbone: nn.Module, *, size: tuple[int, int]) -> nn.Module:
    """Let a backbone give the pooled outputs of all its stages, input to output, and then its features.

    Each stage gives (B, 2 C), the mean and then the maximum of each channel over all places (maps) or tokens, or (B, C)
    where it gives vectors; the features are those that a head would read, (B, F). All are joined to one vector.

    A stage ends where the module of its name does, as `layer4`; else with the largest module that holds its last
    leaf and no other stage's, and in a sequence with what follows without weights, as an activation.

    Args:
        backbone: a network without its classifier; it is changed in place, but for its modules and parameters.
        size: height and width of its input, in pixels.

    Returns:
        The same backbone.

    Raises:
        ModelError: it does not run on pictures of this size.
    """
    layers = _layers_with_head(backbone, size)
    stages, modules = layers.stages[:-1], dict(backbone.named_modules())  # the last is the head
    channels_last = getattr(backbone, "output_fmt", None) == "NHWC"
    collected: Collected = {}
    for stage in stages:
        path, n_channels = _end_of(stage, layers, modules)
        backbone.get_submodule(path).register_forward_hook(PoolStage(stage.name, n_channels, channels_last, collected))
    backbone.register_forward_hook(JoinDepths(tuple(stage.name for stage in stages), collected))
    return backbone


def depth_columns(backbone: nn.Module, *, size: tuple[int, int]) -> dict[str, slice]:
    """Return which columns of the joined vector are which depth's, input to output.

    Args:
        backbone: as `join_depths` returns it, in evaluation mode; it runs once on a black picture.
        size: height and width of its input, in pixels.

    Returns:
        By stage, then under `FEATURES` the features; the slices follow one another and hold all columns.
    """
    hooks = backbone._forward_hooks.values()  # noqa: SLF001 - they have no public name
    (join,) = (hook for hook in hooks if isinstance(hook, JoinDepths))
    widths: dict[str, int] = {}

    def measure(_module: nn.Module, _args: Any, output: Tensor) -> None:
        pooled = join.collected[threading.get_ident()]
        widths.update({stage: pooled[stage].shape[1] for stage in join.stages})
        widths[FEATURES] = pool(output).shape[1]

    handle = backbone.register_forward_hook(measure, prepend=True)
    device = next(backbone.parameters()).device
    try:
        with torch.no_grad():
            backbone(torch.zeros(1, 3, *size, device=device))
    finally:
        handle.remove()
    ends = list(itertools.accumulate(widths.values()))
    return {name: slice(end - widths[name], end) for name, end in zip(widths, ends, strict=True)}


def pooled_columns(backbone: nn.Module, *, size: tuple[int, int]) -> tuple[slice, ...]:
    """Return the columns of the joined vector by depth and way of pooling: those of one slice have the same units.

    Args:
        backbone: as `join_depths` returns it, in evaluation mode; it runs once on a black picture.
        size: height and width of its input, in pixels.

    Returns:
        Of each stage the means and then the maxima, or what it gives as vectors; then the features.
    """
    widths: dict[str, list[int]] = {}

    def measuring(hook: PoolStage) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _args, output: widths.update({hook.stage: [p.shape[1] for p in hook.parts(output)]})

    handles = [
        module.register_forward_hook(measuring(hook), prepend=True)
        for module in backbone.modules()
        for hook in tuple(module._forward_hooks.values())  # noqa: SLF001 - they have no public name
        if isinstance(hook, PoolStage)
    ]
    try:
        depths = depth_columns(backbone, size=size)
    finally:
        for handle in handles:
            handle.remove()
    ends = itertools.accumulate(
        width for depth, columns in depths.items() for width in widths.get(depth, [columns.stop - columns.start])
    )
    return tuple(itertools.starmap(slice, itertools.pairwise((0, *ends))))


def stage_ends(backbone: nn.Module, layers: Layers) -> dict[str, str]:
    """Return the path of the module that each stage below the head ends with, by the stage's name, input to output."""
    modules = dict(backbone.named_modules())
    return {stage.name: _end_of(stage, layers, modules)[0] for stage in layers.stages[:-1]}


def _layers_with_head(backbone: nn.Module, size: tuple[int, int]) -> Layers:
    """Return the layers of a backbone and a head that stands for any."""
    whole = nn.Sequential(OrderedDict(backbone=backbone, head=_AnyHead()))
    return layers_from(whole, trace(whole, torch.zeros(1, 3, *size)), size=size)


class _AnyHead(nn.Module):
    """A head for features of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, device="meta"))

    def forward(self, features: Tensor) -> Tensor:
        return pool(features) * self.scale


def _end_of(stage: Stage, layers: Layers, modules: dict[str, nn.Module]) -> tuple[str, int]:
    """Return the path of the module that a stage ends with, and how many channels that gives."""
    last = next(leaf for leaf in reversed(layers.order) if leaf in stage.leaf_names)
    path = last.partition("@")[0]
    # Not a class token that the leaf is the first to use: its first axis is no channel.
    own = next(p.shape for p in _parameters(stage, last) if _path(p).startswith(f"{path}."))
    if _has_forward(modules.get(stage.name)):
        path = stage.name
    else:
        elsewhere = [_path(p) for each in layers.stages if each is not stage for p in _parameters(each)]
        parent = path.rpartition(".")[0]
        while parent and not any(name.startswith(f"{parent}.") for name in elsewhere):
            path = parent if _has_forward(modules[parent]) else path
            parent = parent.rpartition(".")[0]
    return _with_activation(path, modules), own[0]


def _has_forward(module: nn.Module | None) -> bool:
    """Tell whether a module is ever called; a list of modules is not."""
    return module is not None and type(module).forward is not nn.Module.forward


def _parameters(stage: Stage, leaf: str | None = None) -> list[Parameter]:
    """Return the parameters of a stage, or of one leaf in it."""
    leaves = [each for group in stage.groups for each in group.leaves if leaf in {None, each.name}]
    return [parameter for each in leaves for parameter in each.parameters]


def _path(parameter: Parameter) -> str:
    return strip_wrappers(unwrap(parameter.name)).removeprefix("backbone.")


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


def _pool_both(values: Tensor, n_channels: int, *, channels_last: bool) -> tuple[Tensor, ...]:
    """Pool (B, C, H, W), (B, H, W, C) or (B, N, C) to the mean, and the maximum, of each channel, (B, C) each."""
    if values.ndim == 2:  # noqa: PLR2004 - vectors
        return (values,)
    if values.requires_grad:
        values = values.clone()  # the gradient of a maximum reads them, and what comes next may change them in place
    usual = 1 if values.ndim == 4 and not channels_last else values.ndim - 1  # noqa: PLR2004 - maps
    fitting = [axis for axis in range(1, values.ndim) if values.shape[axis] == n_channels]
    axis = usual if usual in fitting or not fitting else fitting[0]
    places = [each for each in range(1, values.ndim) if each != axis]
    return values.mean(dim=places), values.amax(dim=places)
