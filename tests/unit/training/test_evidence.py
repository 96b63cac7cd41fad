"""What a training leaves in evidence/, and what a check makes of the features that it left in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf
from unfreeze.training import Silent

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 64, "epochs": 2, "augment": "none"}


JUDGED = TINY | {"check_labels": True}


class Listening(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def evidence(run: uf.Run) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (run.path / "evidence").glob("*.json")}


@pytest.mark.slow
def test_a_head_leaves_pictures_heat_maps_findings_and_suspects_of_all_sides(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_image_folder(per_class=40)
    run = uf.train(folder, out=tmp_path / "run", strategy="head", cache_dir=tmp_path / "cache", **JUDGED)
    found = evidence(run)
    assert set(found) == {"pictures", "findings", "suspects"}
    shown = [*found["pictures"]["mistakes"], *found["pictures"]["doubts"]]
    assert shown
    assert all((run.path / "evidence" / each["thumbnail"]).is_file() for each in shown)
    assert any(each["heat_map"] for each in shown)
    assert found["pictures"]["heat_layer"] == "pooled features"
    assert {each["code"] for each in found["findings"]} <= set(uf_codes())
    assert found["suspects"]["n_checked"] == run.record.data.n_images
    assert len(found["suspects"]["notes"]) == 2
    assert "Labels to look at" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_where_all_layers_train_training_pictures_are_not_judged_and_that_is_said(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = uf.train(make_image_folder(per_class=12), out=tmp_path / "run", strategy="full", cache=False, **JUDGED)
    suspects = evidence(run)["suspects"]
    assert suspects["n_checked"] == sum(len(run.record.split[side]) for side in ("val", "test"))
    assert any("Training pictures are not judged" in note for note in suspects["notes"])


@pytest.mark.slow
def test_a_few_training_pictures_are_not_counted_as_judged(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = uf.train(make_image_folder(per_class=12), out=tmp_path / "run", strategy="head", cache=False, **JUDGED)
    assert len(run.record.split["train"]) < 50
    suspects = evidence(run)["suspects"]
    assert suspects["n_checked"] == sum(len(run.record.split[side]) for side in ("val", "test"))
    assert "too few for a linear probe" in suspects["notes"][1]


@pytest.mark.slow
def test_of_several_labels_each_is_counted(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    table = make_image_table({name: [(i + k) % 3 // 2 for i in range(90)] for k, name in enumerate(("cat", "dog"))})
    run = uf.train(table, out=tmp_path / "run", strategy="head", cache=False, target=("cat", "dog"), **JUDGED)
    assert evidence(run)["suspects"]["n_checked"] == 2 * run.record.data.n_images


@pytest.mark.slow
def test_a_check_of_a_few_pictures_says_that_labels_were_not_judged(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder, cache, heard = make_image_folder(per_class=12), tmp_path / "cache", Listening()
    uf.train(folder, out=tmp_path / "run", strategy="head", cache_dir=cache, **TINY)
    uf.check(folder, cache_dir=cache, progress=heard)
    assert any(
        "Labels were not checked: that takes 50 readable pictures, but there are" in each for each in heard.notes
    )


@pytest.mark.slow
def test_a_regression_has_no_suspects_and_says_why(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    run = uf.train(
        make_image_table({"label": [i % 13 + 0.5 for i in range(40)]}),
        out=tmp_path / "run",
        strategy="head",
        cache=False,
        **TINY,
    )
    found = evidence(run)
    assert found["pictures"]["doubts"] == []
    assert found["suspects"]["suspects"] == []
    assert "Values are not checked" in found["suspects"]["notes"][0]


@pytest.mark.slow
def test_a_check_looks_at_the_features_that_a_head_left_in_the_cache(
    make_image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder, cache = make_image_folder(per_class=30), tmp_path / "cache"
    before, after, without = Listening(), Listening(), Listening()
    uf.check(folder, cache_dir=cache, progress=before)
    assert any("were not checked" in note and "--strategy head" in note for note in before.notes)
    uf.train(folder, out=tmp_path / "run", strategy="head", cache_dir=cache, **TINY)
    uf.check(folder, cache_dir=cache, progress=after)
    assert any("Features of test_resnet at 64×64 px" in note for note in after.notes)
    uf.check(folder, cache=False, progress=without)
    assert without.notes[-1] == "The cache was not looked at."


@pytest.mark.slow
def test_without_cleanlab_a_training_ends_well_and_says_what_is_missing(
    make_image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unfreeze.training.evidence.has_cleanlab", lambda: False)
    run = uf.train(make_image_folder(per_class=12), out=tmp_path / "run", strategy="head", cache=False, **JUDGED)
    assert "unfreeze[evidence]" in evidence(run)["suspects"]["notes"][0]
    assert "unfreeze[evidence]" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_labels_are_judged_only_where_asked_and_the_report_says_how(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", strategy="head", cache=False, **TINY)
    (note,) = evidence(run)["suspects"]["notes"]
    assert "--check-labels" in note
    assert "--check-labels" in (run.path / "report.html").read_text(encoding="utf-8")


def uf_codes() -> tuple[str, ...]:
    from unfreeze.auditing import CODES

    return tuple(CODES)
