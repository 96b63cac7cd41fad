"""The model card is one that the Hub takes, and tells what the run's records tell."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

import unfreeze as uf
from unfreeze.exporting.model_card import data_name
from unfreeze.records import ModelRecord, read_json, write_json
from unfreeze.reporting.contents import read_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.run import Run

pytestmark = pytest.mark.slow


def exported(run: Run, folder: Path) -> str:
    run.export(folder / "m.onnx", format="onnx", pictures=4)
    return (folder / "model_card.md").read_text(encoding="utf-8")


def test_its_header_is_read_by_the_hub_s_own_reader(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    data = ModelCard(exported(run, tmp_path)).data
    assert data.pipeline_tag == "image-classification"
    assert data.library_name == "unfreeze"
    assert data.license == "unknown"  # of random weights
    assert {"timm", "onnx"} <= set(data.tags)
    found = {result.metric_name: result.metric_value for result in data.eval_results}
    assert found["accuracy"] == pytest.approx(run.metrics.test["accuracy"].value, abs=1e-4)


def test_it_tells_metrics_with_their_intervals_and_the_limits(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    text = exported(run, tmp_path)
    accuracy = run.metrics.test["accuracy"]
    assert f"{100 * accuracy.low:.1f}% to {100 * accuracy.high:.1f}%" in text
    assert "test pictures are few" in text
    assert "We fine-tuned test_efficientnet" in text
    assert "`m.onnx`" in text


def test_it_names_no_folder_of_the_machine(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    assert str(run.path.parent) not in exported(run, tmp_path)
    assert str(tmp_path) not in exported(run, tmp_path)
    assert "/tmp" not in exported(run, tmp_path)  # noqa: S108 - searched for, not used


def test_it_covers_all_files_of_the_same_weights_beside_it(make_run: Callable[..., Run], tmp_path: Path) -> None:
    make_run().export(tmp_path / "m.pt2", format="torch", pictures=4)
    make_run("values").export(tmp_path / "other.xml", format="openvino", pictures=4)
    text = exported(make_run(), tmp_path)
    assert "`m.pt2`" in text
    assert "other.xml" not in text


def test_a_card_that_was_made_one_s_own_stays(make_run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "model_card.md").write_text("mine", encoding="utf-8")
    done = make_run().export(tmp_path / "m.onnx", format="onnx", pictures=4)
    assert (tmp_path / "model_card.md").read_text(encoding="utf-8") == "mine"
    assert any("edited by hand" in note for note in done.notes)


@pytest.mark.parametrize("what", ["classes", "labels", "values"])
@pytest.mark.parametrize(("name", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml"), ("torch", ".pt2")])
def test_the_lines_that_it_shows_run(
    make_run: Callable[..., Run],
    make_picture: Callable[..., np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    name: str,
    suffix: str,
) -> None:
    make_run(what).export(tmp_path / f"m{suffix}", format=name, pictures=4)  # type: ignore[arg-type]
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    lines = text.split("```python\n")[1].split("```")[0]
    Image.fromarray(make_picture(0, seed=0, size=(70, 50))).save(tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(lines, names)  # noqa: S102 - our own page
    assert names["classes"] == list(make_run(what).record.classes)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/photos", "photos"),
        ("/data/photos.v2", "photos.v2"),
        ("/data/photos/labels.csv", "photos"),
        ("/data/photos.v2/labels.Parquet", "photos.v2"),
        ("labels.csv", "labels"),
        ("/", "pictures"),
    ],
)
def test_the_data_are_called_as_their_folder(make_run: Callable[..., Run], path: str, name: str) -> None:
    contents = read_contents(make_run().path)
    data = msgspec.structs.replace(contents.record.data, path=path)
    record = msgspec.structs.replace(contents.record, data=data)
    assert data_name(dataclasses.replace(contents, record=record)) == name


def test_it_tells_the_range_of_deep_pictures(make_run: Callable[..., Run], tmp_path: Path) -> None:
    shutil.copytree(make_run().path, tmp_path / "run")
    model = read_json(tmp_path / "run" / "model.json", ModelRecord)
    write_json(tmp_path / "run" / "model.json", msgspec.structs.replace(model, depth_range=(12, 4095)))
    assert "with more than 8 bits 12 to 4095 becomes 0 to 255" in exported(uf.load(tmp_path / "run"), tmp_path)
