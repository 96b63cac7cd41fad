"""Networks loaded for a task, a size and a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from unfreeze.backbones import Network, load_network, model_layers, save_network
from unfreeze.errors import ConfigError, ModelError

CLASSIC = (
    ("vgg11", 512), ("resnet18", 512), ("mobilenetv2_050", 1280), ("tf_efficientnet_lite0", 1280),
    ("convnext_atto", 320), ("densenet121", 1024), ("vit_tiny_patch16_224", 192),
    ("swin_tiny_patch4_window7_224", 768), ("mixer_s32_224", 512), ("deit_tiny_distilled_patch16_224", 192),
)  # fmt: skip


def load(name: str, **settings: Any) -> Network:
    settings = {"task": "classification", "outputs": "ab", "pretrained": False} | settings
    return load_network(name, **settings)


@pytest.mark.parametrize(("name", "n_features"), CLASSIC)
def test_every_architecture_gets_a_head_that_fits(name: str, n_features: int) -> None:
    size = 64 if "mixer" not in name else None
    network = load(name, size=size)
    images = torch.zeros(1, 3, *network.spec.size, dtype=torch.uint8)
    assert network.head[0].in_features == n_features
    assert network(images).shape == (1, 2)
    assert network.record.n_parameters == sum(p.numel() for p in network.parameters())
    assert not network.training


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "vgg11"])
@pytest.mark.parametrize("hidden", [None, 16])
def test_layers_without_weights_are_those_of_the_loaded_network(name: str, hidden: int | None) -> None:
    assert model_layers(name, size=64, hidden=hidden, n_outputs=2) == load(name, size=64, hidden=hidden).layers


@pytest.mark.slow
def test_the_size_is_native_unless_told() -> None:
    assert load("tf_efficientnet_lite1").spec.size == (240, 240)
    assert load("resnet18", size=96).spec.size == (96, 96)
    assert load("resnet18", size=(64, 96)).spec.size == (64, 96)
    spec = load("resnet18").spec
    assert (spec.mean, spec.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (spec.interpolation, spec.crop) == ("bicubic", "squash")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("maxvit_tiny_tf_224", 250), ("vit_tiny_patch16_224", 8), ("xcit_nano_12_p8_224", 3)]
)
def test_a_size_that_a_network_cannot_take_is_an_error(name: str, size: int) -> None:
    with pytest.raises(ModelError, match=f"{name} cannot take pictures of {size}×{size} px"):
        load(name, size=size)
    with pytest.raises(ModelError, match="Its native size is"):
        model_layers(name, size=size)


@pytest.mark.slow
def test_random_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = load("resnet18", seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second = load("resnet18", seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.backbone.conv1.weight, load("resnet18", seed=5).backbone.conv1.weight)


def test_all_wrong_settings_are_reported_together() -> None:
    with pytest.raises(ConfigError, match=r"(?s)at least 2 outputs.*hidden must be.*target_mean is for.*size must be"):
        load("resnet18", outputs=["one"], hidden=0, target_mean=[1.0], size=0)
    with pytest.raises(ConfigError, match="must differ"):
        load("resnet18", outputs=["a", "a"])
    with pytest.raises(ConfigError, match=r"target_std must be above 0.*"):
        load("resnet18", task="regression", outputs=["n"], target_mean=[1.0], target_std=[0.0])
    with pytest.raises(ConfigError, match="prior_shift needs 2 values"):
        load("resnet18", prior_shift=[0.0])


@pytest.mark.slow
def test_a_runs_weights_bring_its_head_if_it_means_the_same(tmp_path: Path) -> None:
    run = load("resnet18", seed=9, size=64)
    save_network(run, tmp_path)
    weights = tmp_path / "model.safetensors"
    same = load_network("resnet18", task="classification", outputs="ab", size=64, weights=weights)
    assert torch.equal(same.head[0].weight, run.head[0].weight)
    assert torch.equal(same.backbone.conv1.weight, run.backbone.conv1.weight)
    assert same.record.weights.kind == "run"
    assert "is kept" in same.notes[0]
    other = load_network("resnet18", task="classification", outputs="xyz", size=64, weights=weights)
    assert other.head[0].out_features == 3
    assert torch.equal(other.backbone.conv1.weight, run.backbone.conv1.weight)
    assert "classifier" in other.notes[0]
