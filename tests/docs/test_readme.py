"""The README's Python runs as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
TRAINING, OWN_LOOP = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
def test_training_in_python(image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(image_folder, "photos")
    shutil.copy(next(image_folder.rglob("*.png")), "new.jpg")
    names: dict[str, Any] = {}
    exec(TRAINING.replace("epochs=10", "epochs=3"), names)  # noqa: S102 - our own page
    assert names["run"].record.status == "done"
    assert names["run"].record.config.strategy == "gradual"


@pytest.mark.slow
def test_a_plan_drives_an_own_loop() -> None:
    model = timm.create_model("resnet18", num_classes=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loader = [(torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 0, 1]))] * 2
    names: dict[str, Any] = {"model": model, "loader": loader}
    exec(OWN_LOOP, names)  # noqa: S102 - our own page
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"layer3", "layer4", "fc"}
    assert names["step"] == 20
