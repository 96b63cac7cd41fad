"""By what the activations of a frozen prefix are known to later trainings."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from unfreeze.cache import PassDescription, activation_key
from unfreeze.data.decoding import decoder_version
from unfreeze.data.views import RECIPE_VERSION

if TYPE_CHECKING:
    import torch

    from unfreeze.backbones import Network
    from unfreeze.data import InputSpec
    from unfreeze.data.spec import Augment
    from unfreeze.engines import EngineName, Precision
    from unfreeze.frontier import Split

__all__ = ["describe_pass", "pass_key"]

PACKAGES: dict[EngineName, str] = {"openvino": "openvino", "compile": "torch", "eager": "torch"}


def pass_key(
    split: Split,
    spec: InputSpec,
    *,
    augment: Augment,
    seed: int,
    engine: EngineName,
    precision: Precision = "fp32",
    device: torch.device,
) -> str:
    """Return the name of the pass of pictures through a prefix; see `activation_key`.

    Args:
        split: of the network.
        spec: the network's input.
        augment: how views vary.
        seed: of the views.
        engine: what computes the prefix.
        precision: in what.
        device: where PyTorch computes.
    """
    return activation_key(
        spec,
        augment=augment,
        recipe_version=RECIPE_VERSION,
        seed=seed,
        weights_sha256=split.weights_hash,
        graph=split.graph_hash,
        engine=f"{engine} {metadata.version(PACKAGES[engine])} on {device.type}",
        precision=precision,
        decoder=decoder_version(),
    )


def describe_pass(
    split: Split, network: Network, *, augment: Augment, seed: int, engine: EngineName, precision: Precision = "fp32"
) -> PassDescription:
    """Return what `unfreeze cache list` shows of a pass."""
    return PassDescription(
        model=network.record.architecture,
        frontier=", ".join(tensor.name for tensor in split.frontier),
        size=network.spec.size,
        views="evaluation" if augment == "none" else f"{augment}, seed {seed}",
        engine=engine,
        precision=precision,
    )
