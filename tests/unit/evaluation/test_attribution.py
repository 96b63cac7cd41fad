"""Heat maps: they are the network's own sum, find what it looks at, and leave it as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from unfreeze.backbones import Network, load_network
from unfreeze.data import Dataset, batches
from unfreeze.evaluation.attribution import explain_pictures

if TYPE_CHECKING:
    from pathlib import Path


def network(name: str, size: int, **more: Any) -> Network:
    return load_network(name, task="classification", outputs=("a", "b"), size=size, pretrained=False, **more)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    files = tuple(f"{i}.png" for i in range(3))
    for file in files:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / file)
    return Dataset(tmp_path, files, "classification", ("a", "b"), np.array([0, 1, 0]))


def test_where_pooled_maps_go_to_a_linear_head_the_map_is_the_class_activation_map(dataset: Dataset) -> None:
    net = network("resnet18", 64)
    found = explain_pictures(net, dataset, [0, 2], [1, 0])
    assert (found.layer, found.note) == ("pooled features", None)
    images = next(batches(dataset, [0, 2], net.spec, batch_size=2)).images
    net.eval()
    with torch.no_grad():
        features = net.backbone.forward_features(net.normalise(images))
    weights = net.head[0].weight.detach()
    for i, output in enumerate((1, 0)):
        own = torch.relu((weights[output][:, None, None] * features[i]).sum(dim=0))
        map_ = found.maps[i]
        assert map_ is not None
        np.testing.assert_allclose(map_, (own / own.max()).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size", "grid"),
    [
        ("test_efficientnet", 64, None),
        pytest.param("vit_tiny_patch16_224", 224, (14, 14), marks=pytest.mark.slow),
        pytest.param("swin_tiny_patch4_window7_224", 224, (7, 7), marks=pytest.mark.slow),
        pytest.param("vgg11", 64, (2, 2), marks=pytest.mark.slow),
    ],
)
def test_networks_of_other_kinds_have_maps_too(
    dataset: Dataset, name: str, size: int, grid: tuple[int, int] | None
) -> None:
    found = explain_pictures(network(name, size), dataset, [0, 1, 2], [0, 0, 0], signed=True)
    assert found.note is None
    for each in found.maps:
        assert each is not None
        assert grid is None or each.shape == grid
        assert each.dtype == np.float32
        assert each.min() >= 0
        assert each.max() == pytest.approx(1)


def test_a_network_is_afterwards_as_it_was(dataset: Dataset) -> None:
    net = network("resnet18", 64).train()
    net.backbone.layer1.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    asking = [parameter.requires_grad for parameter in net.parameters()]
    explain_pictures(net, dataset, [0], [0])
    assert [module.training for module in net.modules()] == modes
    assert [parameter.requires_grad for parameter in net.parameters()] == asking
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_without_captum_there_are_no_maps_but_the_way_to_get_them(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    found = explain_pictures(network("resnet18", 64), dataset, [0], [0])
    assert found.maps == (None,)
    assert found.note is not None
    assert "unfreeze[evidence]" in found.note
