"""Comparisons of real trainings: what is trained, what is kept, what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.comparing import TINY, Recording, compared

import unfreeze as uf
from unfreeze.errors import ConfigError, FailedError, InterruptedRunError, RunError
from unfreeze.records import read_json


def written(out: Path) -> dict[str, int]:
    """When each run of a comparison was last written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "runs").glob("*/run.json")}


@pytest.mark.slow
def test_every_cell_is_a_run_on_one_split_and_the_best_is_complete(image_folder: Path, tmp_path: Path) -> None:
    watched = Recording()
    found = compared(image_folder, tmp_path / "c", seeds=2, progress=watched)
    raw = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert [row["name"] for row in raw["rows"]] == ["head", "full"]
    spreads, first = ("val", "test", "difference"), raw["rows"][0]
    assert {"strategy", "model", "size", "seeds", "metric", *spreads, "seconds", "n_trained", "verdict", "run"} <= set(
        first
    )
    assert all(set(row[name]) == {"mean", "low", "high"} for row in raw["rows"] for name in spreads)
    assert "best" in {row["verdict"] for row in raw["rows"]}
    runs = [uf.load(found.path / cell.run) for cell in found.record.cells]
    assert len({json.dumps(run.record.split) for run in runs}) == 1, "one split for all seeds"
    assert {run.record.config.seed for run in runs} == {0, 1}
    assert {run.record.config.data_seed for run in runs} == {0}
    assert [info.row for info in watched.cells[:1]] == ["head"], "the cheapest row comes first"
    assert len(watched.results) == 4
    assert found.best.record.config.strategy == found.record.recommended
    assert (found.path / "best" / "report.html").is_file()
    assert not (found.path / "checkpoints").exists()
    chosen = next(row for row in found.rows if row.recommended)
    own = [run for run in runs if run.record.config.strategy == chosen.strategy]
    values = [run.metrics.val["balanced_accuracy"].value or 0.0 for run in own]
    assert chosen.val.mean == pytest.approx(sum(values) / 2)


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_without_repeating_what_is_finished(
    image_folder: Path, tmp_path: Path
) -> None:
    whole = compared(image_folder, tmp_path / "whole")
    out = tmp_path / "parts"
    n_steps_of_head = 2 * 3
    with pytest.raises(InterruptedRunError, match="unfreeze compare --resume --out"):
        compared(image_folder, out, progress=Recording(interrupt_at=n_steps_of_head + 2))
    stopped = uf.Comparison(out)
    assert stopped.record.status == "interrupted"
    assert [row.status for row in stopped.rows] == ["done", "interrupted"]
    assert stopped.rows[0].verdict == "best", "what is finished is ranked"
    assert "This comparison was interrupted. Go on with:" in (out / "report.html").read_text(encoding="utf-8")
    assert stopped.best.record.config.strategy == "head", "what needs no training is done after an interrupt too"
    before = written(out)
    halfway = uf.compare(out=out, resume=True, budget=0.001)
    assert halfway.record.status == "stopped"
    assert halfway.best.record.config.strategy == "head", "a budget's end leaves the best of what is known"
    with pytest.raises(InterruptedRunError):
        uf.compare(out=out, resume=True, progress=Recording(interrupt_at=1))
    assert uf.Comparison(out).best.record.config.strategy == "head"
    watched = Recording()
    resumed = uf.compare(out=out, resume=True, progress=watched)
    assert [result.cell.row for result in watched.results] == ["full"]
    assert {name: when for name, when in written(out).items() if "head" in name} == {
        name: when for name, when in before.items() if "head" in name
    }
    assert [row.val for row in resumed.rows] == [row.val for row in whole.rows]
    assert resumed.record.status == "done"
    with pytest.raises(RunError, match="finished; there is nothing to resume"):
        uf.compare(out=out, resume=True)


@pytest.mark.slow
def test_what_was_killed_before_its_first_checkpoint_begins_anew(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c")
    cell = found.path / found.record.cells[1].run
    (cell / "model.safetensors").unlink()
    record = json.loads((cell / "run.json").read_text())
    (cell / "run.json").write_text(json.dumps({**record, "status": "running"}))
    file = found.path / "compare.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "running"}))
    again = uf.compare(out=found.path, resume=True, progress=(watched := Recording()))
    assert [result.cell.row for result in watched.results] == [found.record.cells[1].row]
    assert [row.val for row in again.rows] == [row.val for row in found.rows]


@pytest.mark.slow
def test_a_cell_that_fails_is_told_and_the_others_go_on(image_folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "wild.toml"
    plan.write_text('version = 1\n[[phase]]\nname = "all"\nepochs = 1\ntrain = "all"\nlr = 1e30\n')
    found = compared(image_folder, tmp_path / "c", strategies=["head"], plan=plan, clip=None)
    by_name = {row.name: row for row in found.rows}
    assert (by_name["head"].status, by_name["head"].verdict) == ("done", "best")
    assert (by_name["plan wild"].status, by_name["plan wild"].verdict) == ("failed", None)
    assert "The loss became" in (by_name["plan wild"].error or "")
    assert found.record.recommended == "head"


@pytest.mark.slow
def test_a_budget_that_ends_keeps_what_is_finished(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    with pytest.raises(FailedError, match=r"The budget ended before any row was finished.*--resume --out") as told:
        compared(image_folder, out, budget=0.001)
    assert told.value.exit_code == 1
    assert 'It stopped at "head", which had not come to a checkpoint and begins anew.' in str(told.value)
    with pytest.raises(RunError, match="no best run yet"):
        _ = uf.Comparison(out).best
    assert uf.Comparison(out).record.status == "stopped"
    assert "Nothing to take yet" in (out / "report.html").read_text(encoding="utf-8")
    found = uf.compare(out=out, resume=True)
    assert [row.status for row in found.rows] == ["done", "done"]


@pytest.mark.slow
def test_folds_judge_every_picture_that_does_not_test(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", folds=2)
    runs = [uf.load(found.path / cell.run) for cell in found.record.cells if cell.row == "head"]
    test = set(runs[0].record.split["test"])
    judged = [file for run in runs for file in run.record.split["val"]]
    assert len(judged) == len(set(judged)) == found.record.n_judging
    assert all(set(run.record.split["test"]) == test for run in runs)
    assert test.isdisjoint(judged)
    whole = found.best.record.split
    assert len(whole["train"]) > max(len(run.record.split["train"]) for run in runs), "trained again, on all of train"
    page = (found.path / "report.html").read_text(encoding="utf-8")
    assert "mean of its 2 networks, one per fold" in page
    assert "best/ was trained again on all of train" in page


@pytest.mark.slow
def test_ways_that_come_to_the_same_plan_are_one_row(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", strategies="full,from:stem", lr=1e-3, epochs=1)
    assert [row.name for row in found.rows] == ["full"], "in one epoch the head has no time alone"
    found = compared(image_folder, tmp_path / "d", strategies="from:layer4,stages:1", epochs=1)
    assert [row.name for row in found.rows] == ["from:layer4"]
    assert any("same plan" in note for note in found.record.notes)
    assert any("nothing to compare" in note for note in found.record.notes)


@pytest.mark.slow
def test_a_head_on_all_features_and_one_on_selected_features_are_two_rows(image_folder: Path, tmp_path: Path) -> None:
    phase = 'name = "head"\nepochs = 2\ntrain = "head"\nsolver = "lbfgs"\nselect_features = "auto"\n'
    plan = tmp_path / "selected.toml"
    plan.write_text(f'features = "stages"\n[[phase]]\n{phase}', encoding="utf-8")
    found = compared(image_folder, tmp_path / "c", strategies="head2toe", plan=plan, epochs=2, seeds=2)
    assert {row.name for row in found.rows} == {"head2toe", "plan selected"}
    assert all(row.val.mean is not None for row in found.rows)


@pytest.mark.slow
def test_rows_are_every_way_with_every_network_at_every_size(image_folder: Path, tmp_path: Path) -> None:
    found = uf.compare(
        image_folder, strategies="head", models="test_resnet,test_efficientnet", sizes=[32, 48], epochs=1,
        pretrained=False, batch_size=8, out=tmp_path / "c",
    )  # fmt: skip
    assert [(row.name, row.model, row.size) for row in found.rows] == [
        (f"head, {model}, {size} px", model, size)
        for model in ("test_resnet", "test_efficientnet")
        for size in (32, 48)
    ]
    assert len({row.run for row in found.rows}) == 4


@pytest.mark.slow
def test_seeds_of_a_head_on_a_pretrained_network_are_trained_at_once(image_folder: Path, tmp_path: Path) -> None:
    watched = Recording()
    found = uf.compare(
        image_folder, strategies="head", seeds=3, epochs=2, size=64, out=tmp_path / "c", progress=watched
    )
    assert [info.seed for info in watched.cells] == [0]
    assert [result.cell.seed for result in watched.results] == [0, 1, 2]
    assert {result.cell.seconds_after for result in watched.results} == {0.0}, "when they are told, none is left"
    runs = [uf.load(found.path / cell.run) for cell in found.record.cells]
    heads = {str(run.layers[-1].sha256_after) for run in runs}
    assert len(heads) == 3
    assert {run.record.config.seed for run in runs} == {0, 1, 2}
    assert found.rows[0].verdict == "best"


@pytest.mark.slow
def test_nothing_is_kept_without_a_cache(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", cache=False)
    assert {path.name for path in found.path.iterdir()} == {"best", "compare.json", "report.html", "runs"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seeds": 0}, "--seeds must be at least 1, but got 0"),
        ({"folds": 1}, "--folds must be at least 2, but got 1"),
        ({"strategies": ["head", "head"]}, "names head more than once"),
        ({"sizes": [224, 8]}, "--size contradicts --sizes"),
        ({"strategy": "head"}, "--strategy contradicts --strategies"),
        ({"metric": "mae"}, 'got "mae"'),
        ({"budget": "soon"}, "--budget must be a time such as"),
        ({"epochs": 0, "seeds": 0}, "2 problems"),
        ({"seeds": "two"}, "cannot be read"),
        ({"data_seed": -1}, "--data-seed must be between 0 and"),
        ({"epochs": 1, "pretrained": True, "weights": "a.pt", "folds": 1}, "--folds must be at least 2"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_written(
    image_folder: Path, tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        compared(image_folder, tmp_path / "c", **changes)
    assert not (tmp_path / "c").exists()


def test_all_unknown_names_are_told_at_once_with_the_nearest(image_folder: Path, tmp_path: Path) -> None:
    own = {name: value for name, value in TINY.items() if name != "model"}
    with pytest.raises(ConfigError) as told:
        uf.compare(image_folder, strategies="hed,gradul,full", models="test_resnet,resnet5O", out=tmp_path / "c", **own)
    for name in ('"hed"', 'Did you mean "head"', '"gradul"', '"resnet5O"', '"resnet50"'):
        assert name in str(told.value)


def test_folds_beyond_the_smallest_class_are_an_error(make_image_folder: Callable[..., Path], tmp_path: Path) -> None:
    data = make_image_folder(("cat", "dog"), per_class=(20, 6))
    with pytest.raises(ConfigError, match=r'--folds 9 is more than the \d+ pictures of the class "dog"'):
        compared(data, tmp_path / "c", folds=9)
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_a_directory_belongs_to_one_comparison(
    image_folder: Path, make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "c"
    with pytest.raises(InterruptedRunError):
        compared(image_folder, out, progress=Recording(interrupt_at=2))
    with pytest.raises(ConfigError, match="holds another comparison"):
        compared(image_folder, out)
    with pytest.raises(ConfigError, match="--seeds 3 differs from the comparison's own 1") as told:
        uf.compare(out=out, resume=True, seeds=3, epochs=5)
    assert "--epochs 5 differs" in str(told.value)
    with pytest.raises(ConfigError, match="differs from the pictures of the comparison"):
        uf.compare(make_image_folder(name="others"), out=out, resume=True)
    with pytest.raises(RunError, match="holds no comparison"):
        uf.compare(out=tmp_path, resume=True)
    (image_folder / "cat" / "000.png").unlink()
    with pytest.raises(RunError, match="have changed since the comparison began"):
        uf.compare(out=out, resume=True)


@pytest.mark.slow
def test_a_last_training_that_fails_leaves_the_comparison_finished_and_can_be_tried_again(
    image_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c"
    with pytest.raises(InterruptedRunError):
        compared(image_folder, out, strategies="full", folds=2, progress=Recording(interrupt_at=2))
    (cell, _) = uf.Comparison(out).record.cells
    in_the_way = out / cell.run.removesuffix("-fold0")
    in_the_way.write_text("a file where the last run's directory is to be")
    watched = Recording()
    found = uf.compare(out=out, resume=True, progress=watched)
    assert (found.record.status, found.record.recommended, found.record.best) == ("done", "full", None)
    assert any("best/ is missing" in note for note in watched.notes)
    assert (out / "report.html").is_file()
    in_the_way.unlink()
    assert uf.compare(out=out, resume=True).best.record.status == "done"


def test_a_plan_file_contradicts_here_what_it_contradicts_in_a_training(image_folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "fit.toml"
    plan.write_text('version = 1\n[[phase]]\nname = "head"\nepochs = 2\ntrain = "head"\nsolver = "lbfgs"\n')
    with pytest.raises(ConfigError, match='--balance sampling contradicts solver "lbfgs"'):
        compared(image_folder, tmp_path / "c", strategies="head", plan=plan, balance="sampling")


def test_a_metric_without_a_value_on_what_judges_is_told_before_anything_trains(
    make_image_table: Callable[..., Path], tmp_path: Path
) -> None:
    sides = ["train"] * 12 + ["val"] * 6 + ["test"] * 6
    labels = ["a", "b"] * 6 + ["a"] * 6 + ["a", "b"] * 3
    table = make_image_table({"label": labels, "side": sides})
    with pytest.raises(ConfigError, match="auroc has no value on the 6 pictures that judge"):
        compared(table, tmp_path / "c", split="side", metric="auroc")
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_a_comparison_of_another_version_is_refused(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", strategies="head", epochs=1)
    file = found.path / "compare.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "invented": 1}))
    with pytest.raises(RunError, match="another version of unfreeze, or edited by hand"):
        uf.Comparison(found.path)
    content = json.loads(file.read_text())
    del content["invented"]
    file.write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(RunError, match="is of version 99, but this unfreeze reads version 1"):
        uf.Comparison(found.path)
    assert read_json(found.path / "best" / "run.json", dict[str, Any])["status"] == "done"
