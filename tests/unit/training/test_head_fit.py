"""A training whose head is fitted by L-BFGS: its run directory, its resumption, and what it cannot be told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unfreeze as uf
from unfreeze.backbones import Network, load_network, pooled_columns
from unfreeze.errors import ConfigError, InterruptedRunError, PlanError, UnfreezeError
from unfreeze.history import read_history
from unfreeze.plans import Plan, make_plan
from unfreeze.records import TrainOptions
from unfreeze.training import EpochInfo, PhaseInfo, Silent, head_fit
from unfreeze.training.caching import CachedFeeder
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feeder, PictureFeeder
from unfreeze.training.inputs import open_data, study_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.lbfgs import Standardised, l2_strengths, standardise_features
from unfreeze.training.loop import fine_tune
from unfreeze.training.loss import loss_function
from unfreeze.training.prefixes import PrefixSettings

SETTINGS: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "engine": "eager"}
FITTED: dict[str, Any] = {**SETTINGS, "solver": "lbfgs", "epochs": 4}
FIT_THEN_TUNE = """
[[phase]]
name = "fit"
epochs = 3
train = "head"
solver = "lbfgs"
[[phase]]
name = "tune"
epochs = 2
train = "stages:1"
lr = 1e-3
"""


class Interrupting(Silent):
    """Sends this process a signal when a phase begins, or at the end of an epoch."""

    def __init__(self, *, phase: int | None = None, epoch: int | None = None) -> None:
        self.at_phase, self.at_epoch = phase, epoch

    def phase(self, info: PhaseInfo) -> None:
        if info.index == self.at_phase:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch(self, info: EpochInfo) -> None:
        if info.epoch == self.at_epoch:
            os.kill(os.getpid(), signal.SIGINT)


def history_of(run: uf.Run) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in read_history(run.path / "history.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("features", ["last", "stages"])
def test_a_fit_is_told_which_features_have_the_same_units(
    features: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[Any]()

    def standardise(vectors: torch.Tensor, groups: Any) -> Standardised:
        told.append(groups)
        return standardise_features(vectors, groups)

    monkeypatch.setattr(head_fit, "standardise_features", standardise)
    run = uf.train(image_folder, out=tmp_path / "run", **FITTED, features=features)
    network = run.model
    expected = None if features == "last" else pooled_columns(network.backbone, size=network.spec.size)
    assert told == [expected]


@pytest.mark.slow
def test_the_run_says_which_strength_was_chosen(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", **FITTED)
    history, (phase,) = history_of(run), run.record.phases
    assert [row["l2"] for row in history] == list(l2_strengths(4))
    assert all(row["lr_head"] is None and row["lrs"] == {} for row in history)
    losses = [row["train_loss"] for row in history]
    assert losses == sorted(losses, reverse=True), "a weaker penalty fits better"
    assert phase.best_epoch is not None
    assert phase.l2 == l2_strengths(4)[phase.best_epoch]
    head = run.layers[-1]
    assert (head.group, head.trained, head.lrs) == ("head", True, ())
    assert head.sha256_before != head.sha256_after
    assert not any(layer.trained for layer in run.layers[:-1])
    text = " ".join((run.path / "methods.txt").read_text(encoding="utf-8").split())
    assert "to all training pictures at once by L-BFGS" in text
    assert "the strength kept was" in text
    assert "AdamW" not in text
    assert "clipped" not in text
    assert (
        uf.Plan.from_toml(run.path / "plan.toml", layers=uf.plan_for("test_resnet", size=32).layers).phases[0].lr
        is None
    )


@pytest.mark.slow
@pytest.mark.parametrize("at", [{"phase": 0}, {"epoch": 0}, {"epoch": 2}, {"epoch": 3}], ids=str)
def test_trap_07_a_resumed_fit_equals_an_uninterrupted_one_bit_for_bit(
    image_folder: Path, tmp_path: Path, at: dict[str, int]
) -> None:
    whole = uf.train(image_folder, out=tmp_path / "whole", **FITTED)
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=Interrupting(**at), **FITTED)
    parts = uf.train(out=tmp_path / "parts", resume=True)
    assert (parts.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    assert history_of(parts) == history_of(whole)
    assert parts.record.phases[0].l2 == whole.record.phases[0].l2


@pytest.mark.slow
@pytest.mark.parametrize("at", [{"epoch": 1}, {"phase": 1}, {"epoch": 3}], ids=str)
def test_steps_go_on_from_the_fitted_head_also_when_resumed(
    image_folder: Path, tmp_path: Path, at: dict[str, int]
) -> None:
    (tmp_path / "plan.toml").write_text(FIT_THEN_TUNE, encoding="utf-8")
    settings = {**SETTINGS, "plan": tmp_path / "plan.toml", "augment": "standard", "clip": 1.0, "batch_size": 4}
    whole = uf.train(image_folder, out=tmp_path / "whole", **settings)
    rows = history_of(whole)
    assert ["l2" in row for row in rows] == [True, True, True, False, False]
    assert [bool(row["lrs"]) for row in rows] == [False, False, False, True, True]
    fit, tune = ([layer for layer in whole.layers if layer.phase == name] for name in ("fit", "tune"))
    assert [layer.group for layer in fit if layer.trained] == ["head"]
    assert tune[-1].sha256_before == fit[-1].sha256_after
    assert tune[-1].lrs == (1e-3,)
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=Interrupting(**at), **settings)
    parts = uf.train(out=tmp_path / "parts", resume=True)
    assert (parts.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    assert history_of(parts) == rows


SELECTED: dict[str, Any] = {**SETTINGS, "strategy": "head2toe", "epochs": 3}


@pytest.mark.slow
def test_a_share_of_the_features_is_kept_and_the_run_says_so(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", select_features=0.1, **SELECTED)
    selection, weight = run.record.phases[0].selection, run.model.head[0].weight
    assert selection is not None
    assert (selection.share, selection.shares, selection.values) == (0.1, (), ())
    assert selection.n_kept == -(-selection.n_features // 10)
    assert int((weight != 0).any(dim=0).sum()) == selection.n_kept
    assert run.predict(image_folder)[0].error is None
    said = f"Of {selection.n_features:,} features that vary, it was given {selection.n_kept}"
    methods = " ".join((run.path / "methods.txt").read_text(encoding="utf-8").split())
    assert said in methods
    assert "Yuan, M., Lin, Y." in methods
    assert "chosen on validation from" not in methods
    assert f"{selection.n_kept} of {selection.n_features}" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("at", [{"phase": 0}, {"epoch": 0}, {"epoch": 2}], ids=str)
def test_a_share_chosen_on_validation_gives_the_training_of_that_share_also_when_resumed(
    image_folder: Path, tmp_path: Path, at: dict[str, int]
) -> None:
    chosen = uf.train(image_folder, out=tmp_path / "chosen", select_features="auto", **SELECTED)
    selection = chosen.record.phases[0].selection
    assert selection is not None
    assert len(selection.values) == len(selection.shares) > 1
    best = dict(zip(selection.shares, selection.values, strict=True))[selection.share]
    assert best == max(row["metrics"]["balanced_accuracy"] for row in history_of(chosen))
    given = uf.train(image_folder, out=tmp_path / "given", select_features=selection.share, **SELECTED)
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=Interrupting(**at), select_features="auto", **SELECTED)
    parts = uf.train(out=tmp_path / "parts", resume=True)
    for other in (given, parts):
        assert (other.path / "model.safetensors").read_bytes() == (chosen.path / "model.safetensors").read_bytes()
        assert history_of(other) == history_of(chosen)
    assert parts.record.phases[0].selection == selection
    assert "was chosen on validation from 100%, 50%, " in (chosen.path / "methods.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_all_features_kept_are_the_training_without_a_selection_and_a_later_phase_has_none(
    image_folder: Path, tmp_path: Path
) -> None:
    plain = uf.train(image_folder, out=tmp_path / "plain", **FITTED)
    whole = uf.train(image_folder, out=tmp_path / "whole", select_features=1.0, **FITTED)
    assert (whole.path / "model.safetensors").read_bytes() == (plain.path / "model.safetensors").read_bytes()
    assert plain.record.phases[0].selection is None
    selecting = FIT_THEN_TUNE.replace('solver = "lbfgs"', 'solver = "lbfgs"\nselect_features = 0.2')
    (tmp_path / "plan.toml").write_text(selecting, encoding="utf-8")
    tuned = uf.train(image_folder, out=tmp_path / "tuned", plan=tmp_path / "plan.toml", **SETTINGS)
    fit, tune = (phase.selection for phase in tuned.record.phases)
    assert fit is not None
    assert fit.share == 0.2
    assert tune is None


def test_what_is_read_from_pictures_is_fitted_as_what_was_computed_ahead(image_folder: Path, tmp_path: Path) -> None:
    data = study_data(image_folder, open_data(image_folder, TrainOptions()), TrainOptions(), Silent())
    settings = LoopSettings(
        train=data.split.train, val=data.split.val, batch_size=5, augment="standard", augment_head="standard", views=3,
        seed=0, metric="accuracy", clip=1.0,
    )  # fmt: skip

    def head_of(kind: str) -> np.ndarray:
        network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
        device = Device("cpu")
        device.place(network)
        plan = make_plan("head", network.layers, epochs=3, solver="lbfgs")
        fine_tune(
            network, plan, data.dataset, settings=settings,
            loss=loss_function("classification"), device=device, directory=tmp_path / kind, progress=Silent(),
            feeder=feeder(kind, network, plan), interrupt=Interrupt(),
        )  # fmt: skip
        return np.asarray(network.head[0].weight.detach())

    def feeder(kind: str, network: Network, plan: Plan) -> Feeder:
        if kind == "pictures":
            return PictureFeeder(network, data.dataset, settings)
        prefix = PrefixSettings(engine="eager", device=torch.device("cpu"), cache=None)
        return CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Silent())

    ahead = head_of("ahead")
    assert head_of("pictures") == pytest.approx(ahead, abs=float(5e-3 * np.abs(ahead).max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "changes"),
    [
        ({"cat": [0, 1] * 15, "dog": [1, 1, 0] * 10}, {"balance": "weights", "label_smoothing": 0.1}),
        ({"age": [20.0, 35.0, 50.0] * 10}, {"target": "age"}),
    ],
    ids=["multilabel", "regression"],
)
def test_labels_and_values_are_fitted_too(
    make_image_table: Callable[..., Path], tmp_path: Path, columns: dict[str, list[float]], changes: dict[str, Any]
) -> None:
    run = uf.train(make_image_table(columns), out=tmp_path / "run", **FITTED, **changes)
    losses = [row["train_loss"] for row in history_of(run)]
    assert losses == sorted(losses, reverse=True)
    assert run.record.phases[0].l2 in l2_strengths(4)


@pytest.mark.parametrize(
    ("plan", "changes", "message"),
    [
        (FIT_THEN_TUNE, {"hidden": 8}, "fits a linear head"),
        (FIT_THEN_TUNE, {"balance": "sampling"}, "--balance sampling contradicts"),
        (FIT_THEN_TUNE.partition('[[phase]]\nname = "tune"')[0], {"clip": 1.0}, "--clip 1 contradicts"),
        (FIT_THEN_TUNE.partition('[[phase]]\nname = "tune"')[0], {"augment": "light"}, "--augment light contradicts"),
        ("views = 4\n" + FIT_THEN_TUNE.partition('[[phase]]\nname = "tune"')[0], {}, "--views 4 contradicts"),
        (FIT_THEN_TUNE.replace('"head"', '"stages:1"'), {}, "fits nothing but the head"),
        (FIT_THEN_TUNE.replace("lr = 1e-3", "lr = 1e-3\nselect_features = 0.1"), {}, "select_features means nothing"),
        (FIT_THEN_TUNE, {"select_features": 0.1}, "--select-features contradicts --plan"),
        (FIT_THEN_TUNE.replace('solver = "lbfgs"', 'solver = "lbfgs"\nlr = 1e-3'), {}, "lr means nothing to solver"),
    ],
)  # fmt: skip
def test_a_plan_file_and_settings_that_contradict_are_refused_before_weights_load(
    image_folder: Path, tmp_path: Path, plan: str, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")

    class Watching(Silent):
        def stage(self, text: str) -> None:
            assert not text.startswith("Loading")

    with pytest.raises((ConfigError, PlanError), match=message) as raised:
        uf.train(
            image_folder, out=tmp_path / "run", plan=tmp_path / "plan.toml", progress=Watching(),
            **{**SETTINGS, **changes},
        )  # fmt: skip
    assert isinstance(raised.value, UnfreezeError)
    assert not (tmp_path / "run").exists()
