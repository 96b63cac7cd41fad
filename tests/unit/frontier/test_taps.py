"""Taps give every stage's pooled output, whatever way round an architecture keeps its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from unfreeze.errors import SelectorError
from unfreeze.frontier import tap_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network

CHANNELS = {
    "vgg11": (64, 128, 256, 256, 512, 512, 512, 512),
    "resnet18": (64, 64, 128, 256, 512),
    "tf_efficientnet_lite0": (32, 16, 24, 40, 80, 112, 192, 320),
    "convnext_atto": (40, 40, 80, 160, 320, 320),
    "densenet121": (64, 256, 512, 1024, 1024, 1024),
    "vit_tiny_patch16_224": (192,) * 13,
    "swin_tiny_patch4_window7_224": (96, 96, 192, 384, 768),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_each_stage_gives_the_mean_and_maximum_of_its_channels(
    make_network: Callable[[str], Network], make_images: Callable[..., Tensor], name: str
) -> None:
    network = make_network(name).eval()
    taps = tap_network(network)
    images = make_images(network, 3)
    with torch.no_grad():
        *stages, features = taps(images)
        expected = network.features(images)
    assert taps.stages == tuple(stage.name for stage in network.layers.stages[:-1])
    assert [tuple(vectors.shape) for vectors in stages] == [(3, 2 * n) for n in CHANNELS[name]]
    torch.testing.assert_close(features, expected)
    for vectors in stages:
        mean, largest = vectors.chunk(2, dim=1)
        assert (mean <= largest + 1e-5).all()


def test_the_pooled_values_are_those_of_the_stages_maps(
    make_network: Callable[[str], Network], make_images: Callable[..., Tensor]
) -> None:
    for name, stage, places in (
        ("resnet18", "layer2", (2, 3)),
        ("swin_tiny_patch4_window7_224", "layers.1", (1, 2)),
        ("vit_tiny_patch16_224", "blocks.5", (1,)),
    ):
        network = make_network(name).eval()
        images = make_images(network)
        seen = []
        hook = network.backbone.get_submodule(stage).register_forward_hook(lambda _m, _a, out, s=seen: s.append(out))
        with torch.no_grad():
            network(images)
            hook.remove()
            vectors, _ = tap_network(network, [stage])(images)
        torch.testing.assert_close(vectors, torch.cat([seen[0].mean(places), seen[0].amax(places)], dim=1))


def test_tapping_leaves_the_network_as_it_was(
    make_network: Callable[[str], Network], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("resnet18").eval()
    images = make_images(network)
    with torch.no_grad():
        tap_network(network)(images)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(not module.training for module in network.modules())


def test_stages_come_in_the_networks_order_whatever_the_order_they_are_named_in(
    make_network: Callable[[str], Network],
) -> None:
    assert tap_network(make_network("resnet18"), ["layer3", "stem"]).stages == ("stem", "layer3")


def test_an_unknown_stage_is_an_error_that_offers_the_nearest(make_network: Callable[[str], Network]) -> None:
    with pytest.raises(SelectorError, match=r'no stage "layer5" .* Did you mean "layer'):
        tap_network(make_network("resnet18"), ["layer5"])


def test_the_head_is_no_stage_to_tap(make_network: Callable[[str], Network]) -> None:
    with pytest.raises(SelectorError, match="below its head"):
        tap_network(make_network("resnet18"), ["head"])


def test_trap_14_the_hash_tells_which_stages_are_tapped(make_network: Callable[[str], Network]) -> None:
    network = make_network("resnet18").eval()
    two, same, other = (tap_network(network, stages) for stages in (["layer1"], ["layer1"], ["layer2"]))
    assert two.weights_hash == other.weights_hash  # known already when the graph is hashed
    assert two.graph_hash == same.graph_hash != other.graph_hash
    with torch.no_grad():
        network.backbone.conv1.weight[0] += 1
    assert tap_network(network, ["layer1"]).weights_hash != two.weights_hash
