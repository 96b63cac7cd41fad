"""Names of networks: which there are, what a user's spelling means, which are nearest to an unknown one."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from timm.models import get_deprecated_models, get_pretrained_cfg, is_model, list_pretrained

from unfreeze.backbones.bundled import BUNDLED
from unfreeze.errors import ModelError, did_you_mean

__all__ = ["KnownModel", "check_model_name", "known_models", "plain_name", "pretrained_settings"]

# What people call networks whose timm name says more: torchvision's, Keras's and the papers' names, squeezed.
ALIASES = {
    "convnextt": "convnext_tiny",
    "deits": "deit_small_patch16_224",
    "efficientnetlite0": "tf_efficientnet_lite0",
    "efficientnetlite1": "tf_efficientnet_lite1",
    "efficientnetlite2": "tf_efficientnet_lite2",
    "lite0": "tf_efficientnet_lite0",
    "lite1": "tf_efficientnet_lite1",
    "lite2": "tf_efficientnet_lite2",
    "mobilenet": "mobilenetv2_100",
    "mobilenetv2": "mobilenetv2_100",
    "mobilenetv3": "mobilenetv3_large_100",
    "mobilenetv3large": "mobilenetv3_large_100",
    "mobilenetv3small": "mobilenetv3_small_100",
    "resnet": "resnet50",
    "swinb": "swin_base_patch4_window7_224",
    "swins": "swin_small_patch4_window7_224",
    "swint": "swin_tiny_patch4_window7_224",
    "vgg": "vgg16",
    "vitb16": "vit_base_patch16_224",
    "vitb32": "vit_base_patch32_224",
    "vitl16": "vit_large_patch16_224",
    "vits16": "vit_small_patch16_224",
    "vitti16": "vit_tiny_patch16_224",
}


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One network that can be named.

    Attributes:
        name: what `--model` takes.
        n_parameters: weights of the backbone, without a classifier; None if timm is newer than our table.
        size: native height and width in pixels, if known.
        weights: "bundled" (no hub needed), "hub" (downloaded by timm), or "none" (there are none).
        licence: of the weights, where known.
    """

    name: str
    n_parameters: int | None
    size: tuple[int, int] | None
    weights: str
    licence: str | None


@functools.cache
def known_models() -> tuple[KnownModel, ...]:
    """Return all networks: the bundled ones first, then timm's by name. None of them is built."""
    counts = _parameter_counts()
    names = sorted(_all_names(), key=lambda name: (name not in BUNDLED, _natural(name)))
    return tuple(_known(name, counts.get(name)) for name in names)


def check_model_name(name: str) -> str:
    """Return timm's name for what a user calls a network, before any weights load.

    Case, dashes and dots in a name do not matter: `ResNet-50` is resnet50. A timm pretrained tag is kept
    (`resnet50.a1_in1k`); a deprecated name becomes the present one.

    Raises:
        ModelError: there is no such network; the nearest names are offered.
    """
    base, _, tag = name.strip().partition(".")
    resolved = _resolve(base) or (_resolve(name) if tag else None)
    if resolved is None:
        near = did_you_mean(name.lower().replace("-", "_"), _all_names())
        hint = near or " `unfreeze models` lists all."
        raise ModelError(f'"{name}" is no network of timm {timm.__version__}, and no run.{hint}')
    if tag and _resolve(base):
        full = f"{resolved}.{tag}"
        tags = [other for other in list_pretrained(f"{resolved}.*") if other.startswith(f"{resolved}.")]
        if full not in tags:
            known = did_you_mean(full, tags) or (f" Known: {', '.join(tags)}." if tags else " It has none.")
            raise ModelError(f'timm has no pretrained weights "{tag}" for {resolved}.{known}')
        return full
    return resolved


def plain_name(name: str) -> str:
    """Return a timm name without its pretrained tag."""
    return name.partition(".")[0]


def pretrained_settings(name: str) -> dict[str, Any]:
    """Return timm's settings for a network: input size, mean, std, where its weights are, their licence."""
    settings = get_pretrained_cfg(name, allow_unregistered=True)
    return dict(settings.to_dict()) if settings is not None else {}


@functools.cache
def _all_names() -> tuple[str, ...]:
    return tuple(timm.list_models())


def _resolve(name: str) -> str | None:
    renamed = get_deprecated_models().get(name)
    if renamed:
        return str(renamed)
    if is_model(name):
        return name
    squeezed = _squeeze(name)
    return ALIASES.get(squeezed) or _by_squeezed().get(squeezed)


@functools.cache
def _by_squeezed() -> dict[str, str]:
    """Map names without separators to timm's, where that is unambiguous."""
    found: dict[str, list[str]] = {}
    for name in _all_names():
        found.setdefault(_squeeze(name), []).append(name)
    return {squeezed: names[0] for squeezed, names in found.items() if len(names) == 1}


def _squeeze(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort resnet18 before resnet101."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _parameter_counts() -> dict[str, int]:
    table = Path(__file__).with_name("parameter_counts.csv").read_text(encoding="utf-8")
    rows = (line.split(",") for line in table.splitlines()[1:])
    return {name: int(count) for name, count in rows}


def _known(name: str, n_parameters: int | None) -> KnownModel:
    settings = pretrained_settings(name)
    size = settings.get("input_size")
    is_on_hub = bool(settings.get("hf_hub_id") or settings.get("url"))
    return KnownModel(
        name=name,
        n_parameters=n_parameters,
        size=tuple(size[-2:]) if size else None,
        weights="bundled" if name in BUNDLED else "hub" if is_on_hub else "none",
        licence=BUNDLED[name].licence if name in BUNDLED else settings.get("license"),
    )
