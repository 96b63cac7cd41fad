"""What a plan means before anything trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfreeze.layers import LayerGroup, Layers, Leaf, Parameter, Stage
from unfreeze.plans import make_plan, summarise

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_row_says_what_trains_and_at_which_rates(resnet50_layers: Layers) -> None:
    head, first, second = summarise(make_plan("gradual", resnet50_layers))
    assert (head.name, head.epochs, head.first_group, head.last_group, head.n_groups) == ("head", 4, "head", "head", 1)
    assert (head.n_trained, head.n_parameters) == (8, 8 * 107)
    assert (first.first_group, first.last_group, first.n_groups) == ("layer4.0", "head", 4)
    assert first.min_lr == first.max_lr == 1e-4
    assert (second.first_group, second.norm, second.schedule) == ("layer3.0", "eval", "one-cycle")


def test_the_cached_share_is_what_runs_before_the_first_trained_layer(make_layers: Callable[..., Layers]) -> None:
    layers = make_layers({"a": {"a": [("a", "conv")]}, "b": {"b": [("b", "conv"), ("b2", "conv")]}})
    head, unfrozen = summarise(make_plan("b", layers))
    assert head.cached_share == 3 / 4
    assert unfrozen.cached_share == 1 / 4
    assert [row.cached_share for row in summarise(make_plan("full", layers))] == [0.0]


def test_the_cached_share_follows_the_order_of_use() -> None:
    def leaf(name: str) -> Leaf:
        return Leaf(name, "linear", (Parameter(name, (5,), decays=True),), macs=1)

    body = Stage("body", (LayerGroup("body", (leaf("late"), leaf("early"))),))
    head = Stage("head", (LayerGroup("head", (leaf("head"),)),))
    layers = Layers("m", (body, head), order=("early", "late", "head"))
    assert summarise(make_plan("late", layers))[1].cached_share == 1 / 3


def test_the_share_is_unknown_where_nothing_was_measured() -> None:
    head = Stage("head", (LayerGroup("head", (Leaf("head", "linear", (Parameter("w", (2,), decays=True),)),)),))
    assert summarise(make_plan("head", Layers("m", (head,))))[0].cached_share is None


def test_memory_counts_weights_gradients_optimizer_state_and_live_outputs(make_layers: Callable[..., Layers]) -> None:
    layers = make_layers({"a": {"a": [("a", "conv")]}})  # 8 weights and 4 outputs in each of two leaves
    adamw, sgd = (summarise(make_plan("head", layers, solver=s), batch_size=10)[0] for s in ("adamw", "sgd"))
    assert adamw.n_bytes == 4 * (16 + 8 + 2 * 8 + 10 * 4)
    assert sgd.n_bytes == 4 * (16 + 8 + 8 + 10 * 4)
    full = summarise(make_plan("full", layers), batch_size=10)[0]
    assert full.n_bytes == 4 * (16 + 16 + 2 * 16 + 10 * 8)
