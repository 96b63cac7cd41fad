"""Heads of any depth on features of any shape, the same for the same seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unfreeze.backbones import make_head
from unfreeze.backbones.heads import pool
from unfreeze.errors import ConfigError


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 8, 3, 4)])
@pytest.mark.parametrize("hidden", [None, 16])
def test_a_head_takes_vectors_tokens_and_maps(shape: tuple[int, ...], hidden: int | None) -> None:
    assert make_head(8, n_outputs=3, hidden=hidden)(torch.rand(shape)).shape == (2, 3)


def test_pooling_is_the_mean_over_places() -> None:
    maps = torch.rand(2, 8, 3, 4)
    tokens = maps.flatten(2).transpose(1, 2)
    torch.testing.assert_close(pool(maps), pool(tokens))


def test_features_of_another_shape_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"gave \(2,\)"):
        pool(torch.rand(2))


def test_a_hidden_layer_comes_with_a_relu() -> None:
    assert [type(layer) for layer in make_head(8, n_outputs=3, hidden=16)] == [nn.Linear, nn.ReLU, nn.Linear]


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first, state = make_head(8, n_outputs=3, hidden=4, seed=5), torch.get_rng_state()
    torch.manual_seed(2)
    second = make_head(8, n_outputs=3, hidden=4, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first[0].weight, make_head(8, n_outputs=3, hidden=4, seed=6)[0].weight)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("sizes", [{"n_outputs": 0}, {"n_outputs": 2, "hidden": 0}])
def test_sizes_below_one_are_errors(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1, but got 0"):
        make_head(8, **sizes)
