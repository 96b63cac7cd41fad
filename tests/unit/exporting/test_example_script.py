"""The script beside an exported file says what predict says, of any picture that training can read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.pngs import png

import unfreeze as uf
from unfreeze.data import make_view, read_image
from unfreeze.data.views import least_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.run import Run

pytestmark = pytest.mark.slow
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
N_OF_EACH = 8


def say(script: Path, picture: Path) -> tuple[list[str], dict[str, float]]:
    """Run a script; return the lines before the scores, and the scores by name."""
    command = [sys.executable, script, picture]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    scores = [line for line in lines if line[:1] in " -0123456789"]
    return lines[: len(lines) - len(scores)], {line.split()[1]: float(line.split()[0]) for line in scores}


@pytest.mark.parametrize("name", SUFFIXES)
@pytest.mark.parametrize(
    ("what", "fixed"), [("classes", False), ("classes", True), ("labels", False), ("values", False)]
)
def test_it_says_what_predict_says(
    make_run: Callable[..., Run], tmp_path: Path, name: Any, what: str, fixed: bool
) -> None:
    run = make_run(what)
    out = tmp_path / f"model{SUFFIXES[name]}"
    run.export(out, format=name, pictures=6, fixed_input=fixed)
    file = min(Path(run.record.data.path).parent.glob("*.png"))
    first, scores = say(out.with_name(f"{out.name}.example.py"), file)
    (expected,) = run.predict(file)
    if what == "values":
        assert (first, list(scores)) == ([], ["age"])
        assert scores["age"] == pytest.approx(expected.prediction, abs=0.1)
        return
    named = expected.prediction if what == "classes" else ", ".join(expected.prediction) or "none"
    assert first == [named]
    assert scores == {label: pytest.approx(score, abs=2e-3) for label, score in expected.scores.items()}


def test_a_name_with_quotes_breaks_neither_the_script_nor_the_card(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = r"""it's "1|2" `m`\n {x}.onnx"""
    run = make_run()
    run.export(tmp_path / name, format="onnx", pictures=4)
    file = min(Path(run.record.data.path).parent.glob("*.png"))
    first, _ = say(tmp_path / f"{name}.example.py", file)
    assert first == [run.predict(file)[0].prediction]
    Image.open(file).save(tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    exec(text.split("```python\n")[1].split("```")[0], {})  # noqa: S102 - our own page
    assert r"""| `` it's "1\|2" `m`\n {x}.onnx `` |""" in text


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Run:
    """A run on grey of 16 bits, transparent pictures, turned and large JPEGs, and one of 16-bit colour on test."""
    root = tmp_path_factory.mktemp("mixed")
    exif = Image.Exif()
    exif[274] = 6
    rows = ["file,label,split"]
    for i in range(N_OF_EACH):
        side = ("train", "train", "val", "test")[i // 2 % 4]
        picture = make_picture(i % 2, seed=i, size=(200, 300))
        deep = (picture[:, :, 0].astype(np.uint16) + 20) * (9 + 4 * (i % 2))
        Image.fromarray(deep).save(root / f"deep{i}.png")
        Image.fromarray(deep).save(root / f"deep{i}.tif")
        clear = Image.fromarray(picture)
        clear.putalpha(Image.fromarray(picture[:, ::-1, 1]))
        clear.save(root / f"clear{i}.png")
        Image.fromarray(picture).save(root / f"turned{i}.jpg", exif=exif)
        names = (f"deep{i}.png", f"deep{i}.tif", f"clear{i}.png", f"turned{i}.jpg")
        rows += [f"{name},{'ab'[i % 2]},{side}" for name in names]
    (root / "colour.png").write_bytes(png(make_picture(0, seed=99, size=(40, 40)).astype(np.uint16) * 12, 2))
    rows.append("colour.png,a,test")
    (root / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return uf.train(
        root / "table.csv", out=root / "run", model="test_efficientnet", pretrained=False, size=32, epochs=2
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_deep_transparent_turned_and_large_pictures_reach_the_file_as_in_training(
    mixed: Run, tmp_path: Path, fixed: bool
) -> None:
    done = mixed.export(tmp_path / "m.onnx", format="onnx", pictures=40, fixed_input=fixed)
    root, spec = Path(mixed.record.data.path).parent, mixed.model.spec
    assert spec.depth_range is not None
    read_batch = run_path(str(tmp_path / "m.onnx.example.py"))["read_batch"]
    for name in ("deep0.png", "deep3.tif", "clear2.png", "turned1.jpg"):
        image = read_image(root / name, depth_range=spec.depth_range, at_least=least_size(spec, "none"))
        got = read_batch(root / name)[0].transpose(1, 2, 0)
        expected = make_view(image, spec).permute(1, 2, 0).numpy() if fixed else image
        assert np.abs(got.astype(int) - expected).max() <= fixed, name  # Pillow's resizing rounds otherwise
    first, scores = say(tmp_path / "m.onnx.example.py", root / "deep1.png")
    (predicted,) = mixed.predict(root / "deep1.png")
    assert first == [predicted.prediction]
    assert scores == {label: pytest.approx(score, abs=2e-3) for label, score in predicted.scores.items()}
    own = done.parity.file_to_file
    assert own is not None
    assert own.largest_difference < 1e-3
    assert own.n_pictures == done.parity.same_pixels.n_pictures - 1
    assert any("1 of 17 pictures are not compared from file to file" in note for note in done.notes)
