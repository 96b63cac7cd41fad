"""Weights files: by name, in order, or an error that names the tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from unfreeze.backbones import load_network
from unfreeze.backbones.weights import read_tensors
from unfreeze.errors import ConfigError, WeightsError


def donor(name: str = "resnet18", **arguments: Any) -> nn.Module:
    torch.manual_seed(3)
    model = timm.create_model(name, num_classes=7, **arguments)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.add_(torch.rand_like(buffer))
    return model


def load(path: Path, name: str = "resnet18", size: int = 32) -> Any:
    return load_network(name, task="classification", outputs="ab", size=size, weights=path)


def assert_has(network: Any, tensors: dict[str, Tensor]) -> None:
    own = {n: t for n, t in network.backbone.state_dict().items() if not n.endswith("num_batches_tracked")}
    assert own
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in own.items())


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("file", ["w.safetensors", "w.pt", "w.pth"])
def test_weights_load_by_name_and_leave_the_classifier_out(tmp_path: Path, file: str) -> None:
    tensors = donor().state_dict()
    path = saved(tmp_path / file, tensors)
    network = load(path)
    assert_has(network, tensors)
    assert "classifier of" in network.notes[0]
    assert "fc.weight" in network.notes[0]
    assert network.record.weights.kind == "file"
    assert network.record.weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {f"module.{n}": t for n, t in tensors.items()},
        lambda tensors: {f"_orig_mod.module.{n}": t for n, t in tensors.items()},
        lambda tensors: {f"encoder.{n}": t for n, t in tensors.items()},
        lambda tensors: {"state_dict": tensors, "epoch": 3},
        lambda tensors: {n: t for n, t in tensors.items() if not n.startswith("fc")},
        lambda tensors: {n: t for n, t in tensors.items() if "num_batches_tracked" not in n},
    ],
)
def test_prefixes_and_checkpoints_are_looked_through(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    tensors = donor().state_dict()
    assert_has(load(saved(tmp_path / "w.pt", wrap(tensors))), tensors)


def test_other_names_load_in_order_if_all_shapes_agree(tmp_path: Path) -> None:
    tensors = donor().state_dict()
    renamed = {f"layer_{i:03}.{n.rpartition('.')[2]}": t for i, (n, t) in enumerate(tensors.items())}
    network = load(saved(tmp_path / "w.pt", renamed))
    assert_has(network, tensors)
    assert "in order" in network.notes[0]


def test_tensors_in_another_order_are_not_guessed(tmp_path: Path) -> None:
    tensors = donor().state_dict()
    renamed = {f"l{i}.{n.rpartition('.')[2]}": t for i, (n, t) in enumerate(reversed(tensors.items()))}
    with pytest.raises(WeightsError, match=r"neither by name.*nor in order"):
        load(saved(tmp_path / "w.pt", renamed))


@pytest.mark.slow
def test_weights_of_another_network_are_an_error_that_names_tensors(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"unexpected: layer1\.2\.conv1\.weight, .* and \d+ more"):
        load(saved(tmp_path / "deeper.pt", donor("resnet34").state_dict()))
    tensors = donor().state_dict()
    tensors["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    del tensors["bn1.weight"]
    with pytest.raises(
        WeightsError,
        match=r"1 missing: bn1\.weight; 1 of another shape: conv1\.weight: got \(64, 1, 7, 7\), expected \(64, 3,",
    ):
        load(saved(tmp_path / "other.pt", tensors))


def test_vgg_weights_of_torchvisions_names_lose_their_wide_layers(tmp_path: Path) -> None:
    tensors = donor("vgg11", mlp_ratio=1 / 4096).state_dict()
    theirs = {n: t for n, t in tensors.items() if n.startswith("features.")}
    theirs |= {"classifier.0.weight": torch.zeros(4, 4), "classifier.0.bias": torch.zeros(4)}
    network = load(saved(tmp_path / "vgg.pt", theirs), "vgg11")
    assert_has(network, tensors)
    assert network.head[0].in_features == 512
    assert "classifier.0.weight" in network.notes[0]


def test_position_tables_are_resampled_to_the_size(tmp_path: Path) -> None:
    path = saved(tmp_path / "vit.pt", donor("vit_tiny_patch16_224", img_size=64, depth=1).state_dict())
    with pytest.raises(WeightsError, match="missing"):  # of another depth
        load(path, "vit_tiny_patch16_224", size=96)
    tensors = donor("vit_tiny_patch16_224", img_size=64).state_dict()
    network = load(saved(tmp_path / "whole.pt", tensors), "vit_tiny_patch16_224", size=96)
    assert network.backbone.pos_embed.shape == (1, 37, 192)
    assert torch.equal(network.backbone.blocks[3].attn.qkv.weight, tensors["blocks.3.attn.qkv.weight"])


def test_files_that_could_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole_model.pt"
    torch.save(donor(), path)
    with pytest.raises(WeightsError, match=r"could run code.*state_dict\(\)"):
        load(path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("w.pt", b"not a checkpoint", "holds Python objects besides tensors, or is damaged"),
        ("w.safetensors", b"\x10", "not a whole safetensors file"),
        ("w.h5", b"", r"must end in \.safetensors"),
    ],
)
def test_damaged_and_foreign_files_are_errors(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_tensors(tmp_path / file)


def test_a_missing_or_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="no named tensors"):
        load(saved(tmp_path / "empty.pt", {}))


def test_weights_and_random_weights_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="contradict each other"):
        load_network("resnet18", task="classification", outputs="ab", weights=tmp_path / "w.pt", pretrained=False)
