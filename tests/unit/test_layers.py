"""Layers and selectors: which layers a text means."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unfreeze.errors import SelectorError
from unfreeze.layers import LayerGroup, Layers, Leaf, Parameter, Stage, strip_wrappers, unwrap
from unfreeze.selectors import parse_selector, path_matches

if TYPE_CHECKING:
    from collections.abc import Callable

anything = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def mobilenet(make_layers: Callable[..., Layers]) -> Layers:
    """Blocks 1 and 10 to 12, as they tempt a prefix match, a stage that is no module, and a hidden head."""
    blocks = {
        f"blocks.{i}": [(f"blocks.{i}.conv_dw", "conv"), (f"blocks.{i}.bn1", "norm"), (f"blocks.{i}.conv_pw", "conv")]
        for i in (1, 10, 11, 12)
    }
    return make_layers(
        {
            "stem": {"stem": [("conv_stem", "conv"), ("bn1", "norm")]},
            "blocks": blocks,
            "pre_head": {"pre_head": [("head.norm", "norm")]},
        },
        head=("head.0", "head.3"),
    )


def test_groups_leaves_and_parameters_are_listed_from_input_to_head(resnet50_layers: Layers) -> None:
    assert [group.name for group in resnet50_layers.groups][:2] == ["stem", "layer1.0"]
    assert resnet50_layers.groups[-1].name == "head"
    assert len(resnet50_layers.groups) == 18
    assert resnet50_layers.leaves[0].name == "conv1"
    assert resnet50_layers.n_parameters == 8 * len(resnet50_layers.leaves)
    assert resnet50_layers.group_of("layer3.2.bn1").name == "layer3.2"
    assert resnet50_layers.stage_of("layer3.2.bn1").name == "layer3"


def test_distance_counts_layer_groups_down_from_the_head(resnet50_layers: Layers) -> None:
    assert [resnet50_layers.distance(name) for name in ("head", "layer4.2", "layer4.1", "stem")] == [0, 1, 2, 17]


def test_trap_10_last_n_counts_from_the_output_and_zero_means_none(resnet50_layers: Layers) -> None:
    head = resnet50_layers.select("head")
    assert head == {"head"}
    assert resnet50_layers.select("last:0") == resnet50_layers.select("stages:0") == head
    assert resnet50_layers.select("groups:0") == head
    assert resnet50_layers.select("last:1") == {"layer4.2.bn3", "head"}
    assert resnet50_layers.select("stages:1") == resnet50_layers.select(["layer4", "head"])


def test_both_readings_of_the_last_20_layers_of_resnet50(resnet50_layers: Layers) -> None:
    # Keras counts activations and adds among its last 20: they are the last two blocks.
    assert resnet50_layers.select("last:12") == resnet50_layers.select("from:layer4.1")
    assert resnet50_layers.select("last:12") == resnet50_layers.select("groups:2")
    # Counted by weights, the last 20 are all of the last stage.
    assert resnet50_layers.select("last:20") == resnet50_layers.select(["layer4", "head"])


def test_last_n_counts_conv_norm_and_linear_alone_in_order_of_use() -> None:
    leaves = [("a", "conv"), ("token", "other"), ("b", "linear"), ("scale", "other")]
    members = tuple(Leaf(name, kind, (Parameter(name, (1,), decays=False),)) for name, kind in leaves)
    head = Stage("head", (LayerGroup("head", (Leaf("head", "linear", ()),)),))
    layers = Layers("m", (Stage("s", (LayerGroup("g", members),)), head), order=("b", "token", "a", "scale", "head"))
    assert layers.select("last:1") == {"a", "scale", "head"}
    assert layers.select("last:2") == {"b", "token", "a", "scale", "head"}


@pytest.mark.parametrize(("form", "n_known"), [("last", 106), ("stages", 5), ("groups", 17)])
def test_a_count_beyond_what_there_is_is_an_error_that_names_the_number(
    resnet50_layers: Layers, form: str, n_known: int
) -> None:
    assert resnet50_layers.select(f"{form}:{n_known}") == resnet50_layers.select("all")
    with pytest.raises(SelectorError, match=rf"has {n_known} .* Take a number from 0 to {n_known}"):
        resnet50_layers.select(f"{form}:{n_known + 1}")


def test_trap_09_names_match_by_whole_components(mobilenet: Layers) -> None:
    assert mobilenet.select("blocks.1") == {"blocks.1.conv_dw", "blocks.1.bn1", "blocks.1.conv_pw"}
    assert mobilenet.select("blocks.1*") == mobilenet.select("blocks")
    assert mobilenet.select("blocks.*.conv_dw") == {f"blocks.{i}.conv_dw" for i in (1, 10, 11, 12)}
    assert mobilenet.select("blocks.{1,1[12]}.bn1") == {f"blocks.{i}.bn1" for i in (1, 11, 12)}


def test_trap_09_wrapper_prefixes_are_removed_first(mobilenet: Layers) -> None:
    assert mobilenet.select("module.backbone.blocks.10") == mobilenet.select("blocks.10")
    assert mobilenet.select("from:_orig_mod.blocks.10") == mobilenet.select("from:blocks.10")
    assert strip_wrappers("_orig_mod.module.backbone.blocks.1") == "blocks.1"
    assert strip_wrappers("blocks._orig_mod.1") == "blocks.1"
    assert strip_wrappers("modules.backbones.1") == "modules.backbones.1"
    assert unwrap("module.backbone._orig_mod.fc") == "backbone.fc"


@pytest.mark.parametrize(
    ("selector", "near"),
    [
        ("block.1", "blocks.1"),
        ("blocks.2", "blocks.12"),
        ("from:blocks.13", "blocks.1"),
        ("leaf:blocks.1", "blocks.1"),
        ("haed", "head"),
        ("{blocks.1,blokcs.10}", "blocks.10"),
    ],
)
def test_trap_09_a_selector_that_matches_nothing_offers_the_nearest_names(
    mobilenet: Layers, selector: str, near: str
) -> None:
    with pytest.raises(SelectorError, match=rf"matches no layer of tiny\. Did you mean .*\"{near}") as raised:
        mobilenet.select(selector)
    assert "stem, blocks, pre_head, head" in str(raised.value)


def test_head_is_the_attached_head_alone(mobilenet: Layers) -> None:
    assert mobilenet.select("head") == {"head.0", "head.3"}
    assert mobilenet.select("head.norm") == mobilenet.select("pre_head") == {"head.norm"}
    assert mobilenet.select("head.3") == {"head.3"}
    assert mobilenet.select("*") == mobilenet.select("all") - {"head.0", "head.3"}


def test_a_wildcard_does_not_reach_the_head_but_its_own_path_does() -> None:
    def leaf(name: str) -> Leaf:
        return Leaf(name, "linear", (Parameter(f"{name}.weight", (1, 1), decays=True),))

    below = Stage("body", (LayerGroup("body", (leaf("fc1"),)),))
    layers = Layers("mlp", (below, Stage("head", (LayerGroup("head", (leaf("fc2"),)),))))
    assert layers.select("fc*") == {"fc1"}
    assert layers.select("fc2") == layers.select("head") == {"fc2"}


def test_from_takes_everything_from_a_names_first_leaf_on(mobilenet: Layers) -> None:
    assert mobilenet.select("from:blocks") == mobilenet.select("all") - mobilenet.select("stem")
    assert mobilenet.select("from:blocks.12.bn1") == {
        "blocks.12.bn1",
        "blocks.12.conv_pw",
        "head.norm",
        "head.0",
        "head.3",
    }
    assert mobilenet.select("from:pre_head") == {"head.norm", "head.0", "head.3"}
    assert mobilenet.select("from:head") == mobilenet.select("head")


def test_from_follows_the_order_of_use_not_of_registration() -> None:
    leaves = tuple(Leaf(name, "conv", (Parameter(name, (1,), decays=True),)) for name in ("late", "early"))
    head = Stage("head", (LayerGroup("head", (Leaf("head", "linear", ()),)),))
    layers = Layers("m", (Stage("s", (LayerGroup("g", leaves),)), head), order=("early", "late", "head"))
    assert layers.select("from:late") == {"late", "head"}


def test_kind_selects_below_the_head(mobilenet: Layers, resnet50_layers: Layers) -> None:
    assert mobilenet.select("kind:norm") == {"bn1", "head.norm", *(f"blocks.{i}.bn1" for i in (1, 10, 11, 12))}
    assert len(resnet50_layers.select("kind:conv")) == 53
    with pytest.raises(SelectorError, match='"kind:linear" matches no layer'):
        mobilenet.select("kind:linear")


def test_a_stage_name_that_is_no_path_is_a_name_all_the_same(mobilenet: Layers) -> None:
    assert mobilenet.select("stem") == {"conv_stem", "bn1"}
    assert mobilenet.select("bn1") == {"bn1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must not be empty"),
        ("layer{3,}x.", "empty component"),
        ("layer..1", "empty component"),
        ("layer{3", "never closed"),
        ("layer3}", 'without a "{"'),
        ("stage:2", 'Did you mean "stages:"'),
        ("last:-1", "whole number of at least 0"),
        ("last:", "whole number of at least 0"),
        ("last:two", "whole number of at least 0"),
        ("from:", "needs a name"),
        ("kind:nrom", 'Did you mean "norm"'),
    ],
)
def test_a_malformed_selector_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SelectorError, match=message):
        parse_selector(text)


def test_braces_nest_and_mean_the_union() -> None:
    assert [part.name for part in parse_selector("a{1,2{x,y}}.b")] == ["a1.b", "a2x.b", "a2y.b"]


def test_a_leaf_below_a_leaf_can_be_told_apart(make_layers: Callable[..., Layers]) -> None:
    layers = make_layers({"body": {"body": [("attn", "other"), ("attn.out_proj", "linear")]}})
    assert layers.select("attn") == {"attn", "attn.out_proj"}
    assert layers.select("leaf:attn") == {"attn"}
    assert layers.names_for({"attn", "head"}) == ("leaf:attn", "head")


def test_a_stage_named_like_a_module_that_holds_less_is_spelt_out(make_layers: Callable[..., Layers]) -> None:
    layers = make_layers({"norm": {"norm": [("norm.a", "norm"), ("extra", "conv")]}})
    assert layers.select("norm") == {"norm.a"}
    assert layers.select(layers.names_for({"norm.a", "extra"})) == {"norm.a", "extra"}


def test_names_for_prefers_the_fewest_names(resnet50_layers: Layers) -> None:
    layers = resnet50_layers
    assert layers.names_for(layers.select("all")) == ("all",)
    assert layers.names_for(layers.select("stages:2")) == ("layer3", "layer4", "head")
    assert layers.names_for(layers.select("last:12")) == ("layer4.1", "layer4.2", "head")
    assert layers.names_for(layers.select(["kind:norm", "head"])) == ("kind:norm", "head")
    assert layers.names_for(layers.select("last:1")) == ("layer4.2.bn3", "head")


@anything
@given(st.data())
def test_names_for_is_the_inverse_of_select(any_layers: st.SearchStrategy[Layers], data: st.DataObject) -> None:
    layers = data.draw(any_layers)
    leaves = data.draw(st.frozensets(st.sampled_from(layers.order), min_size=1))
    names = layers.names_for(leaves)
    assert layers.select(names) == leaves
    assert layers.names_for(layers.select(names)) == names


@anything
@given(st.data())
def test_stages_and_groups_partition_the_leaves_and_selectors_grow_with_their_number(
    any_layers: st.SearchStrategy[Layers], data: st.DataObject
) -> None:
    layers = data.draw(any_layers)
    for units in (layers.stages, layers.groups):
        names = [name for unit in units for name in sorted(unit.leaf_names)]
        assert sorted(names) == sorted(layers.order)
    for form, n_known in (("stages", len(layers.stages) - 1), ("groups", len(layers.groups) - 1)):
        selected = [layers.select(f"{form}:{n}") for n in range(n_known + 1)]
        assert all(a < b for a, b in itertools.pairwise(selected))
        assert selected[0] == layers.select("head")
        assert selected[-1] == layers.select("all")


@anything
@given(st.data())
def test_a_path_selects_whole_components_only(any_layers: st.SearchStrategy[Layers], data: st.DataObject) -> None:
    layers = data.draw(any_layers)
    leaf = data.draw(st.sampled_from([name for name in layers.order if not name.startswith("head")]))
    parts = leaf.split(".")
    path = ".".join(parts[: data.draw(st.integers(1, len(parts)))])
    expected = {name for name in layers.order if name == path or name.startswith(path + ".")}
    assert layers.select(path) == expected


@anything
@given(st.lists(st.sampled_from(["block", "1", "10", "conv"]), min_size=1, max_size=4))
def test_a_pattern_matches_itself_and_what_lies_below_but_no_longer_component(parts: list[str]) -> None:
    path = ".".join(parts)
    assert path_matches(path, path)
    assert path_matches(path, f"{path}.weight")
    assert not path_matches(path, f"{path}0")
    assert not path_matches(f"{path}.weight", path)


def test_layers_refuse_a_leaf_that_is_listed_twice() -> None:
    leaf = Leaf("a", "conv", ())
    head = Stage("head", (LayerGroup("head", (Leaf("head", "linear", ()),)),))
    with pytest.raises(AssertionError, match="repeats"):
        Layers("m", (Stage("s", (LayerGroup("g", (leaf, leaf)),)), head))


def test_layers_and_plans_do_not_load_torch() -> None:
    code = "import sys, unfreeze.layers, unfreeze.plans; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
