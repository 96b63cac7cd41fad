"""`unfreeze compare` as a user runs it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf
from unfreeze.cli.grid_progress import cell_text, result_text
from unfreeze.command_words import parse_budget, split_names
from unfreeze.comparison import CellInfo, CellResult
from unfreeze.errors import ConfigError
from unfreeze.reporting.comparison_verdict import reading

INFO = CellInfo(number=2, n_cells=6, n_before=1, row="stages:1", seed=1, fold=0, n_folds=3, seconds_after=83.0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, pets: Path, tiny: tuple[str, ...]) -> uf.Comparison:
    """A finished comparison on `pets`; tests must not change it."""
    model, size = tiny[1], int(tiny[4])
    out = tmp_path_factory.mktemp("comparisons") / "c"
    return uf.compare(
        pets, strategies="head,full", model=model, pretrained=False, size=size, epochs=1, seeds=1, out=out
    )


@pytest.mark.slow
def test_the_leaderboard_shows_the_test_figure_once(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = unfreeze("compare", pets, *tiny, "--strategies", "head,full", "--epochs", "1", "--out", tmp_path / "c")
    assert outcome.code == 0
    assert outcome.out.count("test pictures, which decided nothing") == 1
    assert "Each row was trained with one seed" in outcome.out
    assert re.search(r"\d+ test pictures are few: read the interval", outcome.out)
    assert "← take this" in outcome.out
    assert f"unfreeze predict {tmp_path / 'c'}/best" in outcome.out
    assert "1/2  head, seed 0: balanced_accuracy" in outcome.err
    assert "2/2  full, seed 0: balanced_accuracy" in outcome.err


@pytest.mark.slow
def test_json_is_compare_json_and_where_it_is(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = unfreeze(
        "compare", pets, *tiny, "--strategies", "head", "--epochs", "1", "--out", tmp_path / "c", "--json"
    )
    assert outcome.json["comparison"] == str(tmp_path / "c")
    assert outcome.json["rows"][0]["verdict"] == "best"
    assert outcome.json["rows"][0]["test"]["mean"] is not None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--seeds", "0"), "--seeds must be at least 1"),
        (("--sizes", "big"), "--sizes must be whole numbers"),
        (("--budget", "never"), "--budget must be a time"),
        (("--budget", "5"), "--budget 5 has no unit: write 5s for seconds, 5m for minutes."),
        (("--strategies", "hed"), 'Did you mean "head"'),
    ],
)
def test_the_users_errors_end_with_2(
    unfreeze: Callable[..., Any],
    pets: Path,
    tiny: tuple[str, ...],
    tmp_path: Path,
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    outcome = unfreeze("compare", pets, *tiny, *arguments, "--out", tmp_path / "c")
    assert outcome.code == 2
    assert expected in outcome.err
    assert not (tmp_path / "c").exists()


def test_lists_are_parted_at_commas_outside_braces() -> None:
    assert split_names("head, layer{3,4},,full") == ("head", "layer{3,4}", "full")


def test_budgets_are_read_as_people_write_them() -> None:
    with pytest.raises(ConfigError, match="--budget must be a time"):
        parse_budget(True)
    assert [parse_budget(text) for text in ("90s", "10m", "2min", "1h30m", "1.5h", 45)] == [
        90, 600, 120, 5400, 5400, 45,
    ]  # fmt: skip


def test_a_training_of_the_grid_is_one_line() -> None:
    assert cell_text(INFO) == "2/6  stages:1, seed 1, fold 1 of 3"
    done = CellResult(cell=INFO, metric="map", value=0.5, seconds=12.0)
    assert (
        result_text(done)
        == "  2/6  stages:1, seed 1, fold 1 of 3: map 0.500 on validation, 12 s  (about 1:23 min left)"
    )
    failed = CellResult(cell=INFO, metric="map", value=None, seconds=1.0, error="The loss became nan.")
    assert "failed: The loss became nan." in result_text(failed)


@pytest.mark.slow
def test_the_reading_says_what_to_take_and_what_is_missing(found: uf.Comparison) -> None:
    import msgspec

    record = found.record
    assert reading(record)[0].startswith(("Take ", "Too little data to tell: "))
    one, two = record.rows
    rows = (
        msgspec.structs.replace(one, verdict="best", recommended=True),
        msgspec.structs.replace(two, verdict=None, recommended=False, status="interrupted"),
    )
    stopped = msgspec.structs.replace(record, rows=rows)
    assert reading(stopped) == (
        f"Only {one.name} is finished; there is nothing to compare it with.",
        f"Not finished: {two.name}.",
    )


@pytest.mark.slow
def test_a_comparison_ends_with_its_report_which_links_to_those_of_its_runs(
    unfreeze: Callable[..., Any], found: uf.Comparison, tmp_path: Path
) -> None:
    copy = shutil.copytree(found.path, tmp_path / "c")
    text = (copy / "report.html").read_text(encoding="utf-8")
    assert text.count('href="best/report.html"') == 2
    for cell in found.record.cells:
        assert f'href="{cell.run}/report.html"' in text
        assert (copy / cell.run / "report.html").is_file()
    (copy / "report.html").unlink()
    (copy / "best" / "report.html").unlink()
    assert unfreeze("report", copy, "--json").json == {"comparison": str(copy), "report": str(copy / "report.html")}
    assert (copy / "best" / "report.html").is_file()
    assert (copy / "report.html").read_text(encoding="utf-8").count('href="best/report.html"') == 2
    assert str(copy / "report.html") in unfreeze("report", copy).out
