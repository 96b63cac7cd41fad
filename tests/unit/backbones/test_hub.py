"""timm's own weights: from the local cache, or an error within seconds that names what needs no hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub import constants

from unfreeze.backbones import load_network
from unfreeze.backbones.naming import pretrained_settings
from unfreeze.errors import WeightsError


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub at a port where nobody listens."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))
    return tmp_path


def put_into_cache(root: Path, repository: str, tensors: dict[str, torch.Tensor]) -> Path:
    """Lay a file down as the hub's client keeps its downloads."""
    folder = root / "hub" / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    snapshot = folder / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    safetensors.torch.save_file(tensors, snapshot / "model.safetensors")
    return snapshot / "model.safetensors"


def test_cached_weights_load_without_a_hub(no_hub: Path) -> None:
    settings = pretrained_settings("resnet18")
    tensors = timm.create_model("resnet18").state_dict()
    path = put_into_cache(no_hub, settings["hf_hub_id"], tensors)
    network = load_network("resnet18", task="classification", outputs="ab", size=32)
    assert torch.equal(network.backbone.layer4[1].conv2.weight, tensors["layer4.1.conv2.weight"])
    weights = network.record.weights
    assert (weights.kind, weights.source, weights.licence) == ("timm", settings["hf_hub_id"], "apache-2.0")
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_cached_weights_are_resampled_to_another_size(no_hub: Path) -> None:
    name = "deit_tiny_patch16_224"
    tensors = timm.create_model(name).state_dict()
    put_into_cache(no_hub, pretrained_settings(name)["hf_hub_id"], tensors)
    network = load_network(name, task="classification", outputs="ab", size=96)
    assert network.record.size == (96, 96)
    assert network.backbone.pos_embed.shape == (1, 37, 192)
    assert torch.equal(network.backbone.blocks[0].attn.qkv.weight, tensors["blocks.0.attn.qkv.weight"])


def test_a_hub_out_of_reach_is_an_error_that_names_what_needs_none() -> None:
    with pytest.raises(WeightsError, match=r"resnet50.*could not be fetched.*tf_efficientnet_lite0.*--weights FILE"):
        load_network("resnet50", task="classification", outputs="ab")


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        load_network("resnet50", task="classification", outputs="ab")


def test_a_network_without_pretrained_weights_is_an_error() -> None:
    with pytest.raises(WeightsError, match="timm has no pretrained weights for darknet17"):
        load_network("darknet17", task="classification", outputs="ab")
