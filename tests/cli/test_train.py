from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.slow
def test_training_ends_with_metric_confusions_time_and_the_next_command(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...]
) -> None:
    done = unfreeze("train", pets, *tiny, "--epochs", "1")
    assert done.code == 0, done.err
    run = "runs/pets-head-1"
    lines = done.out.splitlines()
    assert lines[0].startswith("On ")
    assert lines[0].endswith("test pictures, with 95% intervals:")
    assert lines[1].startswith("  balanced_accuracy ")
    assert "to" in lines[1]
    assert any(line.startswith("Time:   ") and "training" in line for line in lines)
    assert f"Run:    {run}" in lines
    assert f"Next:   unfreeze predict {run} PICTURES" in lines


@pytest.mark.slow
def test_with_json_stdout_is_one_object_and_progress_is_on_stderr(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    done = unfreeze("train", pets, *tiny, "--epochs", "2", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert done.json["run"] == str(tmp_path / "run")
    assert done.json["primary_metric"] == "balanced_accuracy"
    assert set(done.json["metrics"]["test"]["accuracy"]) == {"value", "low", "high"}
    assert len(done.json["worst"]) <= 2
    assert all(set(each) == {"truth", "prediction", "count", "n_truth"} for each in done.json["worst"])
    assert done.json["timing"]["total_seconds"] > 0
    assert done.json["next"].startswith("unfreeze predict ")
    assert 'Phase 1 of 1 "head": 2 epochs, trains head' in done.err
    assert "  epoch 1/2  head  loss " in done.err


def test_contradictory_flags_are_reported_all_at_once_and_nothing_is_written(
    unfreeze: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    flags = ("--epochs", "0", "--batch-size", "0", "--views", "3", "--augment", "none", "--model", "resnet5O")
    done = unfreeze("train", pets, *flags, "--out", tmp_path / "run")
    assert done.code == 2
    for word in ("--epochs must be", "--batch-size must be", "--views 3 contradicts", '"resnet5O"', '"resnet50"'):
        assert word in done.err
    assert not (tmp_path / "run").exists()


def test_flags_that_a_plan_says_itself_contradict_it(unfreeze: Callable[..., Any], pets: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("version = 1\n", encoding="utf-8")
    flags = ("--plan", tmp_path / "plan.toml", "--strategy", "full", "--epochs", "3", "--lr", "1e-3")
    done = unfreeze("train", pets, *flags)
    assert done.code == 2
    for word in ("--strategy contradicts --plan", "--epochs contradicts --plan", "--lr contradicts --plan"):
        assert word in done.err


@pytest.mark.slow
def test_a_plan_that_was_printed_can_be_trained(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    toml = unfreeze("plan", "test_efficientnet", "--strategy", "gradual", "--epochs", "2", "--toml").out
    (tmp_path / "plan.toml").write_text(toml, encoding="utf-8")
    done = unfreeze("train", pets, *tiny, "--plan", tmp_path / "plan.toml")
    assert done.code == 0, done.err
    assert 'Phase 2 of 2 "' in done.err
    assert "Run:    runs/pets-plan-1" in done.out


def test_data_is_needed_unless_a_run_is_resumed(unfreeze: Callable[..., Any]) -> None:
    done = unfreeze("train")
    assert done.code == 2
    assert "folder" in done.err


def test_resume_needs_a_run(unfreeze: Callable[..., Any], pets: Path) -> None:
    done = unfreeze("train", pets, "--resume")
    assert done.code == 2
    assert "--out" in done.err


@pytest.mark.slow
def test_a_run_that_is_there_is_not_overwritten(
    unfreeze: Callable[..., Any], pets: Path, finished: Path, tiny: tuple[str, ...]
) -> None:
    before = (finished / "run.json").read_bytes()
    done = unfreeze("train", pets, *tiny, "--out", finished)
    assert done.code == 2
    assert "holds another run" in done.err
    assert (finished / "run.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_checkpoint_and_says_how_to_continue(
    pets: Path, tiny: tuple[str, ...], tmp_path: Path, unfreeze: Callable[..., Any], number: signal.Signals
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "unfreeze.cli", "train", str(pets), *tiny, "--epochs", "400", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        shown = next((line for line in lines if line.startswith("  epoch ")), "")
        process.send_signal(number)
        _, err = process.communicate()
    assert shown, err
    assert process.returncode == 130, err
    assert f"unfreeze train --resume --out {out}" in err
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["status"] == "interrupted"

    differing = unfreeze("train", "--resume", "--out", out, "--seed", "1")
    assert differing.code == 2
    assert "--seed 1 differs from the run's own 0" in differing.err


def test_a_run_that_is_finished_is_not_resumed(unfreeze: Callable[..., Any], finished: Path) -> None:
    done = unfreeze("train", "--resume", "--out", finished)
    assert done.code == 2
    assert "finished" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("line", ["Reading pictures", "Loading", "Phase 1"])
def test_an_interrupt_at_any_moment_is_answered_by_one_line_and_one_object(
    pets: Path, tiny: tuple[str, ...], tmp_path: Path, line: str
) -> None:
    out = tmp_path / "run"
    options = (*tiny, "--epochs", "5000", "--strategy", "full", "--out", str(out), "--json")
    command = [sys.executable, "-m", "unfreeze.cli", "train", str(pets), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        shown = next((text for text in iter(process.stderr.readline, "") if text.startswith(line)), "")
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate()
    assert shown, err
    assert process.returncode == 130, err
    assert json.loads(printed)["error"]["exit_code"] == 130
    assert err.splitlines()[-1].startswith("error: Interrupted")
    assert (out / "checkpoints" / "last.safetensors").exists() == out.exists()


def test_a_head_is_fitted_by_one_flag_and_each_epoch_says_at_which_strength(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    done = unfreeze("train", pets, *tiny, "--solver", "lbfgs", "--epochs", "2", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "by L-BFGS, norm eval" in done.err
    assert "  epoch 1/2  head  L2 5.6e-1  loss " in done.err


def test_features_are_selected_by_one_flag_and_what_was_kept_is_said(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    flags = ("--solver", "lbfgs", "--select-features", "0.5", "--epochs", "2", "--out", tmp_path / "run")
    done = unfreeze("train", pets, *tiny, *flags)
    assert done.code == 0, done.err
    assert "by L-BFGS on 50% of the features, norm eval" in done.err
    assert "features (50%, as given), those that a group lasso ranks first." in done.err
    wrong = unfreeze("train", pets, *tiny, "--solver", "lbfgs", "--select-features", "few", "--out", tmp_path / "no")
    assert wrong.code == 2
    assert 'expected a number, or auto, but got "few"' in wrong.err
    contradicting = unfreeze("train", pets, *tiny, "--select-features", "auto", "--out", tmp_path / "no")
    assert contradicting.code == 2
    assert "--select-features auto contradicts --strategy head with --solver adamw" in contradicting.err
    assert not (tmp_path / "no").exists()


def test_what_contradicts_a_fitted_head_is_told_at_once_and_nothing_is_written(
    unfreeze: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    flags = ("--lr", "1e-3", "--hidden", "8", "--clip", "1", "--views", "3", "--balance", "sampling")
    done = unfreeze("train", pets, "--solver", "lbfgs", *flags, "--out", tmp_path / "run")
    assert done.code == 2
    for word in ("--lr 0.001", "--hidden 8", "--clip 1", "--views 3", "--balance sampling"):
        assert f'{word} contradicts solver "lbfgs"' in done.err
    assert not (tmp_path / "run").exists()
