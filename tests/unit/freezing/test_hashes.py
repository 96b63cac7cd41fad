"""The proof that a layer group did not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from unfreeze.backbones import layers_of
from unfreeze.errors import PlanError
from unfreeze.freezing import layer_hashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network


def changed(a: dict[str, str], b: dict[str, str]) -> set[str]:
    return {name for name in a if a[name] != b[name]}


def test_one_changed_bit_changes_its_layer_group_alone(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    layers = layers_of(network)
    before = layer_hashes(network, layers)
    assert list(before) == [group.name for group in layers.groups]
    with torch.no_grad():
        weight = network.backbone.layer2[0].conv1.weight
        weight[0, 0, 0, 0] = torch.nextafter(weight[0, 0, 0, 0], torch.tensor(9.0))
    assert changed(before, layer_hashes(network, layers)) == {"layer2.0"}


def test_zero_and_minus_zero_differ() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    layers = layers_of(model, head="1", example=torch.zeros(1, 2))
    nn.init.zeros_(model[1].bias)
    before = layer_hashes(model, layers)
    with torch.no_grad():
        model[1].bias.neg_()
    assert changed(before, layer_hashes(model, layers)) == {"head"}


@pytest.mark.parametrize("buffer", ["running_mean", "running_var", "num_batches_tracked"])
def test_buffers_count(make_network: Callable[..., Network], buffer: str) -> None:
    network = make_network("resnet18")
    layers = layers_of(network)
    before = layer_hashes(network, layers)
    getattr(network.backbone.layer4[1].bn1, buffer).add_(1)
    assert changed(before, layer_hashes(network, layers)) == {"layer4.1"}


def test_the_memory_format_does_not_count(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    layers = layers_of(network)
    before = layer_hashes(network, layers)
    assert layer_hashes(network.to(memory_format=torch.channels_last), layers) == before


def test_the_type_counts(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    layers = layers_of(network)
    before = layer_hashes(network, layers)
    assert changed(before, layer_hashes(network.bfloat16(), layers)) == set(before)


def test_layers_of_another_network_are_refused(make_network: Callable[..., Network]) -> None:
    with pytest.raises(PlanError, match="lacks"):
        layer_hashes(make_network("vgg16"), layers_of(make_network("resnet18")))
