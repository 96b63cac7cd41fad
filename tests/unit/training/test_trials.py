"""What a step of a training takes, before any is tried."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unfreeze.backbones import input_spec
from unfreeze.records import TrainOptions
from unfreeze.training import Silent
from unfreeze.training.inputs import open_data, plan_from_options, study_data
from unfreeze.training.settings import settled
from unfreeze.training.trials import seconds_per_picture


def timed(data: Path, **changes: object) -> float:
    base = TrainOptions(model="test_resnet", pretrained=False, size=32, strategy="layerwise")
    options = settled(base, frozenset({"size"}))
    studied = study_data(data, open_data(data, options), options, Silent(), spec=input_spec("test_resnet", size=32))
    plan = plan_from_options(options, n_outputs=2, architecture="test_resnet", given=frozenset())
    return seconds_per_picture(replace(studied, **changes), options, plan=plan, progress=Silent())


def test_a_step_is_timed_and_leaves_nothing(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files, state = sorted(tmp_path.rglob("*")), torch.get_rng_state()
    found = timed(image_folder)
    assert math.isfinite(found)
    assert found > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(tmp_path.rglob("*")) == files
