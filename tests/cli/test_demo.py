"""`unfreeze demo` as a user runs it, on a few of its pictures; and what its end says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.comparisons import Way, write_comparison

from unfreeze.cli import demo
from unfreeze.cli.demo import demo_answer
from unfreeze.comparing import Comparison

# fmt: off
THREE = (
    Way("gradual", 0.861, difference=0.0, verdict="best", test=0.842),
    Way("head", 0.848, difference=-0.013, verdict="tied", recommended=True, work=9e11, test=0.851),
    Way("layerwise", 0.70, difference=-0.161, verdict="worse", test=0.71),
)
# fmt: on


def ended(tmp_path: Path, **changes: Any) -> tuple[Comparison, Any]:
    found = Comparison(write_comparison(tmp_path / "demo c", THREE, best="best", **changes))
    return found, demo_answer(found, data=Path("solar cells"), seconds=160.2, as_json=False)


def test_the_end_is_the_comparisons_verdict_its_report_and_the_next_commands(tmp_path: Path) -> None:
    found, answer = ended(tmp_path)
    table, verdict, *rest = answer.shown
    assert [row[0] for row in table.rows] == ["gradual", "head", "layerwise"]
    assert verdict.startswith("gradual measured best, but head cannot be told from it on 119 validation pictures.")
    text = "\n".join(rest)
    assert text.count("test pictures") == 1, "the test figure stands there once"
    assert f"Report:     {found.path / 'report.html'}" in text
    assert f"unfreeze predict '{found.path / 'best'}' 'solar cells/defective'" in text
    assert "demo%20c/report.html" in text, "an address that a browser takes"


def test_scripts_find_the_rows_with_their_test_figures_and_runs(tmp_path: Path) -> None:
    found, answer = ended(tmp_path)
    assert answer.payload["recommended"] == "head"
    assert answer.payload["seconds"] == 160.2
    first = answer.payload["rows"][0]
    assert {"strategy", "epochs", "metric", "value", "low", "high", "n_trained", "seconds", "run", "verdict"} <= set(
        first
    )
    assert (first["strategy"], first["value"], first["val"]["mean"]) == ("gradual", 0.842, 0.861)
    assert Path(first["run"]).parent == found.path / "runs"


def test_where_no_run_is_best_none_is_named(tmp_path: Path) -> None:
    found = Comparison(write_comparison(tmp_path / "c", THREE))
    answer = demo_answer(found, data=tmp_path, seconds=1.0, as_json=True)
    assert not any("predict" in command for command in answer.payload["next"])


@pytest.mark.slow
def test_the_demo_compares_three_ways_on_one_split(
    unfreeze: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("elpv_dataset", reason="needs the package elpv-dataset (extra demo)")
    monkeypatch.setattr(demo, "N_IMAGES", 24)
    monkeypatch.setattr(demo, "EPOCHS", 3)
    outcome = unfreeze("demo", "--out", tmp_path / "demo", "--json")
    assert outcome.code == 0, outcome.err
    assert {row["strategy"] for row in outcome.json["rows"]} == set(demo.DOES)
    assert [row["recommended"] for row in outcome.json["rows"]].count(True) == 1
    assert outcome.json["report"] == str(tmp_path / "demo" / "compare-1" / "report.html")
    assert Path(outcome.json["report"]).is_file()
    assert (tmp_path / "demo" / "compare-1" / "best" / "run.json").is_file()
