"""A network takes pictures as they are and gives what a user reads."""

from __future__ import annotations

import pytest
import torch

from unfreeze.backbones import Network, load_network

IMAGES = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def small(task: str, outputs: str = "abc", **settings: object) -> Network:
    return load_network("resnet18", task=task, outputs=outputs, size=32, pretrained=False, **settings)


def test_normalisation_is_inside_the_network() -> None:
    network = small("classification")
    plain = (IMAGES / 255 - torch.tensor(network.record.mean).view(3, 1, 1)) / torch.tensor(network.record.std).view(
        3, 1, 1
    )
    torch.testing.assert_close(network.normalise(IMAGES), plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network(IMAGES), network(IMAGES.float()))
    torch.testing.assert_close(network(IMAGES), network.head(network.backbone(plain)), atol=1e-4, rtol=1e-4)


def test_scores_are_probabilities_or_units() -> None:
    network = small("classification")
    torch.testing.assert_close(network.scores(IMAGES).sum(1), torch.ones(2))
    network = small("multilabel")
    torch.testing.assert_close(network.scores(IMAGES), network(IMAGES).sigmoid())
    network = small("regression", "ab", target_mean=(100.0, -3.0), target_std=(10.0, 2.0))
    expected = network(IMAGES) * torch.tensor([10.0, 2.0]) + torch.tensor([100.0, -3.0])
    torch.testing.assert_close(network.scores(IMAGES), expected)
    assert network.scores(IMAGES).dtype == torch.float32


def test_features_are_what_the_head_is_given() -> None:
    network = small("classification")
    assert network.features(IMAGES).shape == (2, 512)
    torch.testing.assert_close(network.head(network.features(IMAGES)), network(IMAGES))


def test_layers_are_those_of_the_network() -> None:
    network = small("classification")
    assert {p.name for p in network.layers.parameters} == {name for name, _ in network.named_parameters()}
    assert network.layers.size == (32, 32)
    assert network.layers.model == "resnet18"


@pytest.mark.parametrize("name", ["mean", "std"])
def test_preprocessing_is_kept_in_the_record_not_in_the_weights(name: str) -> None:
    assert name not in small("classification").state_dict()
