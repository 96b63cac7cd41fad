"""Advice by real measurements on small pictures: what is found, what is admitted, what is left behind."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from PIL import Image
from torch import Tensor, nn

import unfreeze as uf
from unfreeze.advice import advise_data
from unfreeze.errors import ConfigError, FailedError, InterruptedRunError, UnfreezeError
from unfreeze.records import TrainOptions
from unfreeze.training import Silent

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "batch_size": 16, "epochs": 2}


def advised(data: Path, out: Path, **changes: Any) -> uf.Advice:
    return uf.advise(data, out=out, **{"budget": 60, **TINY, **changes})


def folder(root: Path, paint: Callable[[int, int], np.ndarray], *, n: int = 40) -> Path:
    """Write `n` pictures of each of two classes."""
    for label, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        for index in range(n):
            Image.fromarray(paint(label, index)).save(root / name / f"{index:02d}.png")
    return root


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> uf.Advice:
    """An advice on pictures that are easy to tell apart; tests must not change it."""
    root = tmp_path_factory.mktemp("advice")
    data = folder(root / "pets", lambda label, index: make_picture(label, seed=index))
    return advised(data, root / "a")


@pytest.mark.slow
def test_an_advice_holds_what_scripts_read(found: uf.Advice) -> None:
    raw = json.loads((found.path / "advice.json").read_text())
    assert {"strategy", "plan", "command", "expected", "reasons", "evidence"} <= set(raw)
    assert {"metric", "value", "low", "high", "seconds"} <= set(raw["expected"])
    assert all(set(reason) == {"text", "evidence", "reference"} for reason in raw["reasons"])
    assert raw["status"] == "done"
    assert (found.path / "report.html").is_file()
    plan = tomllib.loads((found.path / "plan.toml").read_text())
    assert (plan["model"], plan["size"]) == ("test_resnet", 32)


def test_every_depth_is_probed_and_what_unfreezes_is_trained(found: uf.Advice) -> None:
    evidence = found.record.evidence
    (probe,) = evidence.probes
    assert [depth.depth for depth in probe.depths] == [
        "stem", "layer1", "layer2", "layer3", "layer4", "features", "all depths"
    ]  # fmt: skip
    assert all(depth.linear.value is not None and depth.knn is not None for depth in probe.depths)
    assert probe.log_me is not None
    assert probe.h_score is not None
    tried = {way.name.partition(",")[0]: way for way in evidence.ways}
    assert {"head", "head2toe", "stages:1", "layerwise"} <= set(tried)
    assert all(way.status == "done" and way.val is not None for way in evidence.ways)
    assert tried["head2toe"].folds is not None
    assert tried["stages:1"].folds is None
    assert evidence.domain[0].shift is None
    assert "random" in (evidence.domain[0].reason or "")


@pytest.mark.slow
def test_what_unfreezes_is_judged_by_all_epochs_the_layers_all_together_too(image_folder: Path, tmp_path: Path) -> None:
    ways = advised(image_folder, tmp_path / "a", epochs=5).record.evidence.ways
    assert {way.epochs for way in ways if way.status == "done"} == {5}
    assert {"stages:1", "layerwise"} <= {way.strategy for way in ways if way.status == "done"}


def test_nothing_is_unfrozen_where_unfreezing_gains_nothing(found: uf.Advice) -> None:
    assert found.record.strategy in {"head", "head2toe"}
    assert found.record.expected.value == pytest.approx(1.0, abs=0.05)
    (taken,) = (way for way in found.record.evidence.ways if way.name == found.record.way)
    assert found.record.expected.judged_on == ("validation" if taken.folds is None else "out of fold")
    assert found.record.evidence.learned


def test_the_command_trains_what_was_advised(found: uf.Advice, tmp_path: Path) -> None:
    assert found.command.startswith("unfreeze train ")
    assert "--no-pretrained" in found.command
    assert "--batch-size 16" in found.command
    assert "--size" not in found.command, "the plan file says it"
    run = found.train(out=tmp_path / "run")
    assert run.record.config.plan == str(found.plan)
    assert (run.record.config.size, run.record.config.batch_size) == (32, 16)
    if found.record.strategy == "head2toe":
        counts = run.record.data.split_counts
        n_known = counts["train"] + counts["val"]
        hit_ratio = run.record.cache.hit_ratio
        assert hit_ratio is not None
        assert n_known / (n_known + counts["test"]) <= hit_ratio < 1, "all but the test pictures were known"


@pytest.mark.slow
def test_labels_by_chance_are_called_so_and_the_cheapest_way_is_taken(tmp_path: Path) -> None:
    data = folder(tmp_path / "chance", lambda label, index: noise(1000 * label + index))
    record = advised(data, tmp_path / "a").record
    assert record.evidence.learned is False
    assert not record.can_tell
    assert "better than chance" in record.reasons[0].text
    assert record.strategy in {"head", "head2toe"}
    (taken,) = (way for way in record.evidence.ways if way.name == record.way)
    assert taken.work == min(way.work for way in record.evidence.ways)


@pytest.mark.slow
def test_a_low_depth_is_found_best_where_texture_tells_the_classes(tmp_path: Path) -> None:
    def paint(label: int, index: int) -> np.ndarray:
        """Return noise whose neighbours are alike in one class: where anything is says nothing."""
        values = np.random.default_rng([label, index]).normal(size=(64, 65, 3))
        mixed = values[:, 1:] + (0.5 if label else 0.0) * values[:, :-1]
        return np.clip(128 + 40 * mixed / mixed.std(), 0, 255).astype(np.uint8)

    data = folder(tmp_path / "texture", paint, n=60)
    record = advised(data, tmp_path / "a", size=64, budget=20).record
    (probe,) = record.evidence.probes
    by_name = {depth.depth: depth.linear.value or 0.0 for depth in probe.depths}
    assert max(by_name["stem"], by_name["layer1"]) > by_name["features"] + 0.1
    assert probe.best_depth in {"stem", "layer1", "layer2"}
    assert record.strategy == "head2toe"
    assert "lies below the top" in " ".join(reason.text for reason in record.reasons)


def test_a_budget_too_small_for_anything_says_so_and_takes_the_plain_way(image_folder: Path, tmp_path: Path) -> None:
    record = advised(image_folder, tmp_path / "a", budget=0.001).record
    assert (record.status, record.strategy) == ("stopped", "head")
    assert record.expected.value is None
    assert "Nothing could be measured within the budget" in record.reasons[0].text
    assert "the default is 5m" in record.reasons[0].text


class SlowPass(Silent):
    """Takes as long as the whole budget over the first pictures of a pass."""

    def prefix(self, n: int, total: int) -> None:
        if n < total:
            time.sleep(2.0)


def test_a_budget_that_ends_in_the_first_pass_says_what_it_needs(image_folder: Path, tmp_path: Path) -> None:
    options = {"batch_size": 4, "budget": 2, "engine": "eager", "cache": False}
    record = advised(image_folder, tmp_path / "a", progress=SlowPass(), **options).record
    said = re.search(r"the first look needs about (\d+)s", record.reasons[0].text)
    assert said is not None
    assert int(said[1]) > 2


@pytest.mark.slow
def test_a_run_that_has_learned_these_pictures_is_refused(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, strategy="head", out=tmp_path / "run", **TINY)
    options = {name: value for name, value in TINY.items() if name not in {"model", "pretrained", "size"}}
    with pytest.raises(ConfigError, match="has learned from these pictures"):
        uf.advise(image_folder, models=[str(run.path)], budget=5, out=tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_run_on_other_pictures_is_measured_by_linear_heads_and_noted(
    make_image_folder: Callable[..., Path], image_folder: Path, tmp_path: Path
) -> None:
    run = uf.train(image_folder, strategy="head", hidden=8, out=tmp_path / "run", **TINY)
    options = {name: value for name, value in TINY.items() if name not in {"model", "pretrained", "size"}}
    other = make_image_folder(per_class=(30, 30), name="others")
    record = uf.advise(other, models=[str(run.path)], budget=30, out=tmp_path / "a", **options).record
    assert any("was trained on" in note for note in record.notes)
    frozen = {way.name for way in record.evidence.ways if way.frozen}
    assert frozen == {"head, L-BFGS", "head2toe"}, "rates would go on with the run's hidden layer"


class Interrupting(Silent):
    """Interrupts as Ctrl-C does, when the trainings begin."""

    def stage(self, text: str) -> None:
        if text.startswith("Trying"):
            raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupt_leaves_what_is_known(image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match=r"what was known by then is in"):
        advised(image_folder, tmp_path / "a", progress=Interrupting())
    left = uf.Advice(tmp_path / "a").record
    assert left.status == "interrupted"
    assert left.evidence.probes
    assert left.expected.value is not None
    assert "This advice was interrupted" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")


def breaks(monkeypatch: pytest.MonkeyPatch, name: str, when: Callable[[Tensor], bool]) -> None:
    """Let timm make a network that runs out of memory where the input of a convolution is as told."""
    make = timm.model_entrypoint(name)

    def fail(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if when(inputs[0]):
            raise RuntimeError("out of memory")

    def broken(*args: Any, **kwargs: Any) -> nn.Module:
        network: nn.Module = make(*args, **kwargs)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_pre_hook(fail)
        return network

    monkeypatch.setitem(timm.models._registry._model_entrypoints, name, broken)


@pytest.mark.slow
@pytest.mark.parametrize("models", [["test_resnet", "test_byobnet"], ["test_byobnet", "test_resnet"]])
def test_a_network_that_fails_is_told_and_the_others_go_on(
    models: list[str], image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch, "test_byobnet", lambda inputs: not inputs.is_meta)
    options = {name: value for name, value in TINY.items() if name != "model"}
    record = uf.advise(image_folder, models=models, budget=60, out=tmp_path / "a", engine="eager", **options).record
    assert (record.model, record.status) == ("test_resnet", "stopped")
    assert record.expected.value is not None
    assert "test_byobnet at 32 px failed: RuntimeError: out of memory" in record.notes


def test_where_no_network_can_be_measured_there_is_no_advice(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["test_resnet", "test_byobnet"]
    for name in models:
        breaks(monkeypatch, name, lambda inputs: not inputs.is_meta)
    options = {name: value for name, value in TINY.items() if name != "model"}
    with pytest.raises(FailedError, match="2 problems") as told:
        uf.advise(image_folder, models=models, out=tmp_path / "a", engine="eager", **options)
    assert "test_resnet could not be measured: RuntimeError: out of memory" in str(told.value)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_training_that_fails_is_told_and_the_others_go_on(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch, "test_resnet", lambda inputs: inputs.requires_grad and len(inputs) > 1)
    record = advised(image_folder, tmp_path / "a", engine="eager", cache=False).record
    ways = {way.name: way for way in record.evidence.ways}
    assert ways["head, 512 hidden units"].status == "done"
    for name in ("stages:1", "layerwise"):
        assert (ways[name].status, ways[name].why) == ("failed", "RuntimeError: out of memory")
    assert record.status == "stopped"
    assert "Without a result: stages:1 for 2 epochs at 32 px (RuntimeError: out of memory)" in " ".join(
        reason.text for reason in record.reasons
    )


@pytest.mark.slow
def test_facts_count_the_whole_split_and_what_judges_apart(
    make_image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unfreeze.advice.advising.MOST_TRAIN", 30)
    monkeypatch.setattr("unfreeze.advice.advising.MOST_VAL", 12)
    data = make_image_folder(per_class=(90, 20))
    record = advised(data, tmp_path / "a", budget=0.001).record
    facts, counts = record.evidence.facts, record.data.split_counts
    assert (facts.n_train, facts.n_val) == (counts["train"], counts["val"])
    assert facts.n_val > facts.n_judging_trainings == facts.n_judging == 12
    assert facts.smallest is not None
    assert facts.smallest >= 12, "of the training pictures, not of the 30 of them that are looked at"
    assert facts.imbalance == pytest.approx((facts.n_train - facts.smallest) / facts.smallest)
    assert f"Of {facts.n_val} validation pictures 12 were looked at." in record.notes
    assert "The 12 of them that are looked at cannot part" in record.reasons[1].text


@pytest.mark.slow
def test_several_networks_are_ranked(image_folder: Path, tmp_path: Path) -> None:
    models = ["test_resnet", "test_efficientnet"]
    options = {name: value for name, value in TINY.items() if name != "model"}
    record = uf.advise(image_folder, models=models, budget=60, out=tmp_path / "a", **options).record
    assert {probe.model for probe in record.evidence.probes} == set(models)
    assert record.reasons[-1].text.startswith("The networks by a linear head")
    assert set(record.reasons[-1].evidence) == set(models)


def test_everything_wrong_is_said_at_once(image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="4 problems") as told:
        advised(tmp_path / "nowhere", tmp_path / "a", strategy="head", model="resnet5O", batch_size=16, lr=0.1)
    for part in ("--strategy contradicts advise", "--lr contradicts advise", "does not exist", 'Did you mean "resnet'):
        assert part in str(told.value)
    for changes, message in (
        ({"budget": "soon"}, "--budget must be a time"),
        ({"models": "test_resnet,test_vit"}, "--model contradicts --models"),
        ({"metric": "mae"}, "mae"),
    ):
        with pytest.raises(UnfreezeError, match=message):
            advised(image_folder, tmp_path / "a", **changes)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_no_test_picture_is_looked_at(image_folder: Path, tmp_path: Path) -> None:
    class Counting(Silent):
        def __init__(self) -> None:
            self.looked_at = 0

        def stage(self, text: str) -> None:
            self.in_pass = text.startswith("Looking")

        def prefix(self, n: int, total: int) -> None:
            if self.in_pass:
                self.looked_at = max(self.looked_at, n, total)

    watched = Counting()
    out = advise_data(
        image_folder, TrainOptions(**TINY, cache=False), given=frozenset({"size"}), budget_seconds=30,
        out=tmp_path / "a", progress=watched,
    )  # fmt: skip
    counts = uf.Advice(out).record.data.split_counts
    assert watched.looked_at == counts["train"] + counts["val"], "in the one pass at every depth"
    assert counts["test"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_labels_and_values_are_advised_on_too(task: str, make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = (
        {"red": [i % 2 for i in range(40)], "big": [i // 20 for i in range(40)]}
        if task == "multilabel"
        else {"age": [20.0 + (i % 4) * 10 + i / 50 for i in range(40)]}
    )
    data = make_image_table(columns)
    record = advised(data, tmp_path / "a", target=tuple(columns), task=task, budget=20).record
    assert record.task == task
    probe = record.evidence.probes[0]
    assert probe.h_score is None
    assert probe.log_me is not None
    assert record.expected.value is not None
    assert "--target" in record.command
    assert (
        record.reasons[1].text.endswith("1 target.") if task == "regression" else "2 labels." in record.reasons[1].text
    )
    assert record.reasons[1].reference is None, "what a difference in accuracy must be is told of classes"


@pytest.mark.slow
def test_strategy_auto_trains_by_the_advice_and_says_why(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unfreeze.api.AUTO_SECONDS", 20.0)
    run = uf.train(image_folder, strategy="auto", out=tmp_path / "run", **TINY)
    advice = uf.Advice(tmp_path / f"{image_folder.name}-advice-1")
    assert run.record.config.plan == str(advice.plan)
    assert run.record.notes[0].startswith("Advised in")
    assert advice.reasons[0].text in run.record.notes
    assert (advice.path / "report.html").is_file()
