from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from unfreeze.data.spec import InputSpec
from unfreeze.data.views import _RECIPES, _box, least_size, make_view, view_rng
from unfreeze.errors import ConfigError

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
SPEC = InputSpec(size=(32, 48))


@pytest.mark.parametrize("augment", ["none", "light", "standard"])
@pytest.mark.parametrize("crop", ["squash", "center"])
def test_a_view_has_the_size_of_the_input(augment: str, crop: str) -> None:
    for shape in ((60, 80, 3), (80, 60, 3), (1, 1, 3), (7, 300, 3), (32, 48, 3)):
        image = np.zeros(shape, np.uint8)
        view = make_view(image, InputSpec(size=(32, 48), crop=crop, crop_pct=0.875), augment=augment, key="a")
        assert view.shape == (3, 32, 48)
        assert view.dtype == torch.uint8
        assert view.is_contiguous()


def test_a_picture_of_the_right_size_is_its_own_evaluation_view() -> None:
    view = make_view(IMAGE, InputSpec(size=(60, 80)))
    np.testing.assert_array_equal(view.permute(1, 2, 0).numpy(), IMAGE)


def test_squash_shows_the_whole_picture() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 255
    view = make_view(image, InputSpec(size=(20, 20), interpolation="nearest"))
    np.testing.assert_array_equal(view[0, 0].numpy(), [0] * 10 + [255] * 10)


def test_center_keeps_the_aspect_ratio_and_shows_the_middle() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 20:60] = 200
    view = make_view(image, InputSpec(size=(20, 20), crop="center"))
    assert view[:, :, 1:-1].min() >= 195  # at the very edge the interpolation sees what lies outside
    narrower = make_view(image, InputSpec(size=(20, 20), crop="center", crop_pct=0.5))
    assert narrower.min() == 200


def test_the_evaluation_view_does_not_depend_on_seed_key_or_index() -> None:
    plain = make_view(IMAGE, SPEC)
    assert torch.equal(plain, make_view(IMAGE, SPEC, seed=5, key="b", index=7))


@pytest.mark.parametrize("augment", ["light", "standard"])
def test_a_view_is_a_pure_function_of_seed_key_and_index(augment: str) -> None:
    named = {"augment": augment, "seed": 1, "key": "a.png", "index": 2}
    view = make_view(IMAGE, SPEC, **named)
    assert torch.equal(view, make_view(IMAGE, SPEC, **named))
    for change in ({"seed": 2}, {"key": "b.png"}, {"index": 3}):
        assert not torch.equal(view, make_view(IMAGE, SPEC, **{**named, **change}))


def test_views_neither_read_nor_move_any_global_random_state() -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002 - watched
    first = make_view(IMAGE, SPEC, augment="standard", key="a")
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002 - watched
    assert torch.equal(torch.get_rng_state(), states[2])
    torch.manual_seed(123)
    assert torch.equal(first, make_view(IMAGE, SPEC, augment="standard", key="a"))


def test_views_made_in_threads_are_those_made_in_order() -> None:
    def made(index: int) -> torch.Tensor:
        return make_view(IMAGE, SPEC, augment="standard", key="a", index=index)

    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(made, range(64)))
    assert all(torch.equal(view, made(index)) for index, view in enumerate(threaded))


def test_views_of_a_picture_differ_and_half_of_them_are_mirrored() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255
    spec = InputSpec(size=(32, 32))
    views = [make_view(image, spec, augment="light", key="a", index=i) for i in range(200)]
    mirrored = [bool(view[0, 16, 2] > 128) for view in views]
    assert 70 < sum(mirrored) < 130
    assert len({view.numpy().tobytes() for view in views}) > 20


def test_light_views_show_most_of_the_picture_and_keep_its_colours() -> None:
    columns = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3)).copy()
    spec = InputSpec(size=(64, 64))
    for index in range(50):
        view = make_view(columns, spec, augment="light", key="a", index=index)[0, 32].int()
        assert view.max() - view.min() >= 200 * np.sqrt(0.8 / 1.1) - 8
    grey = np.full((50, 50, 3), 90, np.uint8)
    assert torch.equal(make_view(grey, spec, augment="light"), torch.full((3, 64, 64), 90, dtype=torch.uint8))


def test_standard_views_vary_brightness_and_rotate_into_the_mean_colour() -> None:
    grey = np.full((50, 50, 3), 100, np.uint8)
    spec = InputSpec(size=(64, 64), mean=(0.4, 0.4, 0.4))
    middles = {int(make_view(grey, spec, augment="standard", index=i)[0, 32, 32]) for i in range(50)}
    assert len(middles) > 10
    assert 78 <= min(middles) < max(middles) <= 122
    white = np.full((50, 50, 3), 255, np.uint8)
    corners = [int(make_view(white, spec, augment="standard", index=i)[0, 0, 0]) for i in range(50)]
    assert min(corners) < 140


def test_an_unknown_augment_is_an_error_that_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'got "lihgt".*Did you mean "light"'):
        make_view(IMAGE, SPEC, augment="lihgt")


def test_a_wrong_spec_is_an_error_that_names_all_problems() -> None:
    with pytest.raises(ConfigError, match=r"(?s)3 problems.*size.*std.*crop_pct"):
        InputSpec(size=(0, 32), std=(0.0, 1.0, 1.0), crop_pct=1.5)
    with pytest.raises(ConfigError, match="interpolation must be one of"):
        InputSpec(size=(8, 8), interpolation="lanczos")


# -- trap 25: from how large a picture views are made


def test_trap_25_the_evaluation_view_needs_what_it_is_resized_to() -> None:
    assert least_size(InputSpec(size=(224, 192)), "none") == (224, 192)
    assert least_size(InputSpec(size=(224, 224), crop="center", crop_pct=0.875), "none") == (256, 256)
    assert least_size(InputSpec(size=(224, 224), crop_pct=0.875), "none") == (224, 224)  # squashed whole


@pytest.mark.parametrize("augment", ["light", "standard"])
@pytest.mark.parametrize("crop", ["squash", "center"])
@pytest.mark.parametrize("longer", [(1, 1), (1, 1.7), (2.1, 1)])
def test_trap_25_the_smallest_crop_of_the_least_picture_fills_the_input(
    augment: str, crop: str, longer: tuple[float, float]
) -> None:
    spec = InputSpec(size=(40, 30), crop=crop)
    rows, columns = (round(side * factor) for side, factor in zip(least_size(spec, augment), longer, strict=True))
    image = torch.zeros(3, rows, columns, dtype=torch.uint8)
    boxes = [_box(image, spec, _RECIPES[augment], view_rng(0, "a", index)) for index in range(2000)]
    assert min(height for _, _, height, _ in boxes) >= 40
    assert min(width for _, _, _, width in boxes) >= 30
    assert min(height * width for _, _, height, width in boxes) < 1.6 * 40 * 30 * longer[0] * longer[1]
