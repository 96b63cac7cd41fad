from __future__ import annotations

import numpy as np
import pytest

from unfreeze.data import epoch_order
from unfreeze.errors import ConfigError


def test_every_picture_comes_once() -> None:
    assert sorted(epoch_order([4, 8, 15, 16], seed=1, epoch=2).tolist()) == [4, 8, 15, 16]


def test_trap_26_it_is_a_pure_function_of_seed_and_epoch() -> None:
    indices = np.arange(50)
    first = epoch_order(indices, seed=3, epoch=7)
    epoch_order(indices, seed=3, epoch=6)
    np.random.default_rng().random()
    assert first.tolist() == epoch_order(indices, seed=3, epoch=7).tolist()
    assert first.tolist() != epoch_order(indices, seed=3, epoch=8).tolist()
    assert first.tolist() != epoch_order(indices, seed=4, epoch=7).tolist()


def test_the_indices_are_not_changed() -> None:
    indices = np.arange(10)
    epoch_order(indices, seed=0, epoch=0)
    assert indices.tolist() == list(range(10))


def test_weights_draw_each_picture_as_often_as_they_ask_for() -> None:
    indices = np.arange(100) + 1000
    weights = np.where(np.arange(100) < 10, 9.0, 1.0)  # ten of a rare class: half of the draws or nearly
    for epoch in range(20):
        order = epoch_order(indices, seed=0, epoch=epoch, weights=weights)
        assert len(order) == 100
        times = np.bincount(order - 1000, minlength=100)
        expected = weights / weights.sum() * 100
        assert (np.abs(times - expected) < 1 + 1e-9).all()


def test_equal_weights_are_the_same_as_once_each() -> None:
    order = epoch_order(np.arange(33), seed=5, epoch=0, weights=np.ones(33))
    assert sorted(order.tolist()) == list(range(33))


def test_a_weight_of_zero_never_comes() -> None:
    for epoch in range(50):
        assert 0 not in epoch_order([0, 1, 2], seed=0, epoch=epoch, weights=[0.0, 1.0, 1.0])


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [1.0, float("nan")], [1.0]])
def test_weights_that_mean_nothing_are_errors(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="weight"):
        epoch_order([0, 1], seed=0, epoch=0, weights=weights)


def test_a_negative_seed_is_an_error() -> None:
    with pytest.raises(ConfigError, match="seed of at least 0"):
        epoch_order([0, 1], seed=-1, epoch=0)
