"""`unfreeze predict` as a user runs it: many pictures, strange names, an interrupt and what follows it."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

STRANGE = ("a,b.png", "line\nbreak.png", 'quo"te.png', "ünï 漢.png", " space .png", "[red].png", "=1+1.png")


@pytest.fixture
def many(pets: Path, tmp_path: Path) -> Callable[[int], Path]:
    """`many(n)` → a folder of n pictures, which are those of `pets` under many names."""

    def link(n: int) -> Path:
        folder, pictures = tmp_path / "many", sorted(pets.rglob("*.png"))
        folder.mkdir()
        for number in range(n):
            (folder / f"{number:05d}.png").symlink_to(pictures[number % len(pictures)])
        return folder

    return link


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_of_many_pictures_the_first_are_printed_and_the_rest_are_counted(
    unfreeze: Callable[..., Any], finished: Path, many: Callable[[int], Path]
) -> None:
    folder = many(60)
    done = unfreeze("predict", finished, folder)
    assert done.code == 0, done.err
    assert "00049.png" in done.out
    assert "00050.png" not in done.out
    assert "… and 10 more: --out predictions.csv writes all of them." in done.out
    assert "Predicted: " in done.out
    assert done.err.splitlines()[0] == "Predicting 60 pictures"
    assert done.err.splitlines()[-1].startswith("60 pictures in ")
    assert len(unfreeze("predict", finished, folder, "--json").json["predictions"]) == 60


def test_names_with_commas_newlines_and_unicode_come_back_as_they_were(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in STRANGE:
        (folder / name).write_bytes((pets / "cat" / "00.png").read_bytes())
    expected = sorted(str(folder / name) for name in STRANGE)
    for suffix in (".csv", ".parquet", ".json", ".jsonl"):
        out = tmp_path / f"p{suffix}"
        assert unfreeze("predict", finished, folder, "--out", out).code == 0
    assert [row["file"] for row in csv_rows(tmp_path / "p.csv")] == expected
    assert pl.read_parquet(tmp_path / "p.parquet")["file"].to_list() == expected
    content = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert [row["file"] for row in content["predictions"]] == expected
    lines = (tmp_path / "p.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert [json.loads(line)["file"] for line in lines] == expected
    assert "[red].png" in unfreeze("predict", finished, folder).out


def test_of_many_unreadable_files_the_first_few_are_named_and_all_are_counted(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "good.png").write_bytes((pets / "cat" / "00.png").read_bytes())
    for number in range(9):
        (folder / f"{number}.png").write_bytes(b"")
    done = unfreeze("predict", finished, folder, "--out", tmp_path / "p.csv")
    assert "1 predictions written to" in done.out
    assert done.out.count("is empty (0 bytes)") == 5
    assert "4 more pictures cannot be read: 9 of 10 in all." in done.out
    assert sum(row["error"] != "" for row in csv_rows(tmp_path / "p.csv")) == 9
    payload = unfreeze("predict", finished, folder, "--out", tmp_path / "p.csv", "--json").json
    assert (payload["n_images"], payload["n_unreadable"]) == (10, 9)
    assert "predictions" not in payload, "they are in the table"


def test_an_empty_folder_is_an_error_and_leaves_nothing(
    unfreeze: Callable[..., Any], finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = unfreeze("predict", finished, tmp_path / "empty", "--out", tmp_path / "out" / "p.csv")
    assert done.code == 2
    assert "no pictures in this folder" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_table_says_how_to_go_on_and_does(
    unfreeze: Callable[..., Any], finished: Path, many: Callable[[int], Path], tmp_path: Path, number: signal.Signals
) -> None:
    folder, out = many(6000), tmp_path / "p.csv"
    partial = tmp_path / "p.csv.partial"
    command = [sys.executable, "-m", "unfreeze.cli", "predict", str(finished), str(folder), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (partial.exists() and partial.stat().st_size > 1000):
            os.sched_yield()
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "go on by the same command with --resume" in err.splitlines()[-1]
    assert not out.exists()
    again = unfreeze("predict", finished, folder, "--out", out)
    assert again.code == 2
    assert "--resume" in again.err
    done = unfreeze("predict", finished, folder, "--out", out, "--resume")
    assert done.code == 0, done.err
    assert "6000 predictions written to" in done.out
    assert " of them earlier" in done.err
    assert [row["file"] for row in csv_rows(out)] == [str(folder / f"{i:05d}.png") for i in range(6000)]
    assert not partial.exists()


def test_a_full_disk_keeps_the_rows_and_says_how_to_go_on(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    out, (before, most) = tmp_path / "p.csv", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, most))  # bytes in any file of this process
    try:
        done = unfreeze("predict", finished, pets, "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert re.search(r"^error: Could not go on: .*File too large\. The \d+ rows so far are kept in .*--resume", last)
    assert sorted(path.name for path in tmp_path.glob("p.*")) == ["p.csv.partial"]
    again = unfreeze("predict", finished, pets, "--out", out, "--resume")
    assert again.code == 0, again.err
    assert re.search(r", [1-9]\d* of them earlier", again.err)
    assert len(csv_rows(out)) == 28


def test_what_is_wrong_is_said_before_the_network_loads(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    damaged, out = tmp_path / "run", tmp_path / "p.csv"
    shutil.copytree(finished, damaged)
    (damaged / "model.safetensors").write_bytes(b"damaged")
    assert "no such file" in unfreeze("predict", damaged, tmp_path / "none.png").err
    assert "takes no files" in unfreeze("predict", damaged, pets, "--out", damaged / "run.json" / "p.csv").err
    if find_spec("captum") is not None:
        assert "is a file" in unfreeze("predict", damaged, pets, "--heatmaps", damaged / "run.json").err
    partial = tmp_path / "p.csv.partial"
    partial.write_text("notes\n", encoding="utf-8")
    assert "Go on with it by --resume" in unfreeze("predict", damaged, pets, "--out", out).err
    assert "was not written by this unfreeze" in unfreeze("predict", damaged, pets, "--out", out, "--resume").err
    partial.unlink()
    out.touch()
    assert "is complete" in unfreeze("predict", damaged, pets, "--out", out, "--resume").err
    assert "RunError" in json.loads(unfreeze("predict", damaged, pets, "--json").out)["error"]["type"]


def test_an_interrupt_before_there_is_anything_to_go_on_with_promises_nothing(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "scandir", interrupt)  # while the pictures are looked for
    done = unfreeze("predict", finished, pets)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "error: Interrupted."


def test_heat_maps_are_left_in_a_directory(
    unfreeze: Callable[..., Any], finished: Path, pets: Path, tmp_path: Path
) -> None:
    pytest.importorskip("captum")
    done = unfreeze("predict", finished, pets / "cat", "--heatmaps", tmp_path / "heat", "--engine", "eager")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "heat").glob("*.png"))) == 14
