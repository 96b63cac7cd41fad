"""What a training leaves behind, and what it refuses before it writes anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import unfreeze as uf
from unfreeze.errors import (
    ConfigError,
    DataError,
    FailedError,
    InterruptedRunError,
    PlanError,
    RunError,
    UnfreezeError,
)
from unfreeze.history import read_history
from unfreeze.training import EpochInfo, PhaseInfo, Silent, StepInfo

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "batch_size": 8, "augment": "none"}


class Recording(Silent):
    def __init__(self) -> None:
        self.epochs: list[EpochInfo] = []
        self.lrs: list[float] = []

    def epoch(self, info: EpochInfo) -> None:
        self.epochs.append(info)

    def step(self, info: StepInfo) -> None:
        self.lrs.append(info.lr)


@pytest.mark.slow
def test_a_run_directory_describes_itself(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", strategy="gradual", epochs=3, **TINY)
    names = {path.name for path in run.path.iterdir()}
    assert {"run.json", "plan.toml", "layers.json", "model.safetensors", "model.json", "history.jsonl"} <= names
    assert {"predictions.csv", "methods.txt", "report.html", "evidence"} <= names
    assert not any(name.endswith((".pt", ".pth", ".pkl", ".part")) for name in names), "never a pickle, never a part"
    raw = json.loads((run.path / "run.json").read_text())
    assert raw["status"] == "done"
    assert 0 <= raw["metrics"]["test"]["accuracy"]["value"] <= 1
    assert {"total_seconds", "prefix_seconds", "train_seconds"} <= set(raw["timing"])
    assert "hit_ratio" in raw["cache"]
    assert sum(raw["data"]["split_counts"].values()) == 24
    assert [len(raw["split"][side]) for side in ("train", "val", "test")] == list(raw["data"]["split_counts"].values())


@pytest.mark.slow
def test_layers_json_tells_each_phase_what_trained_and_how_far_it_moved(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", strategy="gradual", epochs=3, **TINY)
    phases = list(dict.fromkeys(layer.phase for layer in run.layers))
    assert len(phases) == 3
    for layer in run.layers:
        if layer.trained:
            assert layer.distance > 0 or layer.sha256_before == layer.sha256_after
            assert layer.lrs
        else:
            assert layer.sha256_before == layer.sha256_after
            assert layer.distance == 0
            assert layer.lrs == ()
    trained = [{layer.group for layer in run.layers if layer.phase == phase and layer.trained} for phase in phases]
    assert trained[0] == {"head"}
    assert trained[0] < trained[1] < trained[2]


@pytest.mark.slow
def test_trap_20_the_best_epoch_is_chosen_on_validation_and_reported_on_test(
    image_folder: Path, tmp_path: Path
) -> None:
    watched = Recording()
    run = uf.train(image_folder, out=tmp_path / "run", strategy="full", epochs=4, progress=watched, **TINY)
    best = [info for info in watched.epochs if info.best][-1]
    assert run.metrics.val["balanced_accuracy"].value == pytest.approx(best.value)
    assert best.value == max(info.value for info in watched.epochs)
    assert set(run.record.split["test"]).isdisjoint(run.record.split["train"] + run.record.split["val"])


def test_history_holds_the_rates_that_the_optimizer_used(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", strategy="layerwise", epochs=2, **TINY)
    for row in read_history(run.path / "history.jsonl"):
        assert row["lrs"]["head"] == max(row["lrs"].values())
        assert len(set(row["lrs"].values())) > 2


def test_the_loaded_network_predicts_what_was_recorded(image_folder: Path, tmp_path: Path) -> None:
    run = uf.load(uf.train(image_folder, out=tmp_path / "run", strategy="head", epochs=2, **TINY).path)
    rows = (run.path / "predictions.csv").read_text().splitlines()
    file, split, truth, prediction, *probabilities = rows[1].split(",")
    (again,) = run.predict([image_folder / file])
    assert split in {"val", "test"}
    assert truth in {"cat", "dog"}
    assert again.prediction == prediction
    assert list(again.scores.values()) == pytest.approx([float(p) for p in probabilities], abs=1e-5)


def test_predict_reports_what_it_cannot_read_and_goes_on(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, **TINY)
    broken = image_folder / "cat" / "broken.jpg"
    broken.write_bytes(b"not a picture")
    found = run.predict([broken, image_folder / "dog"])
    assert len(found) == 13
    assert found[0].error is not None
    assert "broken.jpg" in found[0].error
    assert all(each.error is None for each in found[1:])
    with pytest.raises(DataError, match="no such file"):
        run.predict(["nowhere/*.jpg"])


@pytest.mark.slow
def test_evaluate_on_other_pictures_and_warn_of_those_seen(
    image_folder: Path, make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, **TINY)
    other = make_image_folder(("dog", "cat"), per_class=4, name="other", seed=9)
    fresh = run.evaluate(other)
    assert fresh.n_images == 8
    assert not any("trained" in note for note in fresh.notes)
    assert any("flatter" in note for note in run.evaluate(image_folder).notes)
    strange = make_image_folder(("dog", "wolf"), per_class=4, name="strange")
    with pytest.raises(DataError, match="wolf"):
        run.evaluate(strange)


@pytest.mark.slow
def test_regression_in_units_with_several_targets(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    columns = {"weight": generator.normal(500, 100, 24).round(2), "length": generator.normal(3, 1, 24).round(3)}
    table = make_image_table(columns)
    run = uf.train(table, out=tmp_path / "run", target=("weight", "length"), epochs=2, **TINY)
    assert run.record.primary_metric == "mae"
    (found,) = run.predict([table.parent / "images" / "000.png"])
    assert set(found.scores) == {"weight", "length"}
    assert 100 < found.scores["weight"] < 900, "in units, not standardised"


@pytest.mark.slow
def test_multilabel(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    labels = [[i % 2, (i // 2) % 2] for i in range(32)]
    table = make_image_table({"red": [a for a, _ in labels], "striped": [b for _, b in labels]})
    run = uf.train(table, out=tmp_path / "run", epochs=2, **TINY)
    assert run.record.primary_metric == "map"
    assert run.record.classes == ("red", "striped")
    assert isinstance(run.predict([table.parent / "images" / "003.png"])[0].prediction, tuple)


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balancing_trains_and_keeps_natural_probabilities(
    make_image_folder: Callable[..., Path], tmp_path: Path, balance: str
) -> None:
    folder = make_image_folder(per_class=(24, 6))
    run = uf.train(folder, out=tmp_path / "run", epochs=1, balance=balance, **TINY)
    assert run.model.record.prior_shift is not None
    assert run.model.record.prior_shift[0] > run.model.record.prior_shift[1]


@pytest.mark.slow
def test_early_stop_ends_a_phase_and_the_next_begins_at_its_best(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", strategy="stages:1", epochs=20, patience=1, lr=1e-6, **TINY)
    assert any(phase.epochs_run < phase.epochs_planned for phase in run.record.phases)
    assert len(read_history(run.path / "history.jsonl")) == sum(phase.epochs_run for phase in run.record.phases)


@pytest.mark.slow
def test_a_run_can_be_continued_by_another(image_folder: Path, tmp_path: Path) -> None:
    first = uf.train(image_folder, out=tmp_path / "first", strategy="full", epochs=2, **TINY)
    options = {**TINY, "model": str(first.path), "pretrained": True}
    second = uf.train(image_folder, out=tmp_path / "second", epochs=1, **options)
    assert second.record.weights.kind == "run"
    before, after = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("backbone."))


@pytest.mark.slow
def test_a_plan_file_is_followed(image_folder: Path, tmp_path: Path) -> None:
    plan = uf.plan_for("test_resnet", strategy="stages:1", epochs=3, size=32)
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    run = uf.train(image_folder, out=tmp_path / "run", plan=str(tmp_path / "plan.toml"), **TINY)
    assert [phase.name for phase in run.record.phases] == [phase.name for phase in plan.phases]
    assert uf.Plan.from_toml(run.path / "plan.toml", layers=plan.layers).phases == plan.phases


@pytest.mark.slow
def test_a_plan_file_is_the_strategy_of_its_run_and_names_the_network(image_folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text(uf.plan_for("test_resnet", strategy="stages:1", epochs=2, size=32).to_toml())
    assert plan.read_text().startswith('version = 1\nmodel = "test_resnet"\nsize = 32\n')
    options = {name: value for name, value in TINY.items() if name not in {"model", "size"}}
    run = uf.train(image_folder, out=tmp_path / "run", plan=str(plan), **options)
    assert run.record.config.strategy == "plan"
    assert run.model.record.architecture == "test_resnet"


def test_a_plan_file_and_other_settings_that_are_wrong_are_reported_together(
    image_folder: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text(uf.plan_for("test_resnet", epochs=2, size=32).to_toml())
    with pytest.raises(ConfigError) as caught:
        uf.train(image_folder, plan=str(plan), model="test_vit", epochs=3, batch_size=0)
    for problem in ("contradicts model = test_resnet", "--epochs contradicts --plan", "--batch-size must be"):
        assert problem in str(caught.value)


@pytest.mark.slow
def test_the_time_of_a_training_covers_the_waiting_for_pictures(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", epochs=3, **{**TINY, "augment": "standard"})
    timing = run.record.timing
    parts = timing.scan_seconds + timing.load_seconds + timing.train_seconds + timing.evaluate_seconds
    assert parts <= timing.total_seconds + 0.01
    assert sum(row["seconds"] for row in read_history(run.path / "history.jsonl")) == pytest.approx(
        timing.train_seconds, abs=0.01
    )


@pytest.mark.slow
def test_a_training_that_fails_is_recorded_as_failed_with_its_reason(image_folder: Path, tmp_path: Path) -> None:
    class Vanishing(Silent):
        def phase(self, info: PhaseInfo) -> None:
            assert info.n_trained > 0
            for file in image_folder.rglob("*.png"):
                file.unlink()

    with pytest.raises(UnfreezeError, match="cannot be opened"):
        uf.train(
            image_folder,
            out=tmp_path / "run",
            epochs=1,
            progress=Vanishing(),
            cache=False,
            **{**TINY, "augment": "light"},
        )
    raw = json.loads((tmp_path / "run" / "run.json").read_text())
    assert raw["status"] == "failed"
    assert "cannot be opened" in raw["error"]
    with pytest.raises(RunError, match="failed"):
        uf.load(tmp_path / "run")


@pytest.mark.slow
def test_a_strategy_without_time_to_unfreeze_and_a_training_that_diverged_say_so(
    image_folder: Path, tmp_path: Path
) -> None:
    short = uf.train(image_folder, out=tmp_path / "short", strategy="gradual", epochs=1, **TINY)
    assert any("too short" in note and "only the head trains" in note for note in short.record.notes)
    wild = uf.train(image_folder, out=tmp_path / "wild", epochs=1, lr=1e6, **TINY)
    assert any("diverged" in note and "--lr" in note for note in wild.record.notes)
    assert not any("diverged" in note for note in short.record.notes)


@pytest.mark.slow
def test_an_interrupt_of_the_evaluation_can_be_resumed(image_folder: Path, tmp_path: Path) -> None:
    class Impatient(Silent):
        def stage(self, text: str) -> None:
            if text == "Evaluating":
                raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match="--resume"):
        uf.train(image_folder, out=tmp_path / "run", epochs=1, progress=Impatient(), **TINY)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert uf.train(out=tmp_path / "run", resume=True).record.status == "done"


@pytest.mark.slow
def test_one_process_may_train_in_one_precision_after_another(image_folder: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16", "fp32"):
        out = tmp_path / f"{precision}-{len(list(tmp_path.iterdir()))}"
        assert uf.train(image_folder, out=out, epochs=1, precision=precision, **TINY).record.precision == precision


@pytest.mark.slow
def test_metrics_of_probabilities_on_validation_are_natural_ones_after_balancing(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    watched = Recording()
    folder = make_image_folder(per_class=(24, 6))
    run = uf.train(
        folder, out=tmp_path / "run", epochs=2, balance="weights", metric="log_loss", progress=watched, **TINY
    )
    best = [info for info in watched.epochs if info.best][-1]
    assert run.metrics.val["log_loss"].value == pytest.approx(best.value, rel=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(image_folder: Path, tmp_path: Path) -> None:
    options = {**TINY, "augment": "standard"}
    runs = [uf.train(image_folder, out=tmp_path / name, strategy="full", epochs=1, **options) for name in "ab"]
    assert (runs[0].path / "model.safetensors").read_bytes() == (runs[1].path / "model.safetensors").read_bytes()
    other = uf.train(image_folder, out=tmp_path / "c", strategy="full", epochs=1, seed=1, **options)
    assert (other.path / "model.safetensors").read_bytes() != (runs[0].path / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_last_batch_of_one_picture_does_not_break_batch_statistics(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_image_folder(per_class=12)
    sizes = len(uf.train(folder, out=tmp_path / "probe", epochs=1, **TINY).record.split["train"])
    plan = uf.plan_for("test_resnet", strategy="full", epochs=1, size=32)
    (tmp_path / "plan.toml").write_text(plan.to_toml().replace('norm = "eval"', 'norm = "train"'))
    options = {**TINY, "batch_size": sizes - 1}
    run = uf.train(folder, out=tmp_path / "run", plan=str(tmp_path / "plan.toml"), **options)
    assert run.record.status == "done"


# -- refusals: one clear message, nothing half-written -----------------------------------------------------------


def refused(tmp_path: Path, data: Path | str, error: type[UnfreezeError], match: str, **options: Any) -> None:
    out = tmp_path / "never"
    with pytest.raises(error, match=match):
        uf.train(data, out=out, **{**TINY, **options})
    assert not out.exists(), "nothing is written before everything is known to be right"


def test_refuses_wrong_settings_all_at_once(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "never"
    with pytest.raises(ConfigError) as caught:
        uf.train(image_folder, out=out, **{**TINY, "model": "resnet5O", "epochs": 0, "batch_size": 0})
    message = str(caught.value)
    assert "--epochs" in message
    assert "--batch-size" in message
    assert "resnet50" in message
    assert not out.exists()


def test_refuses_an_unknown_strategy_and_selector(image_folder: Path, tmp_path: Path) -> None:
    refused(tmp_path, image_folder, PlanError, "gradual", strategy="gradul")
    refused(tmp_path, image_folder, PlanError, "layer4", strategy="layer5")


def test_refuses_an_unknown_option(image_folder: Path, tmp_path: Path) -> None:
    refused(tmp_path, image_folder, ConfigError, 'Did you mean "epochs"', epoch=3)


def test_refuses_an_out_that_holds_another_run(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, **TINY)
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="holds another run"):
        uf.train(image_folder, out=run.path, **TINY)
    assert (run.path / "run.json").read_bytes() == before


def test_trap_19_refuses_data_that_cannot_be_learned_before_weights_load(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    refused(tmp_path, tmp_path / "absent", ConfigError, "does not exist")
    refused(tmp_path, make_image_folder(("only",), name="one"), DataError, "class")
    refused(tmp_path, make_image_folder(per_class=(12, 2), name="few"), DataError, "dog")
    (tmp_path / "empty").mkdir()
    refused(tmp_path, tmp_path / "empty", DataError, "picture")
    options = {**TINY, "pretrained": True, "model": "vgg16"}  # weights that are out of reach: data are told first
    refused(tmp_path, tmp_path / "empty", DataError, "picture", **options)


@pytest.mark.slow
def test_refuses_unreadable_pictures_unless_told_to_skip_them(image_folder: Path, tmp_path: Path) -> None:
    (image_folder / "cat" / "broken.png").write_bytes(b"\x89PNG but no more")
    refused(tmp_path, image_folder, DataError, r"broken\.png")
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, skip_unreadable=True, **TINY)
    assert run.record.data.n_images == 24
    assert any("broken.png" in note for note in run.record.notes)


def test_refuses_a_metric_that_the_task_lacks(image_folder: Path, tmp_path: Path) -> None:
    refused(tmp_path, image_folder, ConfigError, "mae", metric="mae")


@pytest.mark.slow
def test_16_bit_pictures_keep_their_range_with_the_model(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label, level in (("dark", 1000), ("light", 3000)):
        (tmp_path / "scans" / label).mkdir(parents=True)
        for i in range(8):
            pixels = generator.integers(level, level + 500, (32, 32), dtype=np.uint16)
            Image.fromarray(pixels).save(tmp_path / "scans" / label / f"{i}.png")
    run = uf.train(tmp_path / "scans", out=tmp_path / "run", epochs=1, **TINY)
    depth = run.model.record.depth_range
    assert depth is not None
    assert depth[1] <= 3500


def test_load_of_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        uf.load(tmp_path / "nothing")
    with pytest.raises(RunError, match="not a run directory"):
        uf.load(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["eager", "openvino"])
def test_a_head_on_all_stages_trains_on_what_was_computed_once_and_predicts_what_was_recorded(
    image_folder: Path, tmp_path: Path, engine: str
) -> None:
    changes = {**TINY, "features": "stages", "engine": engine, "cache_dir": str(tmp_path / "cache")}
    run = uf.train(image_folder, out=tmp_path / "run", epochs=2, **changes)
    assert (run.record.engine, run.record.cache.hit_ratio) == (engine, 0.0)
    assert json.loads((run.path / "model.json").read_text())["features"] == "stages"
    assert 'features = "stages"' in (run.path / "plan.toml").read_text()
    assert "after every stage" in (run.path / "methods.txt").read_text()
    file, *_, probability = (run.path / "predictions.csv").read_text().splitlines()[1].split(",")
    (found,) = run.predict([image_folder / file])
    assert list(found.scores.values())[-1] == pytest.approx(float(probability), abs=1e-4)


@pytest.mark.slow
def test_a_run_that_is_continued_keeps_what_its_head_reads(image_folder: Path, tmp_path: Path) -> None:
    first = uf.train(image_folder, out=tmp_path / "first", features="stages", epochs=1, **TINY)
    changes = {**TINY, "model": str(first.path), "pretrained": True}
    second = uf.train(image_folder, out=tmp_path / "second", epochs=1, **changes)
    assert second.model.record.features == "stages"
    assert any("head of the run" in note for note in second.record.notes)


def test_a_head_that_is_fitted_at_once_does_not_inherit_a_hidden_layer(image_folder: Path, tmp_path: Path) -> None:
    first = uf.train(image_folder, out=tmp_path / "first", hidden=8, epochs=1, **TINY)
    changes = {**TINY, "model": str(first.path), "pretrained": True}
    second = uf.train(image_folder, out=tmp_path / "second", strategy="head2toe", epochs=1, **changes)
    assert second.model.record.hidden is None


def test_a_training_that_diverges_in_its_last_step_has_failed(image_folder: Path, tmp_path: Path) -> None:
    """Its loss was finite before that step, and classes would be decided among nans."""
    options = {**TINY, "strategy": "full", "epochs": 1, "batch_size": 64, "lr": 1e30, "clip": None}
    with pytest.raises(FailedError, match=r"The training diverged: what it gives is not all finite"):
        uf.train(image_folder, out=tmp_path / "run", **options)
    raw = json.loads((tmp_path / "run" / "run.json").read_text())
    assert raw["status"] == "failed"
    assert "lower rate" in raw["error"]
