"""Comparisons in trouble: rows that cannot be used, files that were edited or moved, stops in the middle."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.comparing import TINY, Recording, compared

import unfreeze as uf
from unfreeze.errors import ConfigError, FailedError, InterruptedRunError, RunError, UnfreezeError
from unfreeze.training.checkpoint import load_checkpoint, save_checkpoint

WILD = 'version = 1\n[[phase]]\nname = "all"\nepochs = 1\ntrain = "all"\nlr = 1e30\n'
PLAN = 'version = 1\n[[phase]]\nname = "all"\nepochs = 2\ntrain = "all"\nlr = {lr}\n'


def interrupted(data: Path, out: Path, *, at: int, **changes: Any) -> uf.Comparison:
    with pytest.raises(InterruptedRunError):
        compared(data, out, progress=Recording(interrupt_at=at), **changes)
    return uf.Comparison(out)


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def rewrite(file: Path, *, side: str, **changes: str) -> None:
    """Edit the first row of a side in a predictions.csv by hand; delete it where nothing is to be changed."""
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    first = next(row for row in rows if row["split"] == side)
    kept = [row for row in rows if row is not first or changes]
    first.update(changes)
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)


@pytest.mark.slow
def test_a_budget_that_ends_in_a_training_says_what_that_still_needs(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    stopped = interrupted(image_folder, out, at=10, strategies="head", epochs=10)
    checkpoint = out / stopped.record.cells[0].run / "checkpoints" / "last.safetensors"
    cursor, sections = load_checkpoint(checkpoint)
    seven_epochs = msgspec.structs.replace(cursor, step=21, seconds=70.0)
    save_checkpoint(checkpoint, seven_epochs, sections)
    with pytest.raises(FailedError, match=r'It stopped at "head", which needs about 30 s more for the training under'):
        uf.compare(out=out, resume=True, budget=0.001)
    save_checkpoint(checkpoint, msgspec.structs.replace(cursor, step=1), sections)
    with pytest.raises(FailedError, match="which had only just begun to train"):
        uf.compare(out=out, resume=True, budget=0.001)


@pytest.mark.slow
def test_a_row_that_diverged_in_its_last_step_has_failed_and_the_others_are_ranked(
    image_folder: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "wild.toml"
    plan.write_text(WILD)
    one_step: dict[str, Any] = {"plan": plan, "clip": None, "batch_size": 64, "epochs": 1}
    found = compared(image_folder, tmp_path / "c", strategies="head", **one_step)
    by_name = {row.name: row for row in found.rows}
    assert sorted(cell.status for cell in found.record.cells) == ["done", "failed"]
    assert (by_name["plan wild"].status, by_name["plan wild"].verdict) == ("failed", None)
    assert "diverged" in (by_name["plan wild"].error or "")
    assert by_name["head"].verdict == "best"
    assert found.best.record.config.strategy == "head"


@pytest.mark.slow
def test_if_all_rows_diverged_none_came_to_its_end(image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r'No row came to its end. "full" failed: The training diverged'):
        compared(image_folder, tmp_path / "c", strategies="full", lr=1e30, clip=None, batch_size=64, epochs=1)


@pytest.mark.slow
def test_a_plan_that_was_edited_meanwhile_is_not_mixed_with_the_old_one(image_folder: Path, tmp_path: Path) -> None:
    plan, out = tmp_path / "my.toml", tmp_path / "c"
    plan.write_text(PLAN.format(lr="1e-3"))
    interrupted(image_folder, out, at=8, strategies="head", plan=plan, seeds=2)
    plan.write_text(PLAN.format(lr="1e-4"))
    with pytest.raises(RunError, match=r'The plan of "plan my" \(".*my.toml"\) is another than when the comparison'):
        uf.compare(out=out, resume=True)
    plan.write_text("# my plan\n" + PLAN.format(lr="1e-3"))
    assert uf.compare(out=out, resume=True).record.status == "done", "a comment changes nothing"


@pytest.mark.slow
def test_weights_that_were_exchanged_meanwhile_are_not_mixed_with_the_old_ones(
    image_folder: Path, tmp_path: Path
) -> None:
    own = {name: value for name, value in TINY.items() if name != "model"}
    runs = [uf.train(image_folder, epochs=1, seed=seed, out=tmp_path / f"r{seed}", **TINY) for seed in (0, 1)]
    from_run = {**own, "model": runs[0].path, "strategies": "full", "epochs": 2, "pretrained": True}
    with pytest.raises(InterruptedRunError):
        uf.compare(image_folder, out=tmp_path / "c", progress=Recording(interrupt_at=2), **from_run)
    (runs[0].path / "model.safetensors").write_bytes((runs[1].path / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match=r'The weights of "full" \(".*r0"\) are others than when the comparison began'):
        uf.compare(out=tmp_path / "c", resume=True)


@pytest.mark.slow
def test_a_comparison_is_resumed_from_any_directory(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, begun_in, elsewhere = tmp_path / "c", tmp_path / "here", tmp_path / "elsewhere"
    begun_in.mkdir()
    elsewhere.mkdir()
    uf.train(image_folder, epochs=1, out=begun_in / "run", **TINY)
    (begun_in / "my.toml").write_text(PLAN.format(lr="1e-3"))
    monkeypatch.chdir(begun_in)
    settings = {"models": "run,test_efficientnet", "sizes": [32], "plan": "my.toml", "cache_dir": "kept"}
    own = {name: TINY[name] for name in ("batch_size", "augment")}
    with pytest.raises(InterruptedRunError):
        uf.compare(
            image_folder, strategies="head", epochs=1, out=out, progress=Recording(interrupt_at=2),
            **settings, **own,
        )  # fmt: skip
    assert {"head, run", "plan my, run"} <= {row.name for row in uf.Comparison(out).rows}
    monkeypatch.chdir(elsewhere)
    assert uf.compare(out=out, resume=True).record.status == "done"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_what_contradicts_one_strategy_is_asked_of_each_row(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", strategies="head2toe", select_features="auto")
    assert found.rows[0].verdict == "best"
    with pytest.raises(ConfigError, match="--select-features auto contradicts --strategy head with --solver adamw"):
        compared(image_folder, tmp_path / "d", strategies="head,head2toe", select_features="auto")


@pytest.mark.slow
@pytest.mark.parametrize("side", ["val", "test"])
def test_a_row_whose_predictions_were_edited_is_named_and_the_others_are_ranked(
    image_folder: Path, tmp_path: Path, side: str
) -> None:
    out = tmp_path / "c"
    stopped = interrupted(image_folder, out, at=8)
    table = out / stopped.record.cells[0].run / "predictions.csv"
    before = table.read_text()
    rewrite(table, side=side)
    found = uf.compare(out=out, resume=True)
    head, full = found.rows
    assert (found.record.status, head.status, full.verdict) == ("done", "failed", "best")
    assert "predictions.csv" in (head.error or "")
    assert "edited by hand" in (head.error or "")
    table.write_text(before)
    assert all(row.verdict for row in uf.compare(out=out, resume=True).rows), "put back, it is ranked"


@pytest.mark.slow
def test_a_row_whose_predictions_are_not_numbers_does_not_take_the_verdicts_from_the_others(
    image_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c"
    stopped = interrupted(image_folder, out, at=8)
    table = out / stopped.record.cells[0].run / "predictions.csv"
    rewrite(table, side="val", **{"prob:cat": "nan"})
    head, full = uf.compare(out=out, resume=True).rows
    assert (head.status, full.verdict) == ("failed", "best")
    assert "predictions.csv" in (head.error or "")


@pytest.mark.slow
def test_a_run_without_weights_is_an_error_that_names_them(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, epochs=1, out=tmp_path / "run", **TINY)
    (run.path / "model.safetensors").unlink()
    with pytest.raises(UnfreezeError, match=r'"[^"]*model.safetensors" cannot be read'):
        uf.compare(image_folder, models=[str(run.path)], strategies="head", epochs=1, out=tmp_path / "c")


@pytest.mark.slow
def test_with_folds_a_budget_that_has_ended_keeps_the_best_run_that_is_there(
    image_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c"
    found = compared(image_folder, out, folds=2)
    recommended = found.record.recommended
    other = next(cell for cell in found.record.cells if cell.row != recommended)
    shutil.rmtree(out / other.run)
    edit(out / "compare.json", status="stopped")
    again = uf.compare(out=out, resume=True, budget=0.001)
    assert (again.record.recommended, again.record.best) == (recommended, "best")
    assert (out / "best" / "run.json").is_file()


@pytest.mark.slow
def test_a_finished_run_that_cannot_be_read_is_moved_aside_and_not_deleted(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    stopped = interrupted(image_folder, out, at=8)
    run = out / stopped.record.cells[0].run
    edit(run / "run.json", invented=1)
    weights = (run / "model.safetensors").read_bytes()
    watched = Recording()
    found = uf.compare(out=out, resume=True, progress=watched)
    aside = run.with_name(f"{run.name}.unreadable-1")
    assert (aside / "model.safetensors").read_bytes() == weights
    assert any(f'The run was moved to "{aside}"' in note for note in watched.notes)
    assert any(f'The run was moved to "{aside}"' in note for note in found.record.notes)
    assert [row.status for row in found.rows] == ["done", "done"]


@pytest.mark.slow
def test_nothing_is_written_outside_of_a_comparison_that_was_edited(image_folder: Path, tmp_path: Path) -> None:
    found = compared(image_folder, tmp_path / "c", strategies="head", epochs=1)
    other = uf.train(image_folder, epochs=1, out=tmp_path / "other", **TINY).path
    written = {path.name for path in other.iterdir()}
    content = json.loads((found.path / "compare.json").read_text())
    (cell,) = content["cells"]
    edit(found.path / "compare.json", cells=[{**cell, "run": str(other)}])
    with pytest.raises(RunError, match="names a run that is not below its directory"):
        uf.Comparison(found.path)
    assert {path.name for path in other.iterdir()} == written


@pytest.mark.slow
def test_with_folds_an_interrupt_leaves_no_best_run_of_an_earlier_stop(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    found = compared(image_folder, out, strategies="head", folds=2)
    assert (out / "best").is_dir()
    whole = out / found.record.cells[0].run.removesuffix("-fold0")
    edit(whole / "run.json", status="running")
    edit(out / "compare.json", status="stopped", best=None)
    with pytest.raises(InterruptedRunError):
        uf.compare(out=out, resume=True, progress=Recording(interrupt_at=2))
    assert uf.Comparison(out).record.best is None
    assert not (out / "best").exists()


@pytest.mark.slow
def test_a_note_of_what_was_mended_since_is_gone(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    stopped = interrupted(image_folder, out, at=2, strategies="full", folds=2)
    in_the_way = out / stopped.record.cells[0].run.removesuffix("-fold0")
    in_the_way.write_text("a file where the last run's directory is to be")
    assert any("best/ is missing" in note for note in uf.compare(out=out, resume=True).record.notes)
    in_the_way.unlink()
    notes = uf.compare(out=out, resume=True).record.notes
    assert notes == stopped.record.notes
    assert any("nothing to compare" in note for note in notes)


@pytest.mark.slow
def test_what_is_over_counts_also_where_heads_of_later_seeds_were_trained_at_once(
    image_folder: Path, tmp_path: Path
) -> None:
    watched = Recording()
    uf.compare(
        image_folder, strategies="head", seeds=2, folds=2, epochs=1, size=64, out=tmp_path / "c", progress=watched
    )
    assert [(info.number, info.n_before) for info in watched.cells] == [(1, 0), (2, 2)]
    assert [result.cell.number for result in watched.results] == [1, 3, 2, 4]
    after = [result.cell.seconds_after for result in watched.results]
    assert after[0] == after[1] != 0.0
    assert after[2:] == [0.0, 0.0]


@pytest.mark.slow
def test_few_groups_are_few_however_many_their_pictures(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    n = 40
    table = make_image_table({"label": ["a", "b"] * (n // 2), "item": [f"i{k // 4}" for k in range(n)]})
    watched = Recording()
    found = compared(table, tmp_path / "c", strategies="head", epochs=1, group="item", progress=watched)
    assert found.record.n_test_groups == found.record.n_test / 4 == found.best.record.data.n_test_groups
    few = f"{found.record.n_test} test pictures of {found.record.n_test_groups} group"
    assert any(few in note for note in watched.notes)
    assert (found.path / "report.html").read_text(encoding="utf-8").count("test pictures of") == 1
