"""A resumed training ends with the same bits as one that was never interrupted (traps 7, 26, 27)."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf
from unfreeze.errors import ConfigError, InterruptedRunError, RunError
from unfreeze.history import read_history
from unfreeze.records import TrainOptions, read_json
from unfreeze.training import EpochInfo, Silent, StepInfo
from unfreeze.training.checkpoint import load_checkpoint

SETTINGS: dict[str, Any] = {
    "model": "test_resnet",
    "pretrained": False,
    "size": 32,
    "strategy": "gradual",
    "epochs": 3,
    "batch_size": 4,
    "augment": "standard",
}


class Interrupting(Silent):
    """Sends this process a signal at a step, counted over the whole training."""

    def __init__(self, step: int, *, number: signal.Signals = signal.SIGINT) -> None:
        self.left, self.number = step, number

    def step(self, info: StepInfo) -> None:
        assert info.lr >= 0
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def weights_of(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def history_of(run: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key != "seconds"} for row in read_history(run / "history.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "number"),
    [
        (2, signal.SIGINT),
        (5, signal.SIGTERM),
        pytest.param(4, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(11, signal.SIGINT, marks=pytest.mark.slow),
    ],
    ids=["mid-epoch", "before a phase change", "at an epoch's end", "in the last phase"],
)
def test_trap_07_resumed_equals_uninterrupted_bit_for_bit(
    image_folder: Path, tmp_path: Path, step: int, number: signal.Signals
) -> None:
    whole = uf.train(image_folder, out=tmp_path / "whole", **SETTINGS)
    with pytest.raises(InterruptedRunError, match="--resume --out"):
        uf.train(image_folder, out=tmp_path / "parts", progress=Interrupting(step, number=number), **SETTINGS)
    parts = uf.train(out=tmp_path / "parts", resume=True)
    assert weights_of(parts.path) == weights_of(whole.path)
    assert history_of(parts.path) == history_of(whole.path)
    assert parts.metrics == whole.metrics
    assert [layer.sha256_after for layer in parts.layers] == [layer.sha256_after for layer in whole.layers]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "eager"},
        {"engine": "eager", "cache": False, "batch_size": 5},
        {"views": 2, "strategy": "head"},
        {"augment": "none", "strategy": "stages:2", "cache": False},
    ],
    ids=["eager", "nothing kept, a last batch of one", "fixed views", "in memory"],
)
def test_trap_07_resuming_is_exact_whatever_computes_the_frozen_layers(
    image_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    settings = {**SETTINGS, **changes}
    caches = ({}, {}) if settings.get("cache") is False else tuple({"cache_dir": str(tmp_path / name)} for name in "ab")
    whole = uf.train(image_folder, out=tmp_path / "whole", **settings, **caches[0])
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=Interrupting(5), **settings, **caches[1])
    for folder in (tmp_path / "b").glob("activations"):
        shutil.rmtree(folder)  # what was kept is gone meanwhile
    parts = uf.train(out=tmp_path / "parts", resume=True)
    assert weights_of(parts.path) == weights_of(whole.path)
    assert history_of(parts.path) == history_of(whole.path)


@pytest.mark.slow
def test_trap_26_a_training_killed_at_a_random_step_resumes_bit_for_bit(image_folder: Path, tmp_path: Path) -> None:
    whole = uf.train(image_folder, out=tmp_path / "whole", **SETTINGS)
    step = random.Random().randint(5, 11)
    script = (
        "import os, signal, torch, unfreeze as uf\n"
        "from unfreeze.training import Silent\n"
        f"torch.set_num_threads({__import__('torch').get_num_threads()})\n"
        "class Killed(Silent):\n"
        f"    left = {step}\n"
        "    def step(self, info):\n"
        "        self.left -= 1\n"
        "        if self.left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"uf.train({str(image_folder)!r}, out={str(tmp_path / 'killed')!r}, progress=Killed(), **{SETTINGS!r})\n"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()
    resumed = uf.train(out=tmp_path / "killed", resume=True)
    assert weights_of(resumed.path) == weights_of(whole.path), f"killed at step {step}"


def test_a_checkpoint_is_whole_or_absent(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=out, progress=Interrupting(5), **SETTINGS)
    checkpoint = out / "checkpoints" / "last.safetensors"
    assert {file.name for file in checkpoint.parent.iterdir()} == {"last.safetensors", "lock"}
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(checkpoint)


@pytest.mark.slow
def test_resume_refuses_flags_that_differ_and_takes_those_that_agree(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=out, progress=Interrupting(3), **SETTINGS)
    with pytest.raises(ConfigError, match=r"--epochs 7 differs from the run's own 3"):
        uf.train(out=out, resume=True, epochs=7)
    assert uf.train(image_folder, out=out, resume=True, epochs=3).record.status == "done"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["Loading", "Evaluating"])
def test_an_interrupt_before_or_after_training_never_promises_what_is_not_there(
    image_folder: Path, tmp_path: Path, stage: str
) -> None:
    class Impatient(Silent):
        def stage(self, text: str) -> None:
            if text.startswith(stage):
                os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "run"
    with pytest.raises((KeyboardInterrupt, InterruptedRunError)) as caught:
        uf.train(image_folder, out=out, progress=Impatient(), **SETTINGS)
    assert out.exists() == isinstance(caught.value, InterruptedRunError)
    if out.exists():
        assert uf.train(out=out, resume=True).record.status == "done"


@pytest.mark.slow
def test_an_interrupt_while_frozen_layers_are_computed_can_be_resumed(image_folder: Path, tmp_path: Path) -> None:
    class Impatient(Silent):
        def prefix(self, n: int, total: int) -> None:
            if n < total:
                os.kill(os.getpid(), signal.SIGINT)

    settings = {**SETTINGS, "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(InterruptedRunError, match="--resume"):
        uf.train(image_folder, out=tmp_path / "run", progress=Impatient(), **settings)
    assert uf.train(out=tmp_path / "run", resume=True).record.status == "done"


@pytest.mark.slow
def test_a_run_that_another_process_trains_is_not_resumed(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=out, progress=Interrupting(3), **SETTINGS)
    holding = (
        "import sys, time; from filelock import FileLock\n"
        f"with FileLock({str(out / 'checkpoints' / 'lock')!r}):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="Another process is training"):
            uf.train(out=out, resume=True)
        other.communicate()
    assert uf.train(out=out, resume=True).record.status == "done"


@pytest.mark.slow
def test_resume_refuses_pictures_that_have_changed(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=out, progress=Interrupting(3), **SETTINGS)
    (image_folder / "cat" / "000.png").unlink()
    with pytest.raises(RunError, match="have changed"):
        uf.train(out=out, resume=True)


def test_resume_of_a_finished_run_says_so(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", **{**SETTINGS, "strategy": "head", "epochs": 1})
    with pytest.raises(RunError, match="finished"):
        uf.train(out=run.path, resume=True)


def test_an_interrupted_run_keeps_its_settings(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=out, progress=Interrupting(3), **SETTINGS)
    with pytest.raises(RunError, match="is interrupted; finish it with"):
        uf.load(out)
    config = read_json(out / "run.json", uf.records.RunRecord).config
    assert config == TrainOptions(**SETTINGS)


class InterruptingEpoch(Silent):
    """Sends this process a signal when an epoch has ended, or when a stage begins."""

    def __init__(self, *, epoch: int | None = None, stage: str | None = None) -> None:
        self.at_epoch, self.at_stage = epoch, stage
        self.notes: list[str] = []

    def epoch(self, info: EpochInfo) -> None:
        if info.epoch == self.at_epoch:
            os.kill(os.getpid(), signal.SIGINT)

    def stage(self, text: str) -> None:
        if text == self.at_stage:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [{"epoch": 2}, {"stage": "Evaluating"}], ids=["last epoch", "evaluation"])
def test_an_end_that_was_interrupted_is_what_it_would_have_been(
    image_folder: Path, tmp_path: Path, moment: dict[str, Any]
) -> None:
    settings = {**SETTINGS, "strategy": "head", "augment": "none", "check_labels": True}
    settings |= {"cache_dir": str(tmp_path / "cache")}
    whole = uf.train(image_folder, out=tmp_path / "whole", **settings)
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=InterruptingEpoch(**moment), **settings)
    parts = uf.train(out=tmp_path / "parts", resume=True)
    assert weights_of(parts.path) == weights_of(whole.path)
    assert parts.record.engine == whole.record.engine
    assert parts.record.cache.n_bytes == whole.record.cache.n_bytes
    assert parts.record.cache.hit_ratio == 1.0
    assert parts.layers == whole.layers
    for name in ("predictions.csv", "evidence/findings.json"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_was_told_before_an_interrupt_stands_in_the_record(image_folder: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "strategy": "stages:1", "features": "stages", "augment": "none"}
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "run", progress=Interrupting(11), **settings)
    notes = uf.train(out=tmp_path / "run", resume=True).record.notes
    told = [note for note in notes if note.startswith("The whole network is computed in every step")]
    assert len(told) == 1
    assert "its head reads the outputs of all stages" in told[0]
