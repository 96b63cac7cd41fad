"""Plans as TOML, both ways."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unfreeze.errors import PlanError
from unfreeze.plans import STRATEGIES, Phase, Plan, PlanSettings, make_plan
from unfreeze.records import Share

if TYPE_CHECKING:
    from pathlib import Path

    from unfreeze.layers import Layers

DESIGN = """
version = 1
model = "tf_efficientnet_lite0"
size = 320
[[phase]]
name = "head"
epochs = 3
train = "head"
lr = 1e-3
[[phase]]
name = "top stages"
epochs = 7
train = "stages:2"
lr = 3e-4
layer_decay = 0.7                 # rate of a layer group
rates = { "layer3.5" = 1e-5 }     # absolute, by selector, wins over decay
schedule = "one-cycle"
norm = "eval"
solver = "adamw"
"""


@st.composite
def plans(draw: st.DrawFn, layers: Layers) -> Plan:
    """Any plan that is allowed for some layers."""
    solver = draw(st.sampled_from(["adamw", "sgd"]))
    phases = []
    for name in draw(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3, unique=True)):
        leaves = draw(st.frozensets(st.sampled_from(layers.order), min_size=1))
        rated = draw(st.lists(st.sampled_from(sorted(leaves)), max_size=2, unique=True))
        schedule = draw(st.sampled_from(["constant", "cosine", "one-cycle"]))
        phases.append(
            Phase(
                name,
                epochs=draw(st.integers(1, 99)),
                train=tuple(f"leaf:{leaf}" for leaf in sorted(leaves)),
                lr=draw(st.floats(1e-9, 10)),
                layer_decay=draw(st.floats(0.1, 1)),
                rates={leaf: draw(st.floats(1e-9, 10)) for leaf in rated},
                schedule=schedule,
                warmup=0.0 if schedule == "one-cycle" else draw(st.floats(0, 0.9)),
                norm=draw(st.sampled_from(["eval", "train"])),
                weight_decay=draw(st.floats(0, 1)),
                solver=solver,
                patience=draw(st.none() | st.integers(1, 9)),
            )
        )
    positive = st.none() | st.integers(1, 4096)
    said = PlanSettings(
        model=draw(st.none() | st.text()),
        size=draw(positive),
        hidden=draw(positive),
        views=draw(positive),
        augment=draw(st.sampled_from([None, "none", "light", "standard"])),
    )
    return Plan(layers, tuple(phases), said)


@pytest.mark.slow
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_plan_survives_the_way_through_toml(any_layers: st.SearchStrategy[Layers], data: st.DataObject) -> None:
    layers = data.draw(any_layers)
    plan = data.draw(plans(layers))
    text = plan.to_toml()
    assert Plan.from_toml(text, layers=layers) == plan
    assert Plan.from_toml(text, layers=layers).to_toml() == text


@pytest.mark.parametrize("name", [*STRATEGIES, "stages:2", "last:12"])
def test_every_strategy_survives_the_way_through_toml(resnet50_layers: Layers, name: str) -> None:
    plan = make_plan(name, resnet50_layers, settings=PlanSettings(model="resnet50", hidden=1024))
    assert Plan.from_toml(plan.to_toml(), layers=resnet50_layers) == plan


def test_the_design_example_is_read(resnet50_layers: Layers) -> None:
    plan = Plan.from_toml(DESIGN, layers=resnet50_layers)
    assert plan.settings == PlanSettings(model="tf_efficientnet_lite0", size=320)
    assert plan.epochs == 10
    top = plan.phases[1]
    assert top.train == ("layer3", "layer4", "head")
    assert (top.lr, top.layer_decay, top.rates) == (3e-4, 0.7, {"layer3.5": 1e-5})
    assert plan.peak_lrs(1)["layer3.5.conv1"] == 1e-5
    assert plan.peak_lrs(1)["layer4.2.conv1"] == 3e-4 * 0.7


def test_the_text_holds_real_names_and_every_value(resnet50_layers: Layers) -> None:
    document = tomllib.loads(Plan.from_toml(DESIGN, layers=resnet50_layers).to_toml())
    assert list(document) == ["version", "model", "size", "phase"]
    assert document["phase"][0] == {
        "name": "head",
        "epochs": 3,
        "train": "head",
        "lr": 1e-3,
        "layer_decay": 1.0,
        "schedule": "one-cycle",
        "warmup": 0.0,
        "norm": "eval",
        "weight_decay": 0.01,
        "solver": "adamw",
    }
    assert document["phase"][1]["train"] == ["layer3", "layer4", "head"]


def test_a_plan_is_read_from_a_file(resnet50_layers: Layers, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(DESIGN, encoding="utf-8")
    expected = Plan.from_toml(DESIGN, layers=resnet50_layers)
    assert Plan.from_toml(path, layers=resnet50_layers) == expected
    assert Plan.from_toml(str(path), layers=resnet50_layers) == expected


def test_a_missing_or_unreadable_file_is_an_error_with_a_remedy(resnet50_layers: Layers, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r'"no\.toml" does not exist\. `unfreeze plan MODEL --toml`'):
        Plan.from_toml("no.toml", layers=resnet50_layers)
    with pytest.raises(PlanError, match="cannot be read as a text file"):
        Plan.from_toml(tmp_path, layers=resnet50_layers)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="cannot be read as a text file"):
        Plan.from_toml(tmp_path / "binary", layers=resnet50_layers)
    with pytest.raises(PlanError, match=r"is not TOML: .*line 1"):
        Plan.from_toml("[[phase]\n", layers=resnet50_layers)


def test_all_mistakes_in_a_file_are_told_together(resnet50_layers: Layers) -> None:
    text = """
    version = 2
    modle = "x"
    size = 0
    augment = "strong"
    [[phase]]
    name = "a"
    epocs = 3
    epochs = "3"
    lr = true
    rates = { head = "fast" }
    [[phase]]
    train = [1]
    """
    with pytest.raises(PlanError) as raised:
        Plan.from_toml(text, layers=resnet50_layers)
    for part in (
        "version must be 1, but got 2",
        'the key "modle" is unknown. Did you mean "model"?',
        '"size" must be a whole number of at least 1, but got 0.',
        "\"augment\" must be one of none, light, standard, but got 'strong'.",
        'Phase 1 ("a"): the key "epocs" is unknown. Did you mean "epochs"?',
        'Phase 1 ("a"): "epochs" must be a whole number, but got \'3\'.',
        'Phase 1 ("a"): "lr" must be a number, but got True.',
        'Phase 1 ("a"): "rates" must be a table of numbers by selector',
        'Phase 1 ("a"): "train" is missing: a selector, or a list of selectors.',
        'Phase 2: "train" must be a selector, or a list of selectors, but got [1].',
        'Phase 2: "name" is missing',
        'Phase 2: "epochs" is missing',
        'Phase 2: "lr" is missing',
    ):
        assert part in str(raised.value)


def test_unknown_layers_are_told_together_with_unknown_settings(resnet50_layers: Layers) -> None:
    text = 'sise = 3\n[[phase]]\nname = "a"\nepochs = 1\ntrain = "layer9"\nlr = 1e-3\n'
    with pytest.raises(PlanError, match=r'(?s)"sise" is unknown.*"layer9" matches no layer'):
        Plan.from_toml(text, layers=resnet50_layers)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 1\n", "at least one phase"),
        ("[phase]\nname = 'a'\n", "double brackets"),
        ("phase = 3\n", "double brackets"),
    ],
)
def test_a_file_without_phases_is_refused(resnet50_layers: Layers, text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Plan.from_toml(text, layers=resnet50_layers)


def test_a_fitted_head_is_written_without_what_it_has_not_and_read_again(resnet50_layers: Layers) -> None:
    plan = make_plan("head", resnet50_layers, solver="lbfgs", patience=3)
    (table,) = tomllib.loads(plan.to_toml())["phase"]
    assert table == {
        "name": "head",
        "epochs": 10,
        "train": "head",
        "norm": "eval",
        "solver": "lbfgs",
        "patience": 3,
    }
    assert Plan.from_toml(plan.to_toml(), layers=resnet50_layers) == plan


@pytest.mark.parametrize("share", ["auto", 0.05, 1.0])
def test_a_selection_of_features_is_written_and_read_again(resnet50_layers: Layers, share: Share) -> None:
    plan = make_plan("head2toe", resnet50_layers, select_features=share)
    assert tomllib.loads(plan.to_toml())["phase"][0]["select_features"] == share
    assert Plan.from_toml(plan.to_toml(), layers=resnet50_layers) == plan


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('select_features = "most"', '"select_features" must be "auto", or a share above 0 and at most 1, but got'),
        ("select_features = 2", "but got 2.0"),
        ("select_features = true", "but got True"),
    ],
)
def test_a_selection_of_features_that_is_no_share_is_refused(resnet50_layers: Layers, line: str, message: str) -> None:
    text = f'[[phase]]\nname = "a"\nepochs = 2\ntrain = "head"\nsolver = "lbfgs"\n{line}\n'
    with pytest.raises(PlanError, match=message):
        Plan.from_toml(text, layers=resnet50_layers)


def test_what_means_nothing_to_a_solver_is_refused_also_where_it_is_the_default(resnet50_layers: Layers) -> None:
    text = '[[phase]]\nname = "a"\nepochs = 2\ntrain = "head"\nsolver = "lbfgs"\nweight_decay = 0.01\nlr = 1\n'
    with pytest.raises(PlanError, match="lr, weight_decay mean nothing to solver"):
        Plan.from_toml(text, layers=resnet50_layers)
