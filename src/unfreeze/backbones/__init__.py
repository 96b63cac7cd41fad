"""Pretrained networks in: any timm network by name, bundled weights, files; their layers; heads.

The names are imported when they are first used, because torch and timm take seconds to load.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.backbones.allocation import keep_freed_memory
    from unfreeze.backbones.bundled import BUNDLED
    from unfreeze.backbones.grouping import layers_of
    from unfreeze.backbones.heads import Head, make_head
    from unfreeze.backbones.loading import load_network, model_layers
    from unfreeze.backbones.naming import KnownModel, check_model_name, known_models
    from unfreeze.backbones.network import Network
    from unfreeze.backbones.outputs import output_scores
    from unfreeze.backbones.saving import rebuild, save_network

__all__ = [
    "BUNDLED",
    "Head",
    "KnownModel",
    "Network",
    "check_model_name",
    "keep_freed_memory",
    "known_models",
    "layers_of",
    "load_network",
    "make_head",
    "model_layers",
    "output_scores",
    "rebuild",
    "save_network",
]

_HOMES = {
    "BUNDLED": "bundled",
    "Head": "heads",
    "KnownModel": "naming",
    "Network": "network",
    "check_model_name": "naming",
    "keep_freed_memory": "allocation",
    "known_models": "naming",
    "layers_of": "grouping",
    "load_network": "loading",
    "make_head": "heads",
    "model_layers": "loading",
    "output_scores": "outputs",
    "rebuild": "saving",
    "save_network": "saving",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
