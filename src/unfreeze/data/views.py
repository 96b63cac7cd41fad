"""Views: the picture as the network is shown it, whole for evaluation, varied for training.

A varied view is a pure function of (picture, spec, augment, seed, key, index). Nothing reads a global
random state, so that views are the same in any thread, in any order, and after a resume.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from unfreeze.data.spec import Augment, InputSpec
from unfreeze.errors import ConfigError, did_you_mean

__all__ = ["AUGMENTS", "RECIPE_VERSION", "check_augment", "least_size", "make_view", "view_rng"]

RECIPE_VERSION = 1  # raised when the same (seed, picture, view) comes out otherwise
WHITE = 255
SHARE_MIRRORED = 0.5


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How far views of one kind may vary; ranges are uniform, ratios log-uniform."""

    min_area: float  # share of the picture that a view shows at least
    max_ratio: float  # how far the aspect ratio may be changed, either way
    degrees: float  # rotation, either way
    colour: float  # brightness, contrast and saturation, each by a factor of 1 ± this


_RECIPES = {
    "light": _Recipe(min_area=0.8, max_ratio=1.1, degrees=0, colour=0),
    "standard": _Recipe(min_area=0.5, max_ratio=4 / 3, degrees=10, colour=0.2),
}
AUGMENTS: tuple[str, ...] = get_args(Augment)


def make_view(
    image: npt.NDArray[np.uint8],
    spec: InputSpec,
    *,
    augment: Augment = "none",
    seed: int = 0,
    key: str = "",
    index: int = 0,
) -> torch.Tensor:
    """Make one view of a picture, at the size of the network's input.

    Args:
        image: (height, width, 3), as `read_image` returns it.
        spec: the network's input.
        augment: "none" is the evaluation view, whatever the rest says: the whole picture squashed to the size,
            or its middle (`spec.crop`). "light" mirrors half of the views left to right and crops to at least
            80% of the area. "standard" crops to at least half, changes the aspect ratio, mirrors, rotates by at
            most 10° (corners take the network's mean colour) and varies brightness, contrast and saturation
            by at most 20%.
        seed: of the training.
        key: which picture it is; its file name in the data set.
        index: which view of it, in training usually the epoch.

    Returns:
        uint8, (3, height, width) of `spec.size`, contiguous.

    Raises:
        ConfigError: no such augment.
    """
    check_augment(augment)
    tensor = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1)
    if augment == "none":
        return _evaluation_view(tensor, spec).contiguous()
    return _varied_view(tensor, spec, _RECIPES[augment], view_rng(seed, key, index)).contiguous()


def least_size(spec: InputSpec, augment: Augment) -> tuple[int, int]:
    """Return (height, width) that a whole picture has to have for its smallest view to fill the input.

    This is what `read_image` is asked for as `at_least`. It follows from spec and augment alone, and that of the
    evaluation view from the spec alone.

    >>> least_size(InputSpec(size=(224, 224)), "none"), least_size(InputSpec(size=(224, 224)), "standard")
    ((224, 224), (366, 366))
    """
    height, width = spec.size
    if augment == "none":
        share = spec.crop_pct if spec.crop == "center" else 1.0
    else:
        recipe = _RECIPES[augment]
        share = math.sqrt(recipe.min_area / recipe.max_ratio)  # of a side
    return math.ceil(height / share), math.ceil(width / share)


def check_augment(augment: str) -> None:
    """Raise ConfigError, with the nearest names, if there is no such augment."""
    if augment not in AUGMENTS:
        raise ConfigError(
            f'augment must be one of {", ".join(AUGMENTS)}, but got "{augment}".{did_you_mean(augment, AUGMENTS)}'
        )


def view_rng(seed: int, key: str, index: int) -> np.random.Generator:
    """Return the random numbers of one view: a function of its three names and of nothing else."""
    digest = hashlib.sha256(f"{seed}\0{key}\0{index}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _evaluation_view(image: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    if spec.crop == "squash":
        return _resized(image, spec.size, spec)
    (height, width), (rows, columns) = spec.size, image.shape[-2:]
    scale = max(height / rows, width / columns) / spec.crop_pct
    size = max(height, round(rows * scale)), max(width, round(columns * scale))
    view: torch.Tensor = transforms.center_crop(_resized(image, size, spec), list(spec.size))
    return view


def _resized(image: torch.Tensor, size: tuple[int, int], spec: InputSpec) -> torch.Tensor:
    if tuple(image.shape[-2:]) == size:
        return image
    mode = InterpolationMode(spec.interpolation)
    dense = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)  # what torch resizes fastest; a crop is not
    resized: torch.Tensor = transforms.resize(dense, list(size), interpolation=mode, antialias=True)
    return resized


def _varied_view(image: torch.Tensor, spec: InputSpec, recipe: _Recipe, rng: np.random.Generator) -> torch.Tensor:
    """Crop, resize, then the rest at the small size. Every draw is made, so that recipes share their stream."""
    top, left, height, width = _box(image, spec, recipe, rng)
    view = _resized(image[:, top : top + height, left : left + width], spec.size, spec)
    if rng.random() < SHARE_MIRRORED:
        view = transforms.horizontal_flip(view)
    degrees = rng.uniform(-recipe.degrees, recipe.degrees)
    if recipe.degrees:
        corners = [float(round(WHITE * mean)) for mean in spec.mean]
        view = transforms.rotate(view, degrees, interpolation=InterpolationMode.BILINEAR, fill=corners)
    brightness, contrast, saturation = rng.uniform(1 - recipe.colour, 1 + recipe.colour, 3)
    if recipe.colour:
        view = transforms.adjust_brightness(view, brightness)
        view = transforms.adjust_contrast(view, contrast)
        view = transforms.adjust_saturation(view, saturation)
    return view


def _box(image: torch.Tensor, spec: InputSpec, recipe: _Recipe, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw (top, left, height, width) of a crop.

    Shares are of what the evaluation view shows, so that the aspect ratio varies around the one that the
    network will be evaluated at.
    """
    rows, columns = image.shape[-2:]
    whole_height, whole_width = float(rows), float(columns)
    if spec.crop == "center":
        scale = min(rows / spec.size[0], columns / spec.size[1])
        whole_height, whole_width = scale * spec.size[0], scale * spec.size[1]
    area = rng.uniform(recipe.min_area, 1)
    stretch = math.exp(rng.uniform(-math.log(recipe.max_ratio), math.log(recipe.max_ratio)))
    height = min(rows, max(1, round(whole_height * math.sqrt(area / stretch))))
    width = min(columns, max(1, round(whole_width * math.sqrt(area * stretch))))
    top = int(rng.integers(0, rows - height + 1))
    left = int(rng.integers(0, columns - width + 1))
    return top, left, height, width
