"""What each strategy trains, when, and at which rates."""

from __future__ import annotations

import inspect
from math import isclose
from typing import TYPE_CHECKING

import pytest

from unfreeze.errors import PlanError
from unfreeze.plans import STRATEGIES, Plan, PlanSettings, make_plan, strategies
from unfreeze.plans.strategy import share_epochs

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.layers import Layers

NAMES = ["full", "gradual", "gradual-layerwise", "head", "head2toe", "layerwise", "lp-ft", "norm-only"]
ANY = [*NAMES, "stages:2", "last:12", "layer{3,4}", "all"]


def test_every_file_with_a_strategy_is_found_and_its_function_is_public() -> None:
    assert list(STRATEGIES) == NAMES
    for name, strategy in STRATEGIES.items():
        assert getattr(strategies, name.replace("-", "_")) is strategy.write
        assert strategy.summary
        assert len(strategy.summary) <= 90
        assert "\n" not in strategy.summary
        assert "Raises:" in (inspect.getdoc(strategy.write) or "")


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("epochs", [2, 3, 10, 31])
def test_the_phases_take_exactly_the_epochs_that_were_asked_for(
    resnet50_layers: Layers, name: str, epochs: int
) -> None:
    plan = make_plan(name, resnet50_layers, epochs=epochs)
    assert plan.epochs == epochs


@pytest.mark.parametrize("name", [name for name in ANY if name != "lp-ft"])
def test_one_epoch_is_enough(resnet50_layers: Layers, name: str) -> None:
    assert make_plan(name, resnet50_layers, epochs=1).epochs == 1


@pytest.mark.parametrize("name", ANY)
def test_every_rate_scales_with_lr(resnet50_layers: Layers, name: str) -> None:
    one, ten = (make_plan(name, resnet50_layers, lr=lr, solver="adamw") for lr in (1e-3, 1e-2))
    for a, b in zip(one.param_groups, ten.param_groups, strict=True):
        for x, y in zip(a.lrs, b.lrs, strict=True):
            assert (x is None and y is None) or isclose(x * 10, y)


@pytest.mark.parametrize("name", [name for name in ANY if name != "full"])
def test_the_head_peaks_at_lr_in_the_first_phase(resnet50_layers: Layers, name: str) -> None:
    assert make_plan(name, resnet50_layers, lr=2e-3, solver="adamw").peak_lrs(0)["head"] == 2e-3


def test_head2toe_fits_a_head_on_all_stages_without_a_rate_unless_told_otherwise(resnet50_layers: Layers) -> None:
    plan = strategies.head2toe(resnet50_layers, epochs=5)
    assert [(phase.train, phase.solver, phase.lr) for phase in plan.phases] == [(("head",), "lbfgs", None)]
    assert plan.settings.features == "stages"
    stepping = strategies.head2toe(resnet50_layers, solver="adamw", lr=1e-2)
    assert [(phase.solver, phase.lr) for phase in stepping.phases] == [("adamw", 1e-2)]
    with pytest.raises(PlanError, match="lr means nothing"):
        strategies.head2toe(resnet50_layers, lr=1e-2)


@pytest.mark.parametrize("name", ANY)
def test_phase_options_reach_every_phase(resnet50_layers: Layers, name: str) -> None:
    options = {"solver": "sgd", "weight_decay": 0.5, "norm": "train", "patience": 4, "schedule": "cosine"}
    for phase in make_plan(name, resnet50_layers, warmup=0.1, **options).phases:
        assert {key: getattr(phase, key) for key in options} == options
        assert phase.warmup == 0.1


def test_head_trains_the_head_alone(resnet50_layers: Layers) -> None:
    plan = strategies.head(resnet50_layers, epochs=5)
    assert [(phase.epochs, phase.train, phase.lr) for phase in plan.phases] == [(5, ("head",), 1e-3)]


def test_trap_02_a_linear_probe_trains_no_norm_layer(resnet50_layers: Layers) -> None:
    plan = strategies.head(resnet50_layers)
    assert not plan.trained(0) & resnet50_layers.select("kind:norm")
    assert plan.param_groups[0].parameters == ("head.weight",)


def test_the_classic_recipe_trains_the_head_alone_first_and_then_the_last_layers(resnet50_layers: Layers) -> None:
    # The popular snippet freezes layers[:-20] at first: they train at the high rate from the start.
    plan = make_plan("last:12", resnet50_layers)
    assert [phase.epochs for phase in plan.phases] == [4, 6]
    assert plan.trained(0) == {"head"}
    assert plan.trained(1) == resnet50_layers.select(["layer4.1", "layer4.2", "head"])
    assert set(plan.peak_lrs(0).values()) == {1e-3}
    assert set(plan.peak_lrs(1).values()) == {1e-4}
    unfrozen = [group for group in plan.param_groups if not group.name.startswith("head")]
    assert {group.lrs for group in unfrozen} == {(None, 1e-4)}


def test_a_selector_trains_the_head_along(resnet50_layers: Layers) -> None:
    assert make_plan("layer4", resnet50_layers).phases[1].train == ("layer4", "head")
    assert make_plan("stages:0", resnet50_layers) == make_plan("head", resnet50_layers)


def test_a_selector_with_one_epoch_trains_it_at_once(resnet50_layers: Layers) -> None:
    plan = make_plan("stages:1", resnet50_layers, epochs=1)
    assert plan.trained(0) == resnet50_layers.select("stages:1")
    assert plan.peak_lrs(0)["head"] == 1e-3
    assert plan.peak_lrs(0)["layer4.0.conv1"] == 1e-4


def test_gradual_unfreezes_stage_by_stage_downwards_at_falling_rates(resnet50_layers: Layers) -> None:
    plan = strategies.gradual(resnet50_layers)
    assert [(phase.name, phase.epochs, phase.train) for phase in plan.phases] == [
        ("head", 4, ("head",)),
        ("from layer4", 3, ("layer4", "head")),
        ("from layer3", 3, ("layer3", "layer4", "head")),
    ]
    assert [phase.lr for phase in plan.phases] == [1e-3, 1e-4, pytest.approx(1e-4 / 2.6)]


def test_gradual_takes_as_many_phases_as_told_and_as_there_are_stages(resnet50_layers: Layers) -> None:
    assert len(strategies.gradual(resnet50_layers, n_phases=2).phases) == 2
    assert len(strategies.gradual(resnet50_layers, n_phases=99).phases) == 6
    assert strategies.gradual(resnet50_layers, n_phases=99).phases[-1].train == ("all",)
    assert strategies.gradual(resnet50_layers, epochs=1).phases[0].train == ("head",)
    with pytest.raises(PlanError, match="n_phases must be at least 1"):
        strategies.gradual(resnet50_layers, n_phases=0)


def test_layerwise_trains_everything_at_decaying_rates(resnet50_layers: Layers) -> None:
    peaks = strategies.layerwise(resnet50_layers).peak_lrs(0)
    assert peaks.keys() == resnet50_layers.select("all")
    for name, lr in peaks.items():
        assert lr == 1e-3 * 0.75 ** resnet50_layers.distance(resnet50_layers.group_of(name).name)
    assert 5e-6 < peaks["conv1"] < 1e-5  # the classic tiers: early 1e-5, middle 5e-5 to 1e-4, head 1e-3
    assert 5e-5 < peaks["layer3.1.conv1"] < 2e-4


def test_gradual_layerwise_does_both_as_ulmfit(resnet50_layers: Layers) -> None:
    plan = strategies.gradual_layerwise(resnet50_layers)
    assert [phase.train for phase in plan.phases][:3] == [("head",), ("layer4", "head"), ("layer3", "layer4", "head")]
    assert plan.phases[-1].train == ("all",)
    assert [phase.epochs for phase in plan.phases] == [2, 2, 2, 2, 1, 1]
    peaks = plan.peak_lrs(5)
    assert peaks["head"] == 1e-3
    assert peaks["layer4.0.conv1"] == 1e-4
    for upper, lower in [("layer4", "layer3"), ("layer3", "layer2"), ("layer2", "layer1")]:
        assert isclose(peaks[f"{upper}.0.conv1"] / peaks[f"{lower}.0.conv1"], 2.6)
    for group in plan.param_groups:  # a stage keeps its rate once it is unfrozen
        assert len({lr for lr in group.lrs if lr is not None}) == 1


def test_full_trains_everything_below_the_head_at_a_tenth(resnet50_layers: Layers) -> None:
    peaks = strategies.full(resnet50_layers).peak_lrs(0)
    assert peaks.pop("head") == 1e-3
    assert set(peaks.values()) == {1e-4}
    assert peaks.keys() == resnet50_layers.select("all") - {"head"}


def test_lp_ft_probes_first_and_then_tunes_everything_at_a_low_rate(resnet50_layers: Layers) -> None:
    plan = strategies.lp_ft(resnet50_layers, epochs=10)
    assert [(phase.epochs, phase.train) for phase in plan.phases] == [(5, ("head",)), (5, ("all",))]
    assert set(plan.peak_lrs(1).values()) == {5e-5}
    with pytest.raises(PlanError, match="needs at least 2 epochs, but got 1"):
        strategies.lp_ft(resnet50_layers, epochs=1)


def test_norm_only_trains_norm_layers_and_head(resnet50_layers: Layers) -> None:
    plan = strategies.norm_only(resnet50_layers)
    assert plan.trained(0) == resnet50_layers.select(["kind:norm", "head"])
    assert not any(group.decays for group in plan.param_groups if not group.name.startswith("head"))


def test_norm_only_with_frozen_norm_layers_is_a_contradiction(resnet50_layers: Layers) -> None:
    with pytest.raises(PlanError, match='norm is "frozen"'):
        strategies.norm_only(resnet50_layers, norm="frozen")


def test_norm_only_needs_norm_layers(make_layers: Callable[..., Layers]) -> None:
    vgg = make_layers({"features": {"features": [("features.0", "conv")]}})
    with pytest.raises(PlanError, match="needs norm layers, but tiny has none"):
        make_plan("norm-only", vgg)


@pytest.mark.parametrize("epochs", [0, -3])
@pytest.mark.parametrize("name", ANY)
def test_too_few_epochs_are_an_error(resnet50_layers: Layers, name: str, epochs: int) -> None:
    with pytest.raises(PlanError, match=r"epochs? must be at least 1|at least 2 epochs"):
        make_plan(name, resnet50_layers, epochs=epochs)


def test_settings_are_kept(resnet50_layers: Layers) -> None:
    said = PlanSettings(model="resnet50", size=224, hidden=1024)
    plan = make_plan("head", resnet50_layers, settings=said)
    assert plan.settings == said
    assert isinstance(plan, Plan)


@pytest.mark.parametrize(("name", "near"), [("graduel", "gradual"), ("lp_ft", "lp-ft"), ("layer5", "layer1")])
def test_an_unknown_name_offers_the_nearest(resnet50_layers: Layers, name: str, near: str) -> None:
    with pytest.raises(PlanError, match=f"neither a strategy nor a selector.*{near}"):
        make_plan(name, resnet50_layers)


def test_epochs_are_shared_as_evenly_as_can_be() -> None:
    for epochs in range(1, 30):
        for n_phases in range(1, 8):
            shares = share_epochs(epochs, n_phases=n_phases)
            assert sum(shares) == epochs
            assert len(shares) == min(n_phases, epochs)
            assert shares[0] - shares[-1] in (0, 1)
            assert list(shares) == sorted(shares, reverse=True)
