"""The state dict for timm gives timm's own network the same logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import timm
import torch
from PIL import Image

from unfreeze.exporting.timm_weights import NotPlainError, timm_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.mark.parametrize(
    ("what", "options"),
    [("classes", {}), ("classes", {"balance": "weights"}), ("labels", {}), ("values", {}), ("classes", {"size": 40})],
)
def test_the_file_and_its_metadata_alone_give_what_predict_says(
    make_run: Callable[..., Run], tmp_path: Path, what: str, options: dict[str, Any]
) -> None:
    run = make_run(what, **options)
    path = tmp_path / "m.timm.safetensors"
    assert path in run.export(tmp_path / "m.pt2", format="torch", pictures=4).files
    with safetensors.safe_open(path, framework="pt") as file:
        about = file.metadata()
    described, formulas = json.loads(about["input"]), json.loads(about["use"])
    plain = timm.create_model(**json.loads(about["create_model"])).eval()
    plain.load_state_dict(safetensors.torch.load_file(path))
    normalisation = described["normalisation"]
    assert (described["dtype"], described["resizing"], normalisation["where"]) == ("float32", "outside", "outside")
    mean, std = (torch.tensor(normalisation[name]).view(3, 1, 1) for name in ("mean", "std"))
    (name,) = json.loads(about["outputs"])
    constants = ("temperature", "prior_shift", "target_mean", "target_std")
    for predicted in run.predict(sorted(Path(run.record.data.path).parent.glob("*.png"))[:4]):
        with Image.open(predicted.file) as image:
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        fitted = torch.nn.functional.interpolate(
            pixels, size=(described["height"], described["width"]), mode=described["interpolation"], antialias=True
        )
        with torch.inference_mode():
            output = plain((fitted / 255 - mean) / std)[0]
        names = {each: torch.tensor(json.loads(about[each]) or 0.0) for each in constants} | {name: output}
        functions = {"softmax": lambda x: x.softmax(0), "sigmoid": torch.sigmoid, "argmax": torch.argmax}
        got = {each: eval(formula, functions | names).tolist() for each, formula in formulas.items()}  # noqa: S307
        classes = json.loads(about["classes"])
        if what == "values":
            assert got["values"] == pytest.approx([predicted.prediction], rel=1e-4)
            continue
        assert got["probabilities"] == pytest.approx([predicted.scores[each] for each in classes], abs=1e-5)
        if what == "classes":
            assert classes[got["prediction"]] == predicted.prediction
        else:
            labels = tuple(each for each, on in zip(classes, got["prediction"], strict=True) if on)
            assert labels == predicted.prediction


def test_the_metadata_promise_nothing_that_a_state_dict_cannot_keep(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    make_run().export(tmp_path / "m.pt2", format="torch", pictures=4)
    with safetensors.safe_open(tmp_path / "m.timm.safetensors", framework="pt") as file:
        said = " ".join(file.metadata().values())
    assert "inside" not in said
    assert "uint8" not in said
    assert "; calibrated" not in said


def test_an_export_without_one_says_why_and_what_to_do(make_run: Callable[..., Run], tmp_path: Path) -> None:
    done = make_run(balance="weights", hidden=8).export(tmp_path / "m.pt2", format="torch", pictures=4)
    assert not list(tmp_path.glob("*.timm.safetensors"))
    assert any("hidden layer" in note and "torch.export.load" in note for note in done.notes)
