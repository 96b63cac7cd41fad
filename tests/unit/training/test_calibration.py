"""A run's probabilities are calibrated, kept, and the same wherever they are made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import unfreeze as uf
from unfreeze.backbones import output_scores
from unfreeze.errors import ConfigError
from unfreeze.evaluation import read_predictions
from unfreeze.records import ModelRecord, read_json

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "batch_size": 8, "augment": "none"}
SIDES = ["train"] * 24 + ["val"] * 60 + ["test"] * 36
IMAGES = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def overconfident(make_image_table: Callable[..., Path], tmp_path: Path) -> uf.Run:
    """A run whose head took far too large steps, on labels of which two in five are not what the picture shows."""
    rng = np.random.default_rng(0)
    shown = [i % 3 for i in range(len(SIDES))]
    labels = [("cat", "dog", "cow")[(k + (rng.random() < 0.4)) % 3] for k in shown]
    table = make_image_table({"shown": shown, "label": labels, "split": SIDES})
    return uf.train(table, out=tmp_path / "run", split="split", epochs=2, lr=3.0, conformal=0.9, **TINY)


def values(metrics: Any) -> dict[str, float]:
    return {name: interval.value for name, interval in metrics.items()}


@pytest.mark.slow
def test_an_overconfident_network_is_calibrated_and_says_so(overconfident: uf.Run) -> None:
    done = overconfident.record.calibration
    assert done is not None
    assert done.reason == "fitted"
    assert done.temperature > 1
    assert done.n_images == 60
    for side in ("val", "test"):
        before, after = values(getattr(done.before, side)), values(getattr(done.after, side))
        assert after["log_loss"] < before["log_loss"]
        assert after.items() <= values(getattr(overconfident.metrics, side)).items()
    assert values(done.after.test)["ece"] < values(done.before.test)["ece"]
    sentence = f"temperature of {done.temperature:.3g}, fitted on the 60 validation pictures"
    assert sentence in (overconfident.path / "report.html").read_text(encoding="utf-8")
    methods = (overconfident.path / "methods.txt").read_text(encoding="utf-8")
    assert f"temperature of {done.temperature:.3g}, fitted by log loss (Guo et al. 2017)" in methods
    assert "hold the truth in 0.9 of all cases by split conformal prediction on the 60 validation pictures" in methods
    assert "the pictures on which the best epoch was chosen" in methods


@pytest.mark.slow
def test_the_temperature_is_kept_and_applied_again_to_the_last_bit(overconfident: uf.Run) -> None:
    again = uf.load(overconfident.path)
    model, done = again.model, again.record.calibration
    assert done is not None
    assert model.record.temperature == done.temperature
    with torch.inference_mode():
        assert torch.equal(model.scores(IMAGES), torch.softmax(model(IMAGES) / done.temperature, dim=1))
        assert torch.equal(model.scores(IMAGES), overconfident.model.scores(IMAGES))
    table = read_predictions(again.path / "predictions.csv", task="classification", outputs=again.record.classes)
    root = Path(again.record.data.path).parent
    found = again.predict([root / file for file in table.files])
    scores = np.array([[each.scores[name] for name in again.record.classes] for each in found])
    np.testing.assert_allclose(scores, table.scores, atol=1e-5)  # another engine computed the frozen layers
    shown = [each.prediction for each in found]
    assert shown == table.shown(table.predicted)


@pytest.mark.slow
def test_evaluating_applies_temperature_and_sets(overconfident: uf.Run) -> None:
    table = Path(overconfident.record.data.path)
    found = overconfident.evaluate(table)  # its split column leaves the test side alone
    assert found.n_images == 36
    assert values(found.metrics) == pytest.approx(values(overconfident.metrics.test), abs=1e-4)
    assert {"coverage", "set_size"} <= found.metrics.keys()


@pytest.mark.slow
def test_sets_hold_the_prediction_and_what_evaluation_counted(overconfident: uf.Run) -> None:
    root = Path(overconfident.record.data.path).parent
    table = read_predictions(
        overconfident.path / "predictions.csv", task="classification", outputs=overconfident.record.classes
    ).of("test")
    assert table.truth is not None
    found = overconfident.predict([root / file for file in table.files])
    sets = [each.classes for each in found if each.classes is not None]
    assert len(sets) == 36
    assert all(each.prediction in members for each, members in zip(found, sets, strict=True))
    assert np.mean([len(members) for members in sets]) == overconfident.metrics.test["set_size"].value
    held = [truth in members for truth, members in zip(table.shown(table.truth), sets, strict=True)]
    assert np.mean(held) == overconfident.metrics.test["coverage"].value
    for each, members in zip(found, sets, strict=True):
        assert list(members) == sorted(members, key=lambda name: -each.scores[name])


@pytest.mark.slow
def test_a_run_from_before_there_was_calibration_loads_and_predicts_as_it_did(overconfident: uf.Run) -> None:
    root = Path(overconfident.record.data.path).parent
    pictures = [root / "images" / f"{i:03d}.png" for i in range(4)]
    old = overconfident.path.with_name("old")
    shutil.copytree(overconfident.path, old)
    for name, keys in (("model.json", ("temperature", "conformal")), ("run.json", ("calibration",))):
        content = json.loads((old / name).read_text(encoding="utf-8"))
        for key in keys:
            del content[key]
        content.get("config", {}).pop("conformal", None)
        (old / name).write_text(json.dumps(content), encoding="utf-8")
    run = uf.load(old)
    assert run.model.record.temperature == 1
    with torch.inference_mode():
        assert torch.equal(run.model.scores(IMAGES), torch.softmax(run.model(IMAGES), dim=1))
    new = overconfident.predict(pictures)
    for before, after in zip(run.predict(pictures), new, strict=True):
        assert before.prediction == after.prediction
        assert before.classes is None
        assert max(before.scores.values()) > max(after.scores.values())
    assert "Probabilities were not calibrated afterwards" in run.report().with_name("methods.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("temperature", [0.05, 0.7, 20.0])
def test_a_temperature_never_changes_a_decision(overconfident: uf.Run, task: Any, temperature: float) -> None:
    own = msgspec.structs.replace(
        read_json(overconfident.path / "model.json", ModelRecord),
        task=task, temperature=1.0, prior_shift=(2.0, 0.0, -1.0),
    )  # fmt: skip
    hot = msgspec.structs.replace(own, temperature=temperature)
    close = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(-9, 2, 500)[:, None]
    assert torch.equal(output_scores(close, own, balanced=True), output_scores(close, hot, balanced=True))
    shift = torch.tensor([2.0, 0.0, -1.0])
    squash = {"classification": lambda z: torch.softmax(z, dim=1), "multilabel": torch.sigmoid}[task]
    assert torch.equal(output_scores(close, hot), squash(close / temperature + shift))


@pytest.mark.slow
def test_labels_share_one_temperature(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.integers(0, 2, len(SIDES)) for name in ("red", "striped")}
    table = make_image_table({**columns, "split": SIDES})
    options = {**TINY, "split": "split", "target": ("red", "striped"), "task": "multilabel"}
    run = uf.train(table, out=tmp_path / "run", epochs=2, lr=3.0, **options)
    done = run.record.calibration
    assert done is not None
    assert done.reason == "fitted"
    assert values(done.after.test)["log_loss"] < values(done.before.test)["log_loss"]
    assert run.model.record.temperature == done.temperature
    with pytest.raises(ConfigError, match=r"--conformal 0\.9 contradicts --task multilabel"):
        uf.train(table, out=tmp_path / "other", conformal=0.9, **options)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_values_have_intervals_and_no_temperature(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(100, 20, len(SIDES)).round(2) for name in ("weight", "length")}
    table = make_image_table({**columns, "split": SIDES})
    options = {**TINY, "split": "split", "target": ("weight", "length")}
    run = uf.train(table, out=tmp_path / "run", epochs=1, conformal=0.8, **options)
    assert run.record.calibration is None
    assert run.metrics.test["coverage"].value == pytest.approx(0.8, abs=0.2)
    (found,) = run.predict([table.parent / "images" / "100.png"])
    assert found.intervals is not None
    for name, (low, high) in found.intervals.items():
        assert (low + high) / 2 == pytest.approx(found.scores[name])
        assert high - low > 10


def test_too_few_validation_pictures_give_a_note_and_no_sets(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, conformal=0.99, **TINY)
    assert any("--conformal 0.99 needs at least 99 validation pictures" in note for note in run.record.notes)
    assert run.record.calibration is not None
    assert run.record.calibration.reason == "few"
    assert "too few to calibrate" in (run.path / "report.html").read_text(encoding="utf-8")
    assert run.predict([image_folder / "cat" / "000.png"])[0].classes is None
    assert "coverage" not in run.metrics.test
