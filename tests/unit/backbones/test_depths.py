"""A head on all depths gets every stage's pooled output, whatever way round an architecture keeps its channels."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from unfreeze.backbones import (
    FEATURES,
    depth_columns,
    load_network,
    model_layers,
    pooled_columns,
    rebuild,
    save_network,
)
from unfreeze.frontier import Split, split_network

if TYPE_CHECKING:
    from pathlib import Path

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
FIXED = {"vit_tiny_patch16_224": 224, "swin_tiny_patch4_window7_224": 224}


def make(name: str, *, features: str = "stages", seed: int = 0) -> Network:
    return load_network(
        name,
        task="classification",
        outputs=("a", "b", "c"),
        features=features,  # type: ignore[arg-type]
        size=FIXED.get(name, 64),
        pretrained=False,
        seed=seed,
    )


def pictures(network: Network, n: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, *network.spec.size), dtype=torch.uint8, generator=generator)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANNELS)
def test_each_stage_gives_the_mean_and_maximum_of_its_channels_and_the_features_follow(name: str) -> None:
    network, alone = make(name), make(name, features="last")
    images = pictures(network, 3)
    with torch.no_grad():
        joined, expected = network.features(images), alone.features(images)
    widths = [2 * n for n in CHANNELS[name]]
    *stages, features = joined.split([*widths, expected.shape[1]], dim=1)
    torch.testing.assert_close(features, expected)
    for vectors in stages:
        mean, largest = vectors.chunk(2, dim=1)
        assert (mean <= largest + 1e-5).all()
    assert network.head[0].weight.shape == (3, joined.shape[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stage", "start", "places"),
    [
        ("resnet18", "layer2", 2 * (64 + 64), (2, 3)),
        ("swin_tiny_patch4_window7_224", "layers.1", 2 * (96 + 96), (1, 2)),
        ("vit_tiny_patch16_224", "blocks.5", 2 * 6 * 192, (1,)),
    ],
)
def test_the_pooled_values_are_those_of_the_stages_maps(
    name: str, stage: str, start: int, places: tuple[int, ...]
) -> None:
    network = make(name)
    images = pictures(network)
    seen: list[Tensor] = []
    network.backbone.get_submodule(stage).register_forward_hook(lambda _m, _a, output: seen.append(output))
    with torch.no_grad():
        joined = network.features(images)
    expected = torch.cat([seen[0].mean(places), seen[0].amax(places)], dim=1)
    torch.testing.assert_close(joined[:, start : start + expected.shape[1]], expected)


@pytest.mark.slow
def test_parameters_keep_their_names_and_layers_their_groups() -> None:
    joined, alone = make("resnet18"), make("resnet18", features="last")
    assert [name for name, _ in joined.named_parameters()] == [name for name, _ in alone.named_parameters()]
    assert [stage.name for stage in joined.layers.stages] == [stage.name for stage in alone.layers.stages]
    assert model_layers("resnet18", size=64, features="stages", n_outputs=3).stages == joined.layers.stages


def test_the_backbone_trains_through_every_depth() -> None:
    network = make("resnet18")
    network.head[0].weight.data[:, 128:] = 0  # the stem's vector alone is read
    network(pictures(network)).sum().backward()
    assert network.backbone.conv1.weight.grad.abs().sum() > 0
    assert network.backbone.layer4[1].conv2.weight.grad.abs().sum() == 0


@pytest.mark.slow
def test_a_saved_network_is_rebuilt_bit_for_bit(tmp_path: Path) -> None:
    network = make("resnet18")
    save_network(network, tmp_path)
    again = rebuild(network.record, tmp_path / "model.safetensors")
    images = pictures(network)
    with torch.no_grad():
        assert torch.equal(network(images), again(images))


def test_a_copy_keeps_its_vectors_to_itself() -> None:
    network = make("resnet18")
    images = pictures(network)
    with torch.no_grad():
        expected = network(images)
        twin = copy.deepcopy(network)
        twin.backbone.conv1.weight.zero_()
        assert not torch.equal(twin(images), expected)
        assert torch.equal(network(images), expected)


def frozen_split(network: Network) -> Split:
    network.backbone.requires_grad_(requires_grad=False)
    split = split_network(network, pictures(network, 3))
    assert isinstance(split, Split)
    return split


def test_frozen_it_is_split_below_its_head_like_any_other() -> None:
    network = make("resnet18")
    split = frozen_split(network)
    images = pictures(network, 5)
    assert [tensor.shape for tensor in split.frontier] == [(network.head[0].in_features,)]
    with torch.no_grad():
        assert torch.equal(split.suffix(*split.prefix(images)), network(images))


@pytest.mark.slow
def test_trap_14_the_hash_tells_which_depths_are_read() -> None:
    joined, same, alone = (make("resnet18", features=features) for features in ("stages", "stages", "last"))
    assert frozen_split(joined).graph_hash == frozen_split(same).graph_hash != frozen_split(alone).graph_hash
    assert frozen_split(joined).weights_hash == frozen_split(alone).weights_hash


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224"])
def test_columns_say_which_part_of_the_vector_is_which_depths(name: str) -> None:
    network, alone = make(name), make(name, features="last")
    images = pictures(network)
    columns = depth_columns(network.backbone, size=network.spec.size)
    assert list(columns) == [*(stage.name for stage in network.layers.stages[:-1]), FEATURES]
    with torch.no_grad():
        joined = network.features(images)
        torch.testing.assert_close(joined[:, columns[FEATURES]], alone.features(images))
    assert [part.start for part in columns.values()][1:] == [part.stop for part in columns.values()][:-1]
    assert columns[FEATURES].stop == joined.shape[1]
    widths = [part.stop - part.start for part in columns.values()][:-1]
    assert widths == [2 * n for n in CHANNELS[name]]


@pytest.mark.parametrize(
    "name", [name if name == "resnet18" else pytest.param(name, marks=pytest.mark.slow) for name in CHANNELS]
)
def test_columns_of_the_same_units_are_those_of_one_depth_and_one_pooling(name: str) -> None:
    network = make(name)
    parts = pooled_columns(network.backbone, size=network.spec.size)
    widths = [part.stop - part.start for part in parts]
    assert widths[:-1] == [n for n in CHANNELS[name] for _ in ("mean", "maximum")]
    assert [part.start for part in parts] == [0, *(part.stop for part in parts)][:-1]
    assert parts[-1] == depth_columns(network.backbone, size=network.spec.size)[FEATURES]
