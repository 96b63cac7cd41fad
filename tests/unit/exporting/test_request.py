"""What an export may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unfreeze.errors import ConfigError
from unfreeze.exporting import request
from unfreeze.exporting.request import ExportRequest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "onx"}, 'must be one of onnx, openvino, torch, but got "onx". Did you mean "onnx"'),
        ({"out": "model.pt2"}, "must end in .onnx for --format onnx"),
        ({"out": "model"}, "must end in .onnx"),
        ({"n_pictures": 0}, "--pictures must be at least 1, but got 0"),
        ({"out": "file/model.onnx"}, "is a file; name another place"),
        ({"out": "folder.onnx"}, "is a directory; name a file in it"),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.onnx").mkdir()
    asked = {"format": "onnx", "out": "model.onnx", **changes}
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        ExportRequest(**{**asked, "out": Path(asked["out"])})


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(request.PACKAGES, "onnx", ("onnx_that_nobody_has",))
    with pytest.raises(ConfigError, match=r"needs onnx_that_nobody_has.*pip install 'unfreeze\[export\]'"):
        ExportRequest(format="onnx", out=tmp_path / "m.onnx")
