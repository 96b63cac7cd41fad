"""Which modules run as in training and which as in inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from unfreeze.layers import Layers, Leaf, strip_wrappers, unwrap
from unfreeze.plans import NormMode

__all__ = ["module_modes"]


def module_modes(
    model: nn.Module, layers: Layers, *, selected: frozenset[str], norm: NormMode
) -> Iterator[tuple[nn.Module, bool]]:
    """Yield every module with the `training` flag that it must have.

    - A leaf trains if it is selected; a norm layer only if `norm` is `train` as well.
    - A module without weights (dropout, stochastic depth) goes with the leaf that is registered before it
      in its parent; where there is none, with its parent.
    - A container trains if all leaves in it are selected. What it does by itself, as functional dropout,
      cannot be split, and a frozen part must compute the same in every pass: so `model.training` is False
      while a part of the model is frozen.
    """
    leaves, whole = _leaf_modules(layers), _wholly_selected(layers, selected)
    latest = _Latest()  # named_modules() goes depth first: the leaf visited last is the nearest one before
    for name, module in model.named_modules():
        path = unwrap(name)
        leaf = leaves.get(path)
        if leaf is not None:
            latest = _Latest(path, leaf.name)
            live = leaf.name in selected
        elif path in whole:
            live = whole[path]
        else:
            live = _follows(path, latest, leaves, whole, selected)
        is_norm = isinstance(module, _NormBase) or (leaf is not None and leaf.kind == "norm")
        yield module, live and (norm == "train" or not is_norm)


@dataclass(frozen=True, slots=True)
class _Latest:
    """The leaf visited last: its module's path and its name."""

    path: str = ""
    leaf: str = ""


def _leaf_modules(layers: Layers) -> dict[str, Leaf]:
    """Return the leaves by their modules' paths without wrappers.

    A leaf may also hold loose parameters of other modules; the one whose path it is called by is its own.
    """
    found = {}
    for leaf in layers.leaves:
        called = strip_wrappers(unwrap(leaf.name.partition("@")[0]))
        for parameter in leaf.parameters:
            path = unwrap(parameter.name).rpartition(".")[0]
            if strip_wrappers(path) == called:
                found[path] = leaf
    return found


def _wholly_selected(layers: Layers, selected: frozenset[str]) -> dict[str, bool]:
    """Tell for each container, by path, whether all that is below it is selected; "" is the model."""
    whole: dict[str, bool] = {}
    for name, leaf in layers.leaf_by_parameter.items():
        path = name.rpartition(".")[0]
        while path:
            path = path.rpartition(".")[0]
            whole[path] = whole.get(path, True) and leaf in selected
    return whole


def _follows(
    path: str,
    latest: _Latest,
    leaves: Mapping[str, Leaf],
    whole: Mapping[str, bool],
    selected: frozenset[str],
) -> bool:
    """Tell whether a module without weights is live, from the nearest parent that has weights below it."""
    parent = path.rpartition(".")[0]
    while parent not in whole and parent not in leaves:
        parent = parent.rpartition(".")[0]
    if parent in leaves:
        return leaves[parent].name in selected
    if latest.leaf and f"{latest.path}.".startswith(f"{parent}." if parent else ""):
        return latest.leaf in selected
    return whole[parent]
