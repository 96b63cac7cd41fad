"""What a network wants to be shown: the size of its input and how a picture is brought to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from unfreeze.errors import raise_together

__all__ = ["Augment", "Crop", "InputSpec", "Interpolation"]

Interpolation = Literal["bilinear", "bicubic", "nearest"]
Crop = Literal["squash", "center"]
Augment = Literal["none", "light", "standard"]

N_CHANNELS = 3
N_SIDES = 2


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The input of a network, in full: with it, a picture has exactly one evaluation view.

    Attributes:
        size: height and width of the input, in pixels.
        mean: per channel (red, green, blue), of values in 0..1; the network subtracts it inside.
        std: per channel, of values in 0..1; the network divides by it inside.
        interpolation: how pictures are resized, always with antialiasing.
        crop: "squash" resizes the whole picture to `size` and gives up its aspect ratio;
            "center" keeps the ratio and gives up the borders.
        crop_pct: "center" only: the share of the resized picture's shorter side that is kept.
        depth_range: what becomes 0 and 255 in pictures of more than 8 bits (see `read_image`);
            None if the data set had no such picture.

    Raises:
        ConfigError: a value is out of range; all problems are reported together.

    >>> InputSpec(size=(224, 224)).crop
    'squash'
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bicubic"
    crop: Crop = "squash"
    crop_pct: float = 1.0
    depth_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check all values, so that no view is ever made from a wrong one."""
        raise_together(_problems(self))


def _problems(spec: InputSpec) -> list[str]:
    problems = []
    if len(spec.size) != N_SIDES or any(side < 1 for side in spec.size):
        problems.append(f"size must be (height, width), each at least 1 pixel, but got {spec.size}.")
    if len(spec.mean) != N_CHANNELS or len(spec.std) != N_CHANNELS:
        problems.append(f"mean and std must have {N_CHANNELS} values, but got {spec.mean} and {spec.std}.")
    if any(value <= 0 for value in spec.std):
        problems.append(f"std must be above 0 in every channel, but got {spec.std}.")
    if spec.interpolation not in get_args(Interpolation):
        problems.append(f'interpolation must be one of {get_args(Interpolation)}, but got "{spec.interpolation}".')
    if spec.crop not in get_args(Crop):
        problems.append(f'crop must be one of {get_args(Crop)}, but got "{spec.crop}".')
    if not 0 < spec.crop_pct <= 1:
        problems.append(f"crop_pct must be above 0 and at most 1, but got {spec.crop_pct}.")
    if spec.depth_range is not None and not spec.depth_range[0] <= spec.depth_range[1]:
        problems.append(f"depth_range must be (low, high) with low ≤ high, but got {spec.depth_range}.")
    return problems
