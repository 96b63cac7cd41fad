"""`unfreeze export`, as a user runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.slow
def test_export_writes_a_file_and_says_how_near_it_is(
    unfreeze: Callable[..., Any], finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "exported" / "pets.onnx"
    done = unfreeze("export", finished, "--format", "onnx", "--out", out, "--pictures", "4")
    assert done.code == 0, done.err
    assert "100% of predictions equal" in done.out
    assert "from file to file" in done.out
    assert {path.name for path in out.parent.iterdir()} == {
        "model_card.md",
        "pets.onnx",
        "pets.onnx.example.py",
        "pets.onnx.parity.json",
    }


@pytest.mark.slow
def test_export_as_json_holds_the_whole_record(unfreeze: Callable[..., Any], finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "pets.pt2"
    payload = unfreeze("export", finished, "--format", "torch", "--out", out, "--pictures", "4", "--json").json
    assert payload["parity"]["same_pixels"]["top1_agreement"] == 1
    assert str(tmp_path / "pets.timm.safetensors") in payload["files"]
    assert payload["files"][0] == str(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "onx", "--out", "m.onnx"), "onnx"),
        (("--format", "onnx"), "--out"),
        (("--format", "onnx", "--out", "m.pt2"), "--out must end in .onnx"),
        (("--format", "openvino", "--out", "."), "is a directory"),
        (("--format", "torch", "--out", "m.pt2", "--pictures", "0"), "--pictures must be at least 1"),
    ],
)
def test_an_export_that_cannot_be_is_an_error_of_the_user(
    unfreeze: Callable[..., Any], finished: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = unfreeze("export", finished, *arguments)
    assert done.code == 2
    assert message in done.err
    assert not list((tmp_path / "work").iterdir())


def test_what_is_no_finished_run_is_an_error(unfreeze: Callable[..., Any], tmp_path: Path) -> None:
    done = unfreeze("export", tmp_path / "none", "--format", "torch", "--out", "m.pt2")
    assert done.code == 2
    assert "does not exist" in done.err
