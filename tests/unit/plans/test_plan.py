"""A plan is a value: what trains, and at which rate, at any position."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from math import isclose
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unfreeze.errors import PlanError
from unfreeze.plans import STRATEGIES, Phase, Plan, Position, make_plan, rate_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.layers import Layers

anything = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


def one(layers: Layers, train: tuple[str, ...] = ("head",), **changes: object) -> Plan:
    return Plan(layers, (replace(Phase("only", 2, train, 1e-3), **changes),))


def test_a_plan_holds_real_names_and_equal_plans_train_the_same(resnet50_layers: Layers) -> None:
    plan = one(resnet50_layers, ("stages:1",))
    assert plan.phases[0].train == ("layer4", "head")
    assert plan == one(resnet50_layers, ("last:20",)) == one(resnet50_layers, ("layer4", "head"))
    assert plan != one(resnet50_layers, ("last:12",))
    assert hash(plan) == hash(one(resnet50_layers, ("last:20",)))


def test_a_plan_is_frozen_and_can_be_pickled(resnet50_layers: Layers) -> None:
    plan = one(resnet50_layers, ("all",), rates={"layer1": 1e-5})
    with pytest.raises(FrozenInstanceError):
        plan.phases = ()  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301 - our own bytes


def test_layerwise_rates_are_lr_times_decay_to_the_distance(resnet50_layers: Layers) -> None:
    peaks = one(resnet50_layers, ("all",), layer_decay=0.7).peak_lrs(0)
    for leaf in resnet50_layers.leaves:
        distance = resnet50_layers.distance(resnet50_layers.group_of(leaf.name).name)
        assert peaks[leaf.name] == 1e-3 * 0.7**distance
    assert peaks["head"] == 1e-3
    assert isclose(peaks["conv1"], 1e-3 * 0.7**17)


def test_rates_by_name_are_absolute_and_the_last_match_wins(resnet50_layers: Layers) -> None:
    rates = {"layer3": 5e-5, "layer3.1": 2e-5, "layer1": 1e-5}
    peaks = one(resnet50_layers, ("all",), layer_decay=0.5, rates=rates).peak_lrs(0)
    assert {peaks[name] for name in resnet50_layers.select("layer1")} == {1e-5}
    assert peaks["layer3.0.conv1"] == 5e-5
    assert peaks["layer3.1.conv1"] == 2e-5
    assert peaks["layer4.2.conv1"] == 1e-3 * 0.5


def test_trap_09_a_rate_for_block_1_does_not_reach_block_10(make_layers: Callable[..., Layers]) -> None:
    # The popular snippet's startswith("block_1") also catches block_10 … block_16.
    groups = {f"block.{i}": [(f"block.{i}.conv", "conv")] for i in (1, 10, 16)}
    plan = one(make_layers({"blocks": groups}), ("all",), rates={"block.1": 1e-5})
    assert plan.peak_lrs(0) == {"block.1.conv": 1e-5, "block.10.conv": 1e-3, "block.16.conv": 1e-3, "head": 1e-3}


def test_norm_frozen_leaves_norm_layers_out_of_what_trains(resnet50_layers: Layers) -> None:
    plan = one(resnet50_layers, ("layer4.2",), norm="frozen")
    assert plan.trained(0) == {f"layer4.2.conv{i}" for i in (1, 2, 3)}
    assert plan.selected(0) == resnet50_layers.select("layer4.2")


def test_param_groups_are_one_per_layer_group_trajectory_and_decay(resnet50_layers: Layers) -> None:
    phases = (Phase("a", 1, ("head",), 1e-3), Phase("b", 1, ("layer4.2", "head"), 1e-4, rates={"layer4.2.conv3": 1e-6}))
    groups = {group.name: group for group in Plan(resnet50_layers, phases).param_groups}
    assert list(groups) == [
        "layer4.2#1",
        "layer4.2#1 (no decay)",
        "layer4.2#2",
        "layer4.2#2 (no decay)",
        "head",
        "head (no decay)",
    ]
    assert groups["layer4.2#2"].parameters == ("backbone.layer4.2.conv3.weight",)
    assert groups["layer4.2#2"].lrs == (None, 1e-6)
    assert groups["head"].lrs == (1e-3, 1e-4)
    assert groups["head (no decay)"].parameters == ("head.bias",)


@anything
@given(st.data())
def test_param_groups_partition_what_ever_trains(any_layers: st.SearchStrategy[Layers], data: st.DataObject) -> None:
    layers = data.draw(any_layers)
    name = data.draw(st.sampled_from(["head", "gradual", "layerwise", "gradual-layerwise", "full", "lp-ft", "last:1"]))
    try:
        plan = make_plan(name, layers, epochs=data.draw(st.integers(2, 9)))
    except PlanError:
        assert name == "last:1"  # all leaves below the head may be without weights
        return
    names = [name for group in plan.param_groups for name in group.parameters]
    trained = frozenset().union(*(plan.trained(i) for i in range(len(plan.phases))))
    assert len(set(names)) == len(names)
    assert set(names) == {p.name for leaf in layers.leaves if leaf.name in trained for p in leaf.parameters}
    assert len({group.name for group in plan.param_groups}) == len(plan.param_groups)
    decays = {p.name: p.decays for p in layers.parameters}
    assert all(decays[name] == group.decays for group in plan.param_groups for name in group.parameters)


def test_a_state_says_what_trains_and_at_which_rates(resnet50_layers: Layers) -> None:
    plan = Plan(
        resnet50_layers,
        (Phase("a", 1, ("head",), 1e-3), Phase("b", 2, ("layer4", "head"), 1e-4, weight_decay=0.1, norm="train")),
    )
    first = plan.state(Position(0, 0), steps_per_epoch=10)
    assert (first.phase, first.name, first.norm) == (0, "a", "eval")
    assert first.trained_leaves == {"head"}
    assert first.trained_parameters == {"head.weight", "head.bias"}
    for group, lr, decay in zip(plan.param_groups, first.lrs, first.weight_decays, strict=True):
        frozen = not group.name.startswith("head")
        assert lr == (0.0 if frozen else 1e-3 * rate_share("one-cycle", 0, n_steps=10))
        assert decay == (0.01 if group.name == "head" else 0.0)
    second = plan.state(Position(1, 6), steps_per_epoch=10)
    assert set(second.lrs) == {1e-4}
    assert second.weight_decays == tuple(0.1 if group.decays else 0.0 for group in plan.param_groups)
    assert second.norm == "train"


@pytest.mark.parametrize(
    ("step", "expected"), [(0, (0, 0)), (9, (0, 9)), (10, (1, 0)), (19, (1, 9)), (20, (2, 0)), (24, (2, 4))]
)
def test_a_position_is_phase_and_step_in_it(resnet50_layers: Layers, step: int, expected: tuple[int, int]) -> None:
    plan = make_plan("gradual", resnet50_layers, epochs=5)
    assert [phase.epochs for phase in plan.phases] == [2, 2, 1]
    assert plan.position(step, steps_per_epoch=5) == expected


def test_trap_07_an_early_stop_is_recorded_state_and_the_rest_follows_from_it(resnet50_layers: Layers) -> None:
    plan = make_plan("gradual", resnet50_layers, epochs=9)
    assert plan.position(10, steps_per_epoch=5) == (0, 10)
    assert plan.position(10, steps_per_epoch=5, phase_epochs=(2,)) == (1, 0)
    assert plan.position(17, steps_per_epoch=5, phase_epochs=(2, 1)) == (2, 2)


def test_a_step_beyond_the_end_is_an_error(resnet50_layers: Layers) -> None:
    plan = make_plan("gradual", resnet50_layers, epochs=9)
    with pytest.raises(PlanError, match="Step 45 lies beyond the plan: its phases end after 45 steps"):
        plan.position(45, steps_per_epoch=5)
    with pytest.raises(PlanError, match="end after 40 steps"):
        plan.position(44, steps_per_epoch=5, phase_epochs=(2,))


@pytest.mark.parametrize("phase_epochs", [(0,), (4,), (1, 1, 1, 1)])
def test_epochs_that_the_phases_cannot_have_taken_are_an_error(
    resnet50_layers: Layers, phase_epochs: tuple[int, ...]
) -> None:
    with pytest.raises(PlanError, match="phase_epochs"):
        make_plan("gradual", resnet50_layers, epochs=9).position(0, steps_per_epoch=1, phase_epochs=phase_epochs)


@pytest.mark.parametrize(("step", "steps_per_epoch"), [(-1, 5), (0, 0)])
def test_a_negative_step_or_an_empty_epoch_is_an_error(
    resnet50_layers: Layers, step: int, steps_per_epoch: int
) -> None:
    with pytest.raises(PlanError, match="at least"):
        make_plan("head", resnet50_layers).position(step, steps_per_epoch=steps_per_epoch)


@anything
@given(st.data())
def test_every_step_has_one_position_and_positions_run_on(
    any_layers: st.SearchStrategy[Layers], data: st.DataObject
) -> None:
    plan = make_plan("gradual", data.draw(any_layers), epochs=data.draw(st.integers(1, 8)))
    steps_per_epoch = data.draw(st.integers(1, 5))
    n_finished = data.draw(st.integers(0, len(plan.phases) - 1))
    took = tuple(data.draw(st.integers(1, phase.epochs)) for phase in plan.phases[:n_finished])
    lengths = [*took, *(phase.epochs for phase in plan.phases[n_finished:])]
    expected = [Position(i, step) for i, n in enumerate(lengths) for step in range(n * steps_per_epoch)]
    got = [plan.position(i, steps_per_epoch=steps_per_epoch, phase_epochs=took) for i in range(len(expected))]
    assert got == expected


@pytest.mark.parametrize("name", [*STRATEGIES, "stages:2", "last:12"])
def test_rates_are_positive_exactly_where_something_trains(resnet50_layers: Layers, name: str) -> None:
    plan = make_plan(name, resnet50_layers, epochs=6, solver="adamw")
    for step in range(18):
        state = plan.state(plan.position(step, steps_per_epoch=3), steps_per_epoch=3)
        for group, lr, decay in zip(plan.param_groups, state.lrs, state.weight_decays, strict=True):
            trains = set(group.parameters) <= state.trained_parameters
            assert trains or not set(group.parameters) & state.trained_parameters
            assert (lr > 0) == trains
            assert (decay > 0) == (trains and group.decays)


def test_all_problems_are_told_together(resnet50_layers: Layers) -> None:
    phases = (
        Phase("a", 0, ("layer5",), -1.0, solver="sgd"),
        Phase("a", 1, ("head",), 1e-3, layer_decay=2, warmup=0.1, norm="evl", weight_decay=-1, patience=0),
    )
    with pytest.raises(PlanError) as raised:
        Plan(resnet50_layers, phases)
    for part in (
        "10 problems",
        'Phase 1 ("a"): epochs must be at least 1, but got 0.',
        "lr must be a number above 0, but got -1.0.",
        '"layer5" matches no layer of tiny. Did you mean "layer',
        "layer_decay must be above 0 and at most 1",
        '"one-cycle" rises by itself',
        "weight_decay must be",
        "patience must be at least 1",
        'norm must be one of eval, train, frozen, but got "evl". Did you mean "eval"?',
        'Two phases are named "a"',
    ):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ()}, "trains nothing"),
        ({"train": ("kind:norm",), "norm": "frozen"}, "trains nothing: kind:norm are norm layers alone"),
        ({"lr": float("nan")}, "lr must be"),
        ({"lr": float("inf")}, "lr must be"),
        ({"name": " "}, "name must not be empty"),
        ({"warmup": 1.0, "schedule": "cosine"}, "warmup is a share"),
        ({"schedule": "step"}, "schedule must be one of"),
        ({"solver": "lbfg"}, "solver must be one of adamw, sgd, lbfgs"),
        ({"lr": None}, "lr is missing"),
        ({"solver": "lbfgs"}, 'lr means nothing to solver "lbfgs"'),
        ({"solver": "lbfgs", "lr": None, "train": ("stages:1",)}, "fits nothing but the head"),
        ({"select_features": "auto"}, 'select_features means nothing to solver "adamw"'),
        ({"solver": "lbfgs", "lr": None, "select_features": 0.0}, 'must be "auto", or a share above 0 and at most 1'),
        ({"solver": "lbfgs", "lr": None, "select_features": 1.5}, "but got 1.5"),
        ({"solver": "lbfgs", "lr": None, "select_features": float("nan")}, "but got nan"),
        ({"solver": "lbfgs", "lr": None, "select_features": "most"}, "but got 'most'"),
        (
            {"solver": "lbfgs", "rates": {"head": 1e-3}, "schedule": "cosine", "warmup": 0.1},
            'lr, rates, schedule, warmup mean nothing to solver "lbfgs", which takes no steps: leave them out',
        ),
        ({"rates": {"layer4": 1e-4}}, 'rates names "layer4", which does not train here'),
        ({"rates": {"layer9": 1e-4}}, 'rates: "layer9" matches no layer'),
        ({"rates": {"head": 0.0}}, 'the rate of "head" must be above 0'),
        ({"train": ("all",), "layer_decay": 1e-30}, "bring it nearer 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_trap_19_a_plan_that_cannot_train_is_refused(
    resnet50_layers: Layers, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        one(resnet50_layers, **changes)


def test_a_plan_without_phases_or_with_two_solvers_is_refused(resnet50_layers: Layers) -> None:
    with pytest.raises(PlanError, match="at least one phase"):
        Plan(resnet50_layers, ())
    phases = (Phase("a", 1, ("head",), 1e-3), Phase("b", 1, ("all",), 1e-3, solver="sgd"))
    with pytest.raises(PlanError, match="solver must be the same in all phases"):
        Plan(resnet50_layers, phases)


def test_a_fitted_head_has_no_rate_and_later_phases_find_it_in_the_optimizer(resnet50_layers: Layers) -> None:
    phases = (Phase("fit", 2, ("head",), solver="lbfgs"), Phase("tune", 3, ("stages:1",), 1e-3, weight_decay=0.1))
    plan = Plan(resnet50_layers, phases)
    head = [group for group in plan.param_groups if group.name.startswith("head")]
    assert [group.lrs for group in head] == [(0.0, 1e-3)] * 2
    fit = plan.state(Position(0, 0), steps_per_epoch=4)
    assert not any(fit.lrs)
    assert not any(fit.weight_decays)
    assert fit.trained_leaves == frozenset({"head"})
    assert any(plan.state(Position(1, 0), steps_per_epoch=4).weight_decays)


def test_a_head_with_a_hidden_layer_is_not_fitted(make_layers: Callable[..., Layers]) -> None:
    layers = make_layers({"stem": {"stem": [("conv1", "conv")]}}, head=("head.0", "head.2"))
    with pytest.raises(PlanError, match="this head has a hidden layer"):
        Plan(layers, (Phase("fit", 2, ("head",), solver="lbfgs"),))
