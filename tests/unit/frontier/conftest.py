"""Small real networks with random weights and dropout of every kind, put into the state of a plan's phase."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING

import pytest
import timm
import torch

from unfreeze.backbones import Network, load_network, make_head
from unfreeze.backbones.building import _without_wide_layers
from unfreeze.freezing import apply_plan
from unfreeze.plans import Phase, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKENS = {"drop_rate": 0.2, "drop_path_rate": 0.2, "attn_drop_rate": 0.2, "proj_drop_rate": 0.2}
MAPS = {"drop_rate": 0.2, "drop_path_rate": 0.2}

# Name: size in pixels, and arguments: every drop rate that the architecture has, and less of what repeats.
NETWORKS: dict[str, tuple[int, dict[str, object]]] = {
    "vgg11": (32, {"drop_rate": 0.2, "mlp_ratio": 1 / 4096}),
    "resnet18": (64, MAPS),
    "mobilenetv2_100": (64, MAPS),
    "tf_efficientnet_lite0": (64, MAPS),
    "convnext_atto": (64, MAPS),
    "densenet121": (64, {"drop_rate": 0.2}),
    "vit_tiny_patch16_224": (48, {**TOKENS, "img_size": 48}),
    "swin_tiny_patch4_window7_224": (56, {**TOKENS, "img_size": 56}),
    "eva02_tiny_patch14_224": (42, {**TOKENS, "img_size": 42}),
    "beit_base_patch16_224": (48, {**TOKENS, "img_size": 48, "depth": 4, "embed_dim": 96, "num_heads": 3}),
}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Seed torch for each test, and give its state back."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def make_network() -> Callable[[str], Network]:
    """`make_network("resnet18")` → it with three classes, its drop rates above zero, and no two weights alike."""

    def make(name: str) -> Network:
        network = _build(name)
        return copy.deepcopy(network, {id(network.layers): network.layers})

    return make


@functools.cache
def _build(name: str) -> Network:
    size, arguments = NETWORKS[name]
    torch.manual_seed(0)
    backbone = _without_wide_layers(timm.create_model(name, num_classes=0, **arguments))
    with torch.no_grad():
        n_features = backbone.eval()(torch.zeros(1, 3, size, size)).shape[-1]
    like = load_network("resnet18", task="classification", outputs=("a", "b", "c"), size=size, pretrained=False)
    network = Network(backbone, make_head(n_features, n_outputs=3), record=like.record)
    with torch.no_grad():
        for parameter in network.parameters():  # layer scales of 1e-6 and biases of 0 would hide what is wrong
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


@pytest.fixture(scope="session")
def begin_phase() -> Callable[..., None]:
    """`begin_phase(network, "stages:1", norm="eval")`: what a loop does before each step."""

    def begin(network: Network, *train: str, norm: str = "eval") -> None:
        plan = Plan(network.layers, (Phase("one", 1, train, lr=1e-3, norm=norm),))
        network.train()
        apply_plan(network, plan, step=0, steps_per_epoch=1)

    return begin


@pytest.fixture(scope="session")
def make_images() -> Callable[..., torch.Tensor]:
    """`make_images(network, 3)` → uint8 pictures of the network's size."""

    def make(network: Network, n_images: int = 2) -> torch.Tensor:
        return torch.randint(0, 256, (n_images, 3, *network.spec.size), dtype=torch.uint8)

    return make
