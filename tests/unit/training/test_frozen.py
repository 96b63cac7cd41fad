"""Frozen weights and buffers are bit-identical after training, on every family of networks (traps 1, 2, 13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import unfreeze as uf
from unfreeze.backbones import load_network
from unfreeze.layers import strip_wrappers

ARCHITECTURES = {
    "vgg16": 32,
    "resnet50": 32,
    "mobilenetv2_100": 32,
    "tf_efficientnet_lite0": 32,
    "convnext_atto": 32,
    "densenet121": 32,
    "vit_tiny_patch16_224": 32,
    "swin_tiny_patch4_window7_224": 56,
}


@pytest.mark.slow
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_trap_01_frozen_weights_and_buffers_are_bit_identical_after_training(
    model: str, make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    size = ARCHITECTURES[model]
    options: dict[str, Any] = {"pretrained": False, "size": size, "batch_size": 4, "seed": 3}
    folder = make_image_folder(per_class=4)
    run = uf.train(folder, out=tmp_path / "run", model=model, strategy="stages:1", epochs=2, **options)
    before = load_network(
        model, task="classification", outputs=("cat", "dog"), size=size, pretrained=False, seed=3
    ).state_dict()
    after = run.model.state_dict()
    plan = uf.Plan.from_toml(run.path / "plan.toml", layers=uf.plan_for(model, size=size).layers)
    trained = plan.trained(0) | plan.trained(1)
    trainable = {strip_wrappers(p.name) for leaf in plan.layers.leaves if leaf.name in trained for p in leaf.parameters}
    frozen = [name for name in before if strip_wrappers(name) not in trainable]
    assert len(frozen) > len(trainable)
    for name in frozen:
        assert torch.equal(before[name], after[name]), f"{name} changed"
    assert not torch.equal(before["head.0.weight"], after["head.0.weight"])


@pytest.mark.slow
def test_trap_02_a_linear_probe_leaves_every_norm_statistic_alone(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(
        image_folder, out=tmp_path / "run", model="test_resnet", pretrained=False, size=32, strategy="head", epochs=3
    )
    fresh = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    after = run.model.state_dict()
    statistics = [name for name in after if "running" in name or "num_batches" in name]
    assert statistics
    assert all(torch.equal(after[name], fresh.state_dict()[name]) for name in statistics)
