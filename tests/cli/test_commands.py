"""What the commands beside train and demo print, for people and for scripts."""

from __future__ import annotations

import csv
import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_layers_shows_stages_groups_and_the_selectors_to_train_from_there(unfreeze: Callable[..., Any]) -> None:
    shown = unfreeze("layers", "resnet18", "--size", "64").out
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert rows["layer4"][1] == "layer4.0"
    assert rows["layer4"][-1] == "stages:1"
    assert rows["head"][-1] == "head"
    assert "at 64x64 px" in shown


def test_layers_as_json_sums_up_to_the_whole_network(unfreeze: Callable[..., Any]) -> None:
    payload = unfreeze("layers", "resnet18", "--size", "64", "--json").json
    groups = [group for stage in payload["stages"] for group in stage["groups"]]
    assert sum(group["n_parameters"] for group in groups) == payload["n_parameters"]
    assert payload["size"] == [64, 64]
    assert [stage["name"] for stage in payload["stages"]][-2:] == ["layer4", "head"]


def test_plan_shows_phases_and_trains_nothing(unfreeze: Callable[..., Any], tmp_path: Path) -> None:
    shown = unfreeze("plan", "resnet18", "--strategy", "gradual", "--epochs", "6", "--size", "64").out
    assert "6 epochs in all" in shown
    assert "layer4.0 … head" in shown
    assert not list((tmp_path / "work").iterdir())


def test_plan_as_toml_is_toml_and_as_json_carries_it(unfreeze: Callable[..., Any]) -> None:
    arguments = ("plan", "resnet18", "--strategy", "layerwise", "--size", "64")
    toml = unfreeze(*arguments, "--toml").out
    payload = unfreeze(*arguments, "--json").json
    assert tomllib.loads(toml) == tomllib.loads(payload["toml"])
    assert payload["epochs"] == 10
    assert payload["phases"][0]["min_lr"] < payload["phases"][0]["max_lr"] == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "gradul"), '"gradual"'),
        (("--strategy", "from:layer9"), "layer"),
        (("--epochs", "0"), "--epochs must be at least 1"),
        (("--plan", "p.toml", "--strategy", "head"), "--strategy contradicts --plan"),
    ],
)
def test_a_plan_that_cannot_be_is_an_error_of_the_user(
    unfreeze: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    done = unfreeze("plan", "resnet18", "--size", "64", *arguments)
    assert done.code == 2
    assert message in done.err


def test_models_shows_the_bundled_ones_first(unfreeze: Callable[..., Any]) -> None:
    lines = [line.split() for line in unfreeze("models").out.splitlines()]
    names = [line[0] for line in lines if line]
    assert next(name for name in names if "_" in name) == "tf_efficientnet_lite0"
    assert "resnet50" in names


def test_models_can_be_searched_by_part_and_by_glob(unfreeze: Callable[..., Any]) -> None:
    by_part = [model["name"] for model in unfreeze("models", "mobilenetv2", "--json").json["models"]]
    assert "mobilenetv2_100" in by_part
    assert all("mobilenetv2" in name for name in by_part)
    by_glob = [model["name"] for model in unfreeze("models", "vgg1?", "--json").json["models"]]
    assert by_glob == ["vgg11", "vgg13", "vgg16", "vgg19"]


def test_a_search_that_finds_nothing_offers_the_nearest(unfreeze: Callable[..., Any]) -> None:
    done = unfreeze("models", "resnet5O")
    assert done.code == 2
    assert 'Did you mean "resnet50"' in done.err


def test_report_says_where_it_is(unfreeze: Callable[..., Any], finished: Path) -> None:
    payload = unfreeze("report", finished, "--json").json
    assert payload["report"] == str(finished / "report.html")
    assert (finished / "methods.txt").is_file()


@pytest.mark.parametrize("command", [("report",), ("predict", "a.png"), ("evaluate", "pictures")])
def test_a_directory_that_is_no_run_is_an_error_of_the_user(
    unfreeze: Callable[..., Any], command: tuple[str, ...], tmp_path: Path
) -> None:
    done = unfreeze(command[0], tmp_path, *command[1:])
    assert done.code == 2
    assert "is not a run directory" in done.err


def test_predict_shows_a_class_and_probabilities(unfreeze: Callable[..., Any], finished: Path, pets: Path) -> None:
    payload = unfreeze("predict", finished, pets / "cat", "--json").json
    assert payload["n_images"] == 14
    assert payload["n_unreadable"] == 0
    first = payload["predictions"][0]
    assert first["prediction"] in {"cat", "dog"}
    assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert "00.png" in unfreeze("predict", finished, pets / "cat").out


def test_predict_writes_csv_and_json(unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path) -> None:
    done = unfreeze("predict", finished, f"{pets}/dog/0*.png", "--out", tmp_path / "new" / "p.csv")
    assert done.code == 0
    assert "10 predictions written to" in done.out
    with (tmp_path / "new" / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "prediction", "prob:cat", "prob:dog", "error"]
    assert len(rows) == 10
    unfreeze("predict", finished, f"{pets}/dog/0*.png", "--out", tmp_path / "p.json")
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["n_images"] == 10


@pytest.mark.slow
def test_predict_and_evaluate_show_prediction_sets(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trained = unfreeze("train", pets, *tiny, "--epochs", "1", "--conformal", "0.6", "--out", run, "--json").json
    assert 0 <= trained["metrics"]["test"]["coverage"]["value"] <= 1
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    unfreeze("predict", run, pets / "dog", broken, "--out", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "prediction", "set", "prob:cat", "prob:dog", "error"]
    assert all(row["prediction"] in row["set"].split("|") for row in rows[:-1])
    assert rows[-1]["set"] == ""
    (first, *_) = unfreeze("predict", run, pets / "dog", "--json").json["predictions"]
    assert set(first["set"]) <= {"cat", "dog"}
    assert ["file", "prediction", "most", "likely", "set"] in [
        line.split() for line in unfreeze("predict", run, pets / "dog").out.splitlines()
    ]
    shown = unfreeze("evaluate", run, pets).out
    assert "coverage" in shown
    assert "set_size" in shown


@pytest.mark.slow
def test_predict_writes_the_interval_of_a_value(
    unfreeze: Callable[..., Any], make_image_table: Callable[..., Path], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    table, run = make_image_table({"weight": [1.5 * i for i in range(28)]}), tmp_path / "run"
    unfreeze("train", table, "--target", "weight", *tiny, "--epochs", "1", "--conformal", "0.6", "--out", run)
    unfreeze("predict", run, table.parent / "images", "--out", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert list(row) == ["file", "prediction", "low", "high", "error"]
    assert float(row["low"]) < float(row["prediction"]) < float(row["high"])
    assert " to " in unfreeze("predict", run, table.parent / "images").out


def test_predict_passes_over_what_it_cannot_read(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    done = unfreeze("predict", finished, pets / "cat" / "00.png", broken)
    assert done.code == 0
    assert "note: " in done.out
    assert "broken.png" in done.out
    alone = unfreeze("predict", finished, broken)
    assert alone.code == 2
    assert "None of the pictures can be read" in alone.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.png",), "nothing.png"),
        (("a.png", "--out", "p.txt"), "must end in .csv, .parquet, .json or .jsonl"),
        (("a.png", "--resume"), "--resume needs --out"),
        (("a.png", "--engine", "fast"), "--engine"),
        (("a.png", "--batch-size", "0"), "--batch-size must be at least 1"),
    ],
)
def test_predict_says_what_is_wrong_with_its_arguments(
    unfreeze: Callable[..., Any], finished: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = unfreeze("predict", finished, *arguments)
    assert done.code == 2
    assert message in done.err


def test_evaluate_gives_metrics_with_intervals(unfreeze: Callable[..., Any], finished: Path, pets: Path) -> None:
    payload = unfreeze("evaluate", finished, pets, "--json").json
    assert payload["n_images"] == 28
    accuracy = payload["metrics"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert unfreeze("evaluate", finished, pets).out.startswith("On 28 pictures, with 95% intervals:\n  balanced_acc")


def test_check_reports_findings_and_ends_well(
    unfreeze: Callable[..., Any], make_image_folder: Callable[..., Path]
) -> None:
    folder = make_image_folder()
    (folder / "dog" / "copy.png").write_bytes((folder / "cat" / "000.png").read_bytes())
    done = unfreeze("check", folder, "--json")
    assert done.code == 0, done.err
    findings = done.json["findings"]
    assert any({"cat/000.png", "dog/copy.png"} <= set(finding["files"]) for finding in findings)
    shown = unfreeze("check", folder).out
    assert findings[0]["code"] in shown
    assert findings[0]["remedy"] in shown


def test_a_failure_that_nobody_foresaw_says_how_to_see_more(
    unfreeze: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("demo", "--out", "/proc/nowhere/demo")
    done = unfreeze(*arguments)
    assert done.code == 1
    assert "Set UNFREEZE_DEBUG=1" in done.err
    assert "Traceback" not in done.err
    monkeypatch.setenv("UNFREEZE_DEBUG", "1")
    assert "Traceback" in unfreeze(*arguments).err
