"""A saved network comes back bit for bit, without a hub."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from huggingface_hub import constants

from unfreeze.backbones import Network, load_network, rebuild, save_network
from unfreeze.errors import RunError
from unfreeze.records import ModelRecord, read_json

IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def small(name: str = "tf_efficientnet_lite0", **settings: object) -> Network:
    return load_network(name, task="classification", outputs="abc", size=64, pretrained=False, **settings)


def restored(directory: Path) -> Network:
    return rebuild(read_json(directory / "model.json", ModelRecord), directory / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "vit_tiny_patch16_224", "vgg11"])
@pytest.mark.parametrize("hidden", [None, 16])
def test_a_rebuilt_network_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hidden: int | None
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    network = small(name, hidden=hidden)
    save_network(network, tmp_path)
    again = restored(tmp_path)
    assert again.record == network.record
    assert again.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(t, network.state_dict()[n]) for n, t in again.state_dict().items())
    assert torch.equal(again(IMAGES), network(IMAGES))


def test_trap_27_channels_last_weights_are_saved_and_give_the_same_bits(tmp_path: Path) -> None:
    network = small().to(memory_format=torch.channels_last)
    expected = network(IMAGES)
    save_network(network, tmp_path)
    again = restored(tmp_path)
    assert again.backbone.conv_stem.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(again(IMAGES), expected)
    assert network.backbone.conv_stem.weight.is_contiguous(memory_format=torch.channels_last)  # saving changed nothing


def test_contiguous_weights_stay_contiguous(tmp_path: Path) -> None:
    save_network(small(), tmp_path)
    assert restored(tmp_path).backbone.conv_stem.weight.is_contiguous()


@pytest.mark.slow
def test_files_are_written_whole_over_older_ones(tmp_path: Path) -> None:
    save_network(small(seed=1), tmp_path)
    network = small(seed=2)
    save_network(network, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    assert torch.equal(restored(tmp_path).head[0].weight, network.head[0].weight)


def test_weights_that_are_not_the_records_are_an_error(tmp_path: Path) -> None:
    save_network(small(), tmp_path)
    record = small("resnet18").record
    with pytest.raises(RunError, match="does not fit"):
        rebuild(record, tmp_path / "model.safetensors")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="holds no head"):
        rebuild(record, tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RunError, match="cannot be read"):
        rebuild(record, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="cannot be read"):
        rebuild(record, tmp_path / "none.safetensors")
