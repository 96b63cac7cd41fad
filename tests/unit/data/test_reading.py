from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unfreeze.data.decoding import read_image
from unfreeze.data.reading import decode_views, read_views
from unfreeze.data.spec import InputSpec
from unfreeze.data.views import make_view
from unfreeze.errors import ConfigError, ImageError

SPEC = InputSpec(size=(32, 32))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG of 300×260 with structure: a quarter of it serves the evaluation view of 32 px, half of it all others."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    noise.resize((300, 260), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    return tmp_path / "a.jpg"


def test_the_evaluation_view_comes_out_of_the_decode_at_least_its_own_size(photo: Path) -> None:
    image = read_image(photo, at_least=SPEC.size)
    assert image.shape == (65, 75, 3)
    (view,) = read_views(photo, SPEC)
    assert torch.equal(view, make_view(image, SPEC))
    assert (view.dtype, view.shape, view.is_contiguous()) == (torch.uint8, (3, 32, 32), True)


def test_trap_25_a_view_out_of_a_reduced_picture_is_nearly_that_of_the_whole(photo: Path) -> None:
    (view,) = read_views(photo, SPEC)
    whole = make_view(read_image(photo), SPEC)
    assert (view.int() - whole.int()).abs().float().mean() < 2


@pytest.mark.parametrize("crop", ["squash", "center"])
def test_trap_25_the_evaluation_view_does_not_depend_on_the_augment_that_was_chosen(photo: Path, crop: str) -> None:
    spec = InputSpec(size=(32, 32), crop="center" if crop == "center" else "squash", crop_pct=0.9)
    before = read_views(photo, spec)
    for augment in ("light", "standard"):
        read_views(photo, spec, augment=augment, key="a.jpg", indices=range(3))
        assert torch.equal(read_views(photo, spec, seed=5, key="other", indices=(7,)), before)


@pytest.mark.parametrize("augment", ["light", "standard"])
def test_several_views_of_one_decode_are_those_of_one_decode_each(photo: Path, augment: str) -> None:
    together = read_views(photo, SPEC, augment=augment, seed=3, key="a.jpg", indices=(0, 4, 2))
    assert together.shape == (3, 3, 32, 32)
    for view, index in zip(together, (0, 4, 2), strict=True):
        assert torch.equal(view, read_views(photo, SPEC, augment=augment, seed=3, key="a.jpg", indices=(index,))[0])


def test_bytes_have_the_views_of_their_file(photo: Path) -> None:
    found = decode_views(photo.read_bytes(), SPEC, name="upload")
    assert torch.equal(found, read_views(photo, SPEC))
    with pytest.raises(ImageError, match=r"upload.*damaged"):
        decode_views(photo.read_bytes()[:-300], SPEC, name="upload")


def test_trap_17_a_deep_picture_is_scaled_by_the_range_of_the_spec(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 500, np.uint16)).save(tmp_path / "a.png")
    assert read_views(tmp_path / "a.png", InputSpec(size=(8, 8), depth_range=(0, 1000))).unique().tolist() == [128]


def test_an_unknown_augment_is_an_error_that_names_the_nearest(photo: Path) -> None:
    with pytest.raises(ConfigError, match=r'"standart".*standard'):
        read_views(photo, SPEC, augment="standart")


def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg.*cannot be opened"):
        read_views(tmp_path / "none.jpg", SPEC)
