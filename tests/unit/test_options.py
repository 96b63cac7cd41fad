from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from unfreeze.command_words import flag, flag_words
from unfreeze.errors import ConfigError
from unfreeze.options import check_options, option_problems
from unfreeze.records import TrainOptions


def problems(**settings: Any) -> tuple[str, ...]:
    return option_problems(TrainOptions(**settings), given=frozenset(settings))


def test_the_defaults_are_in_order() -> None:
    assert option_problems(TrainOptions()) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("hidden", 0),
        ("views", 0),
        ("patience", 0),
        ("size", 8),
        ("seed", -1),
        ("seed", 2**32),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("clip", 0.0),
        ("clip", -1.0),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("metric", "acuracy"),
        ("augment", "heavy"),
        ("task", "segmentation"),
        ("balance", "weight"),
        ("device", "gpu"),
        ("precision", "fp16"),
        ("conformal", 90.0),
        ("conformal", 0.4),
        ("conformal", 1.0),
        ("epochs", "ten"),
        ("epochs", True),
        ("target", 3),
        ("model", 50),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_kind_is_one_problem_that_names_flag_and_value(
    name: str, value: object
) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(flag(name))
    assert str(value) in problem


def test_the_nearest_value_is_offered() -> None:
    assert 'Did you mean "weights"?' in problems(balance="weight")[0]
    assert 'Did you mean "accuracy"' in problems(metric="acuracy")[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"plan": "p.toml", "strategy": "full"}, ("--plan", "--strategy")),
        ({"plan": "p.toml", "epochs": 10}, ("--plan", "--epochs")),
        ({"plan": "p.toml", "lr": 1e-3}, ("--plan", "--lr")),
        ({"plan": "p.toml", "solver": "sgd"}, ("--plan", "--solver")),
        ({"plan": "p.toml", "patience": 3}, ("--plan", "--patience")),
        ({"plan": "p.toml", "select_features": 0.1}, ("--plan", "--select-features")),
        ({"select_features": "auto"}, ("--select-features auto", "--solver adamw")),
        ({"select_features": 0.1, "strategy": "full"}, ("--select-features 0.1", "--strategy full")),
        ({"select_features": 0.1, "strategy": "head2toe", "solver": "sgd"}, ("--select-features 0.1", "--solver sgd")),
        ({"views": 3, "augment": "none"}, ("--views 3", "--augment none")),
        ({"weights": "w.pt", "pretrained": False}, ("--weights", "--no-pretrained")),
        ({"task": "regression", "balance": "weights"}, ("--balance", "--task regression")),
        ({"task": "regression", "label_smoothing": 0.1}, ("--label-smoothing", "--task regression")),
        ({"task": "multilabel", "balance": "sampling"}, ("--balance sampling", "--task multilabel")),
        ({"solver": "lbfgs", "lr": 1e-3}, ("--lr", "lbfgs")),
        ({"solver": "lbfgs", "hidden": 64}, ("--hidden", "lbfgs")),
        ({"solver": "lbfgs", "strategy": "lp-ft"}, ("--strategy lp-ft", "lbfgs")),
        ({"solver": "lbfgs", "balance": "sampling"}, ("--balance sampling", "lbfgs")),
        ({"solver": "lbfgs", "clip": 1.0}, ("--clip 1", "lbfgs")),
        ({"solver": "lbfgs", "augment": "light"}, ("--augment light", "lbfgs")),
        ({"solver": "lbfgs", "views": 2}, ("--views 2", "lbfgs")),
        ({"solver": "lbfgs", "precision": "bf16"}, ("--precision bf16", "lbfgs")),
        ({"task": "multilabel", "conformal": 0.9}, ("--conformal 0.9", "--task multilabel")),
        ({"task": "regression", "metric": "accuracy"}, ("--metric", "--task regression")),
    ],
)
def test_settings_that_contradict_each_other_are_one_problem_that_names_both(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    (problem,) = problems(**settings)
    assert all(word in problem for word in words)


@pytest.mark.parametrize(
    "settings",
    [
        {"plan": "p.toml"},
        {"plan": "p.toml", "hidden": 64},
        {"views": 1, "augment": "none"},
        {"views": 5},
        {"clip": None},
        {"lr": 1},
        {"conformal": 0.9, "task": "regression"},
        {"task": "multilabel", "balance": "weights"},
        {"metric": "mae"},
        {"solver": "lbfgs"},
        {"solver": "lbfgs", "select_features": 1},
        {"strategy": "head2toe", "select_features": "auto"},
        {"solver": "lbfgs", "clip": None, "views": 1, "augment": "none", "balance": "weights", "label_smoothing": 0.1},
    ],
)
def test_what_fits_together_is_no_problem(settings: dict[str, Any]) -> None:
    assert problems(**settings) == ()


def test_a_default_contradicts_nothing() -> None:
    options = TrainOptions(plan="p.toml", epochs=10)
    assert option_problems(options, given=frozenset({"plan"})) == ()


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError, match="3 problems") as caught:
        check_options(TrainOptions(epochs=0, batch_size=0, augment="none", views=2))
    assert all(word in str(caught.value) for word in ("--epochs", "--batch-size", "--views"))


def test_checking_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from unfreeze.options import check_options; from unfreeze.records import TrainOptions;"
        "check_options(TrainOptions()); print({'torch', 'numpy', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_settings_are_said_as_flags_where_they_are_not_what_they_would_be_anyway() -> None:
    assert flag_words(TrainOptions()) == []
    options = TrainOptions(model="vgg16", pretrained=False, clip=None, target=("a", "b"), seed=0)
    said = " ".join(flag_words(options, without={"model"}))
    assert said == "--no-pretrained --target a --target b --clip none"
    assert flag_words(TrainOptions(), given={"seed", "pretrained", "lr"}) == ["--seed", "0"]
