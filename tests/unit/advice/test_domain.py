"""How unlike the pretraining pictures some are: by the statistics that BatchNorm layers hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from unfreeze.advice.domain import DomainShift, domain_shift, domain_words
from unfreeze.backbones import Network, load_network
from unfreeze.data import Dataset, batches, open_dataset


def network_of(name: str = "test_resnet", *, known: bool = True) -> Network:
    network = load_network(name, task="classification", outputs=("a", "b"), size=32, pretrained=False)
    weights = msgspec.structs.replace(network.record.weights, kind="file")  # as if it had been pretrained
    if known:
        network.record = msgspec.structs.replace(network.record, weights=weights)
    return network


def taught(network: Network, dataset: Dataset) -> Network:
    """Let a network store the statistics of these very pictures."""
    images = torch.cat([b.images for b in batches(dataset, range(len(dataset)), network.spec, batch_size=64)])
    norms = [m for m in network.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(images)
    return network.eval()


def measured(network: Network, dataset: Dataset) -> DomainShift:
    found = domain_shift(network, dataset, range(len(dataset)))
    assert isinstance(found, DomainShift)
    return found


def test_pictures_are_near_to_a_network_that_stored_their_statistics_and_others_are_far(image_folder: Path) -> None:
    dataset = open_dataset(image_folder)
    network = taught(network_of(), dataset)
    own = measured(network, dataset)
    assert own.shift < 0.01
    assert own.variance_ratio == pytest.approx(1.0, abs=0.05)
    with torch.no_grad():
        for norm in (m for m in network.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.running_mean += 2 * (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
    moved = measured(network, dataset)
    assert moved.shift > 1
    assert list(own.stages) == [stage.name for stage in network.layers.stages if stage.name in own.stages]
    assert moved.n_images == len(dataset)


def test_networks_without_stored_statistics_say_why(image_folder: Path) -> None:
    dataset = open_dataset(image_folder)
    random = domain_shift(network_of(known=False), dataset, range(4))
    assert isinstance(random, str)
    assert "random" in random
    vit = domain_shift(network_of("test_vit"), dataset, range(4))
    assert isinstance(vit, str)
    assert "no BatchNorm layers" in vit


def test_measuring_leaves_the_network_as_it_was(image_folder: Path) -> None:
    network, dataset = network_of(), open_dataset(image_folder)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    domain_shift(network, dataset, range(4))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_words_grow_with_the_shift() -> None:
    said = [domain_words(s, architecture="tf_efficientnet_lite0", size=(224, 224)) for s in np.linspace(0, 1, 101)]
    assert list(dict.fromkeys(said)) == ["near", "neither near nor far from", "far from"]
    assert domain_words(0.2, architecture="tf_efficientnet_lite0", size=(320, 320)) is None, "not measured there"


def test_weights_of_a_run_remember_its_own_pictures(image_folder: Path) -> None:
    network = network_of()
    network.record = msgspec.structs.replace(
        network.record, weights=msgspec.structs.replace(network.record.weights, kind="run")
    )
    found = domain_shift(network, open_dataset(image_folder), range(4))
    assert isinstance(found, str)
    assert "a run's" in found
