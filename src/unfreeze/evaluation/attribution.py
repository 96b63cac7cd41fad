"""Heat maps: which places of a picture spoke for what a network said of it.

The activations of the deepest layer that still has places are multiplied by the gradient of one output and summed over
channels (HiResCAM: Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations"). Where pooled
maps go straight to a linear head, the classic case, this is the network's own sum, place by place, and equals Grad-CAM
and CAM; unlike Grad-CAM it does not average gradients over places, so that it holds for tokens too. captum computes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from timm.layers import SelectAdaptivePool2d
from torch import Tensor, nn

from unfreeze.backbones import Network
from unfreeze.backbones.depths import stage_ends
from unfreeze.data import Dataset, batches
from unfreeze.evaluation.predicting import evaluating, laid_out

__all__ = ["BATCH_SIZE", "MISSING", "Explainer", "HeatMaps", "explain_pictures"]

BATCH_SIZE = 8  # pictures at once: where layers train, as much memory as a step of so many
MIN_REACHED = 0.5  # share of places that the output must depend on, for a layer to be asked about them
MISSING = "Heat maps need captum: pip install 'unfreeze[evidence]'."


@dataclass(frozen=True, kw_only=True)
class HeatMaps:
    """Heat maps of some pictures.

    Attributes:
        maps: for each picture float32 (rows, columns) over the network's view, 0 to 1; None where no place spoke
            for the output.
        layer: whose activations they are; empty if there are none.
        note: why there are none at all, or None.
    """

    maps: tuple[np.ndarray | None, ...]
    layer: str = ""
    note: str | None = None


class Explainer:
    """Draws heat maps of what one network says; which layer it asks is found with the first pictures, and kept.

    Args:
        network: the network; the modes of its modules are as before afterwards.
        signed: places that lower the output count as well (values), not only those that raise it (classes).
    """

    def __init__(self, network: Network, *, signed: bool = False) -> None:
        self.network, self.signed = network, signed
        self._place: _Place | None = None

    def explain(self, images: Tensor, outputs: Sequence[int]) -> HeatMaps:
        """Return a heat map of each picture for one output of the network.

        Args:
            images: uint8 (B, 3, height, width), views as the network is given them; memory as a training step takes.
            outputs: for each the number of the class, label or target that is explained.

        Returns:
            The maps; without any, and with a note, where captum is not installed or the network has no layer with
            places.
        """
        nothing: tuple[None, ...] = (None,) * len(images)
        try:
            from captum.attr import LayerGradientXActivation
        except ImportError:
            return HeatMaps(maps=nothing, note=MISSING)
        network = self.network
        device = next(network.parameters()).device
        placed = laid_out(images.to(device))
        with evaluating(network):
            place = self._place = self._place or _deepest_place(network, placed[:1])
            if place is None:
                return HeatMaps(
                    maps=nothing, note=f"{network.record.architecture} has no layer to draw heat maps from."
                )
            found = LayerGradientXActivation(network, place.module).attribute(
                placed, target=torch.tensor(list(outputs), device=device), attribute_to_layer_input=place.is_input
            )
            values = _over_places(found[0] if isinstance(found, tuple) else found, network).detach().float().cpu()
        maps = tuple(_scaled(each.numpy(), signed=self.signed) for each in values)
        return HeatMaps(maps=maps, layer=place.name)


def explain_pictures(
    network: Network, dataset: Dataset, indices: Sequence[int], outputs: Sequence[int], *, signed: bool = False
) -> HeatMaps:
    """Return a heat map of each picture of a data set for one output of the network; see `Explainer`.

    Args:
        network: the network.
        dataset: where the pictures are.
        indices: which pictures of it.
        outputs: for each the number of the class, label or target that is explained.
        signed: places that lower the output count as well.
    """
    explainer, maps, layer = Explainer(network, signed=signed), list[np.ndarray | None](), ""
    for batch in batches(dataset, indices, network.spec, batch_size=BATCH_SIZE):
        found = explainer.explain(batch.images, outputs[len(maps) : len(maps) + len(batch.images)])
        if found.note is not None:
            return HeatMaps(maps=(None,) * len(indices), note=found.note)
        maps.extend(found.maps)
        layer = found.layer
    return HeatMaps(maps=tuple(maps), layer=layer)


@dataclass(frozen=True, slots=True)
class _Place:
    """A layer that has places: the module, whether its input or its output is meant, and how to name it."""

    module: nn.Module
    is_input: bool
    name: str


def _deepest_place(network: Network, image: Tensor) -> _Place | None:
    """Return the deepest layer in which most places still matter for the output; None if there is none.

    What is pooled, by the head or by the backbone itself; where nothing is, the last stage whose output has such
    places. In a vision transformer that reads a class token the tokens of the last block matter no longer: there it
    is the block below.
    """
    return next((place for place in _candidates(network) if _reaches(network, place, image)), None)


def _candidates(network: Network) -> Iterator[_Place]:
    yield _Place(network.head, is_input=True, name="pooled features")
    modules = dict(network.backbone.named_modules())
    poolings = [module for module in modules.values() if isinstance(module, SelectAdaptivePool2d)]
    yield from (_Place(module, is_input=True, name="pooled features") for module in poolings[-1:])
    for stage, path in reversed(
        stage_ends(network.backbone, network.layers).items()
    ):  # only now: naming stages takes a moment
        yield _Place(modules[path], is_input=False, name=stage)


def _reaches(network: Network, place: _Place, image: Tensor) -> bool:
    """Say whether an output depends on most places of a layer."""
    from captum.attr import LayerGradientXActivation

    method = LayerGradientXActivation(network, place.module, multiply_by_inputs=False)
    try:
        found = method.attribute(image, target=0, attribute_to_layer_input=place.is_input)
        gradient = _over_places((found[0] if isinstance(found, tuple) else found).abs(), network)
    except (RuntimeError, AssertionError, ValueError):  # no gradient, no single tensor, changed in place, no places
        return False
    return gradient[0].numel() > 1 and float((gradient != 0).float().mean()) >= MIN_REACHED


def _over_places(values: Tensor, network: Network) -> Tensor:
    """Sum (B, C, H, W), (B, H, W, C) or (B, N, C) over channels, to (B, rows, columns).

    Raises:
        ValueError: there are no places.
    """
    if values.ndim == 4:  # noqa: PLR2004 - maps
        channels_last = getattr(network.backbone, "output_fmt", None) == "NHWC"
        return values.sum(dim=3 if channels_last else 1)
    if values.ndim == 3:  # noqa: PLR2004 - tokens
        tokens = values.sum(dim=2)[:, getattr(network.backbone, "num_prefix_tokens", 0) :]
        rows, columns = _grid(tokens.shape[1], network.spec.size)
        return tokens.reshape(-1, rows, columns)
    raise ValueError(f"no places in {tuple(values.shape)}")


def _grid(n: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of n tokens that lie over a picture of (height, width) pixels in square patches.

    Raises:
        ValueError: they cannot lie so.
    """
    rows = round((n * size[0] / size[1]) ** 0.5)
    if rows < 1 or n % rows:
        raise ValueError(f"{n} tokens are no grid over {size[0]}×{size[1]} pixels")
    return rows, n // rows


def _scaled(values: np.ndarray[Any, np.dtype[np.float32]], *, signed: bool) -> np.ndarray | None:
    """Bring a map to 0..1 by its largest value; None where no place counts."""
    counted = np.abs(values) if signed else np.maximum(values, 0)
    top = float(counted.max(initial=0.0))
    if not np.isfinite(top) or top <= 0:
        return None
    scaled: np.ndarray = (counted / top).astype(np.float32)
    return scaled
