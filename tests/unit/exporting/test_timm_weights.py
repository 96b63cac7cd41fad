"""The state dict for timm gives timm's own network the same logits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import safetensors
import safetensors.torch
import timm
import torch

from unfreeze.exporting.timm_weights import NotPlainError, timm_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.backbones import Network
    from unfreeze.run import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 64), ("test_vit", 96), ("test_convnext", 64), ("mobilenetv3_small_050", 64)]
)
def test_timm_builds_the_same_network_from_it(make_network: Callable[..., Network], name: str, size: int) -> None:
    network = make_network(name, size=size)
    fixed = {"img_size": size} if "vit" in name else {}
    plain = timm.create_model(name, num_classes=3, **fixed).eval()
    plain.load_state_dict(timm_state_dict(network))
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(plain(network.normalise(images)), network(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hidden": 8}, "hidden layer"),
        ({"features": "stages"}, "outputs of all stages"),
    ],
)
def test_heads_that_timm_does_not_know_are_told(
    make_network: Callable[..., Network], options: dict[str, object], reason: str
) -> None:
    with pytest.raises(NotPlainError, match=reason):
        timm_state_dict(make_network("resnet18", **options))


def test_networks_without_their_wide_layers_are_told(make_network: Callable[..., Network]) -> None:
    with pytest.raises(NotPlainError, match=r"wide layers|others than without"):
        timm_state_dict(make_network("vgg11", size=64))


def test_an_export_to_torch_leaves_it_with_what_timm_needs_to_know(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = make_run()
    done = run.export(tmp_path / "m.pt2", format="torch", pictures=4)
    path = tmp_path / "m.timm.safetensors"
    assert path in done.files
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    plain = timm.create_model(**json.loads(metadata["create_model"])).eval()
    plain.load_state_dict(safetensors.torch.load_file(path))
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(plain(run.model.normalise(images)), run.model(images), rtol=0, atol=1e-5)
    assert json.loads(metadata["classes"]) == list(run.record.classes)


def test_an_export_without_one_says_why_and_what_to_do(make_run: Callable[..., Run], tmp_path: Path) -> None:
    done = make_run(balance="weights", hidden=8).export(tmp_path / "m.pt2", format="torch", pictures=4)
    assert not list(tmp_path.glob("*.timm.safetensors"))
    assert any("hidden layer" in note and "torch.export.load" in note for note in done.notes)
