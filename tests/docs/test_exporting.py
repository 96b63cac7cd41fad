"""The Python of docs/reference/exporting.md runs as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "exporting.md").read_text(encoding="utf-8")
ONNX, OPENVINO, TORCH, TIMM = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.slow
def test_each_file_is_used_as_the_page_says(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = uf.train(image_folder, model="test_efficientnet", pretrained=False, size=32, epochs=1)
    for name, suffix in {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}.items():
        run.export(f"photos{suffix}", format=name, pictures=3)  # type: ignore[arg-type]
    shutil.copy(next(image_folder.rglob("*.png")), "picture.jpg")
    (expected,) = run.predict("picture.jpg")
    for block in (ONNX, OPENVINO, TORCH, TIMM):
        names: dict[str, Any] = {}
        exec(block, names)  # noqa: S102 - our own page
        assert names["classes"][int(names["prediction"][0])] == expected.prediction
        assert names["probabilities"][0][0] == pytest.approx(expected.scores[names["classes"][0]], abs=1e-3)
