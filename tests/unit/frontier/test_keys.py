"""Trap 14, as far as a prefix goes: what changes its results changes its hashes, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from unfreeze.frontier import Split, split_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network

IMAGES = torch.randn(2, 3, 8, 8)


def hashes(network: nn.Module, images: Tensor = IMAGES) -> tuple[str, str]:
    split = split_network(network, images)
    assert isinstance(split, Split), split
    return split.graph_hash, split.weights_hash


def small(*, slope: float = 0.1, stride: int = 1, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    below = nn.Sequential(nn.Conv2d(3, 4, 3, stride=stride, bias=bias), nn.BatchNorm2d(4), nn.LeakyReLU(slope))
    below.eval().requires_grad_(requires_grad=False)
    return nn.Sequential(below, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def test_the_same_network_has_the_same_hashes() -> None:
    assert hashes(small()) == hashes(small())


@pytest.mark.parametrize("change", [{"slope": 0.2}, {"stride": 2}])
def test_trap_14_a_setting_of_a_layer_changes_the_graph_hash(change: dict[str, float]) -> None:
    assert hashes(small(**change))[0] != hashes(small())[0]


@pytest.mark.parametrize("name", ["0.0.weight", "0.1.weight", "0.1.running_var"])
def test_trap_14_one_weight_or_statistic_of_the_prefix_changes_the_weights_hash(name: str) -> None:
    network = small()
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    with torch.no_grad():
        tensors[name].view(-1)[-1] += 1e-3
    assert hashes(network)[0] == hashes(small())[0]
    assert hashes(network)[1] != hashes(small())[1]


def test_trap_14_a_bias_more_changes_the_weights_hash() -> None:
    assert hashes(small(bias=False))[1] != hashes(small())[1]


def test_what_trains_is_in_neither_hash() -> None:
    network = small()
    nn.init.zeros_(network[3].weight)
    assert hashes(network) == hashes(small())
    network[3] = nn.Linear(4, 7)
    assert hashes(network) == hashes(small())


@pytest.mark.slow
def test_running_a_network_changes_no_hash(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("swin_tiny_patch4_window7_224")
    begin_phase(network, "head", "layers.3")
    images = make_images(network)
    before = hashes(network, images)
    network(images).sum().backward()
    network.eval()(images)
    begin_phase(network, "head", "layers.3")
    assert hashes(network, images) == before


@pytest.mark.slow
def test_the_head_and_a_deeper_phase_have_prefixes_of_their_own(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("resnet18")
    found = set()
    for train in ("head", "layer4", "layer3"):
        begin_phase(network, "head", train)
        found.add(hashes(network, make_images(network)))
    assert len({graph for graph, _ in found}) == len({weights for _, weights in found}) == 3


@pytest.mark.slow
def test_hashes_are_the_same_in_another_process() -> None:
    code = """
import sys, timm, torch
from unfreeze.frontier import split_network
torch.manual_seed(0)
network = timm.create_model("convnext_atto", num_classes=3).eval().requires_grad_(False)
network.head.requires_grad_()
split = split_network(network, torch.zeros(2, 3, 64, 64))
found = split.graph_hash, split.weights_hash
"""
    here: dict[str, tuple[str, str]] = {}
    exec(code, here)  # noqa: S102 - the same lines in both processes
    there = subprocess.run([sys.executable, "-c", f"{code}print(*found)"], capture_output=True, text=True, check=True)
    assert tuple(there.stdout.split()) == here["found"]
