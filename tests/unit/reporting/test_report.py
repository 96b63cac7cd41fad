"""report.html: what it shows, that it is safe and self-contained, and what it does without."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from unfreeze.errors import RunError
from unfreeze.records import Interval, RunMetrics, RunRecord, TrainOptions, read_json, write_json
from unfreeze.reporting import write_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NASTY = '<script>alert("x")</script>'


def page(directory: Path) -> str:
    path = write_report(directory)
    assert path == directory / "report.html"
    return path.read_text(encoding="utf-8")


def own_text(text: str) -> str:
    """Return the page without the drawing library."""
    return re.sub(r"<script>\s*/\*\*\s*\* plotly\.js.*?</script>", "", text, flags=re.DOTALL)


def shown_text(text: str) -> str:
    bare = re.sub(r"<(script|style).*?</\1>", " ", own_text(text), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def figures(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', text, flags=re.DOTALL)
    return {name: json.loads(content) for name, content in found}


def change(directory: Path, **changes: object) -> None:
    record = read_json(directory / "run.json", RunRecord)
    write_json(directory / "run.json", msgspec.structs.replace(record, **changes))


def test_the_report_opens_with_the_metric_its_interval_and_what_it_is_worth(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    value = read_json(directory / "run.json", RunRecord).metrics.test["balanced_accuracy"]
    assert value.value is not None
    assert value.low is not None
    assert value.high is not None
    text = shown_text(page(directory))
    assert f"{value.value:.1%} balanced accuracy on 80 test pictures" in text
    assert f"95% interval {value.low:.1%} to {value.high:.1%}" in text
    assert "Guessing would reach 33.3%: the network has learned something real." in text
    assert "80 test pictures are few" in text
    assert re.search(r"It takes \w+ for \w+ \(\d+ of \d+\) and \w+ for \w+ \(\d+ of \d+\) most often", text)


def test_a_network_no_better_than_guessing_is_told_so(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    near = {"balanced_accuracy": Interval(value=0.36, low=0.3, high=0.44)}
    change(directory, metrics=RunMetrics(val=near, test=near))
    assert "these test pictures cannot tell the network from that" in shown_text(page(directory))


def test_the_report_shows_phases_layers_curves_confusions_classes_pictures_notes_and_the_command(
    make_run: Callable[..., Path],
) -> None:
    text = page(make_run())
    shown = shown_text(text)
    for part in ("top stages", "blocks.5 … head (3)", "1.5e-4 to 3e-4", "frozen", "moved 14.00%"):
        assert part in shown
    assert set(figures(text)) == {"curve-1", "curve-2", "curve-3", "result-1"}
    assert "12 near-duplicates in 5 clusters were kept on one side of the split." in shown
    assert text.count('<img src="data:image/jpeg;base64,') == 8
    assert re.search(r"unfreeze train \S+/trash --strategy gradual --augment standard --target label --seed 3", shown)


def test_curves_hold_the_history_with_its_phases_and_the_epoch_that_was_kept(make_run: Callable[..., Path]) -> None:
    found = figures(page(make_run()))
    metric, loss = found["curve-1"], found["curve-2"]
    assert [trace["name"] for trace in metric["data"]] == ["balanced accuracy", "kept"]
    assert metric["data"][1]["x"] == [9]
    assert [note["text"] for note in metric["layout"]["annotations"]] == ["head", "top stages", "all"]
    assert [len(trace["y"]) for trace in loss["data"]] == [10, 10]


def test_charts_are_valid_for_the_plotly_library(make_run: Callable[..., Path]) -> None:
    import plotly.graph_objects as go

    for task, name in (("classification", "a"), ("regression", "b")):
        for figure in figures(page(make_run(task, ("count", "size"), name=name))).values():
            coloured = json.loads(re.sub(r'"--[\w-]+"', '"#123456"', json.dumps(figure)))
            go.Figure(data=coloured["data"], layout=coloured["layout"])


def test_names_of_the_user_are_never_markup(make_run: Callable[..., Path]) -> None:
    directory = make_run(outputs=(NASTY, "</td>&amp;", "glass"), name="run-<b>bold")
    change(directory, notes=(f"A note with {NASTY}.",))
    text = own_text(page(directory))
    assert "alert(" in text
    assert "<script>alert" not in text
    assert "</td>&amp;<" not in text
    assert "<b>bold" not in text
    assert NASTY in shown_text(text)
    # Inside charts plotly itself would read tags, so they are escaped there once more.
    assert figures(text)["result-1"]["layout"]["xaxis"]["ticktext"][0].startswith("&lt;script&gt;")


def test_the_report_loads_nothing_from_anywhere(make_run: Callable[..., Path]) -> None:
    text = own_text(page(make_run()))
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", text)
    assert "@import" not in text
    assert "url(" not in text


def test_the_report_follows_light_and_dark_and_narrow_screens(make_run: Callable[..., Path]) -> None:
    text = own_text(page(make_run()))
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "@media (max-width: 600px)" in text


def test_several_labels_have_a_table_by_label(make_run: Callable[..., Path]) -> None:
    text = page(make_run("multilabel", ("fish", "shark")))
    shown = shown_text(text)
    assert "Label by label" in shown
    assert "mean average precision on 80 test pictures" in shown
    assert "Ranking by chance would reach" in shown
    assert "result-1" not in figures(text)


def test_a_regression_has_its_values_against_the_truth_and_its_greatest_errors(make_run: Callable[..., Path]) -> None:
    text = page(make_run("regression", ("count", "weight")))
    shown = shown_text(text)
    assert "mean absolute error on 80 test pictures" in shown
    assert "Always saying the median would reach" in shown
    assert "The greatest errors" in shown
    assert re.search(r"off by [+-]\d", shown)
    assert {"result-1", "result-2"} <= set(figures(text))


def test_many_classes_are_shown_without_numbers_in_the_cells(make_run: Callable[..., Path]) -> None:
    chart = figures(page(make_run(outputs=tuple(f"species {i}" for i in range(40)))))["result-1"]
    assert "text" not in chart["data"][0]
    assert len(chart["data"][0]["z"]) == 40


def test_run_json_alone_is_enough(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.name != "run.json":
            path.unlink() if path.is_file() else path.rmdir()
    text = page(directory)
    assert "balanced accuracy on 80 test pictures" in shown_text(text)
    assert figures(text) == {}
    assert "plotly.js" not in text


def test_an_unfinished_run_says_how_to_continue(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    change(directory, status="interrupted", phases=(), metrics=RunMetrics())
    for name in ("predictions.csv", "layers.json", "evidence/worst.json"):
        (directory / name).unlink()
    text = shown_text(page(directory))
    assert "This training is interrupted; 10 epochs are finished." in text
    assert f"unfreeze train --resume --out {directory}" in text


def test_a_loss_that_was_not_finite_and_a_line_cut_off_do_not_stop_the_report(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    lines = (directory / "history.jsonl").read_text().splitlines()
    row = json.loads(lines[3]) | {"train_loss": None, "metrics": {"balanced_accuracy": None}}
    (directory / "history.jsonl").write_text("\n".join([*lines[:3], json.dumps(row), lines[4][:20]]))
    text = page(directory)
    assert "not finite" in shown_text(text)
    assert len(figures(text)["curve-2"]["data"][0]["y"]) == 4


def test_an_edited_index_cannot_pull_other_files_into_the_page(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    (directory.parent / "secret.jpg").write_bytes(b"secret")
    index = json.loads((directory / "evidence" / "worst.json").read_text())
    index[0]["thumbnail"] = "../../secret.jpg"
    (directory / "evidence" / "worst.json").write_text(json.dumps(index))
    assert page(directory).count('<img src="data:image/jpeg;base64,') == 7


@pytest.mark.parametrize("damage", ["missing", "no directory", "edited", "not JSON"])
def test_a_directory_without_a_sound_run_json_is_refused(make_run: Callable[..., Path], damage: str) -> None:
    directory = make_run()
    path = directory / "run.json"
    if damage == "missing":
        path.unlink()
    elif damage == "no directory":
        directory = directory / "nowhere"
    elif damage == "edited":
        path.write_text(path.read_text().replace('"done"', '"finished"'))
    else:
        path.write_text("{")
    expected = {
        "missing": "no run.json",
        "no directory": "does not exist",
        "edited": "edited by hand",
        "not JSON": "edited by hand",
    }
    with pytest.raises(RunError, match=expected[damage]):
        write_report(directory)
    assert not (directory / "report.html").exists()


def test_the_command_quotes_paths_and_names_only_what_differs_from_the_defaults(make_run: Callable[..., Path]) -> None:
    config = TrainOptions(
        model="resnet50", strategy="last:12", clip=None, pretrained=False, skip_unreadable=True, target=("a b", "c")
    )
    directory = make_run(config=config)
    record = read_json(directory / "run.json", RunRecord)
    change(directory, data=msgspec.structs.replace(record.data, path="my photos/x"))
    assert (
        "unfreeze train 'my photos/x' --model resnet50 --no-pretrained --strategy last:12 "
        "--target 'a b' --target c --clip none --skip-unreadable"
    ) in shown_text(page(directory))


def test_reporting_loads_no_torch(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    program = (
        "import sys; from unfreeze.reporting import write_methods, write_report; "
        "write_methods(sys.argv[1]); write_report(sys.argv[1]); "
        "print([m for m in ('torch', 'timm', 'sklearn', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
