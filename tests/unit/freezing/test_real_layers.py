"""Plans on real networks: timm's own scales, and the three classic recipes, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import timm
from timm.optim import param_groups_layer_decay

from unfreeze.backbones import layers_of, model_layers
from unfreeze.plans import Phase, Plan, PlanSettings, make_plan, strategies

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network


@pytest.mark.parametrize("decay", [0.65, 0.75])
def test_layerwise_rates_are_timms_where_the_groupings_agree(decay: float) -> None:
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=32)
    scales = {
        id(parameter): group["lr_scale"]
        for group in param_groups_layer_decay(model, layer_decay=decay)
        for parameter in group["params"]
    }
    layers = layers_of(model)
    peaks = strategies.layerwise(layers, lr=1.0, layer_decay=decay).peak_lrs(0)
    for name, parameter in model.named_parameters():
        assert peaks[layers.leaf_by_parameter[name]] == pytest.approx(scales[id(parameter)])


def test_both_readings_of_the_last_20_layers_hold_on_the_real_resnet50() -> None:
    layers = model_layers("resnet50", size=64)
    assert len(layers.groups) == 18
    assert layers.select("last:12") == layers.select("from:layer4.1")
    assert layers.select("last:20") == layers.select(["layer4", "head"])


def test_classic_way_1_a_new_head_with_a_hidden_layer_on_vgg16() -> None:
    layers = model_layers("vgg16", size=64, hidden=1024)
    plan = make_plan("head", layers, settings=PlanSettings(model="vgg16", hidden=1024))
    assert {leaf.name for leaf in layers.leaves if leaf.name in plan.trained(0)} == layers.select("head")
    shapes = [p.shape for leaf in layers.groups[-1].leaves for p in leaf.parameters]
    assert shapes == [(1024, 512), (1024,), (2, 1024), (2,)]
    assert set(plan.peak_lrs(0).values()) == {1e-3}


def test_classic_way_2_the_head_then_the_last_20_layers_of_resnet50() -> None:
    plan = make_plan("last:12", model_layers("resnet50", size=64))
    head = plan.layers.select("head")
    assert plan.trained(0) == head
    assert plan.trained(1) == head | {
        f"layer4.{block}.{part}{i}" for block in (1, 2) for part in ("conv", "bn") for i in (1, 2, 3)
    }
    assert (set(plan.peak_lrs(0).values()), set(plan.peak_lrs(1).values())) == ({1e-3}, {1e-4})


def test_classic_way_3_rates_by_name_on_mobilenetv2() -> None:
    layers = model_layers("mobilenetv2_100", size=64)
    rates = {"{conv_stem,bn1,blocks.{0,1}}": 1e-5, "blocks.{2,3,4}": 5e-5, "{blocks.{5,6},conv_head,bn2}": 1e-4}
    plan = Plan(layers, (Phase("all", 10, ("all",), 1e-3, rates=rates),))
    peaks = plan.peak_lrs(0)
    expected = {"conv_stem": 1e-5, "blocks.1.0.conv_dw": 1e-5, "blocks.4.2.bn1": 5e-5, "conv_head": 1e-4}
    assert {name: peaks[name] for name in expected} == expected
    assert {peaks[name] for name in layers.select("head")} == {1e-3}
    assert set(peaks) == layers.select("all")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["vgg16", "resnet50", "mobilenetv2_100", "tf_efficientnet_lite0", "convnext_atto", "densenet121"]
)
def test_a_plan_is_the_same_for_a_network_with_and_without_weights(
    make_network: Callable[..., Network], name: str
) -> None:
    without = model_layers(name, size=64, n_outputs=3)
    assert make_plan("gradual", without) == make_plan("gradual", layers_of(make_network(name)))
