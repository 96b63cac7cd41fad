"""Resizing in graphs gives the pixels of training's resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from unfreeze.data import InputSpec, make_view
from unfreeze.exporting.resizing import MatrixResize, NativeResize, can_resize_inside

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ((48, 64), (37, 101), (224, 224), (300, 33), (1, 1), (1, 40), (9, 3), (611, 480))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (61, 47), (224, 224)])
def test_both_ways_give_the_pixels_of_training(
    make_picture: Callable[..., np.ndarray], interpolation: str, size: tuple[int, int]
) -> None:
    spec = InputSpec(size=size, interpolation=interpolation)  # type: ignore[arg-type]
    for whole in SIZES:
        image = make_picture(2, seed=5, size=whole)
        expected = make_view(image, spec).int()
        images = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        assert torch.equal(NativeResize(spec)(images)[0].int(), expected), whole
        off = (MatrixResize(spec)(images)[0].int() - expected).abs()
        assert int(off.max()) <= 1, whole
        share = 1e-3 if max(whole) > 2 * min(size) else 0  # sums of many weights are no longer exact in float32
        assert float((off > 0).float().mean()) <= share, whole


def test_pictures_of_a_batch_are_resized_each_by_itself(make_picture: Callable[..., np.ndarray]) -> None:
    images = torch.from_numpy(np.stack([make_picture(i, seed=i, size=(50, 70)) for i in range(3)])).permute(0, 3, 1, 2)
    resize = MatrixResize(InputSpec(size=(32, 32)))
    assert torch.equal(resize(images), torch.cat([resize(image[None]) for image in images]))


@pytest.mark.parametrize(
    "spec", [InputSpec(size=(8, 8), crop="center"), InputSpec(size=(8, 8), interpolation="nearest")]
)
def test_other_ways_to_fit_a_picture_are_not_offered(spec: InputSpec) -> None:
    assert not can_resize_inside(spec)
