"""report.html: what it shows, that it is safe and self-contained, and what it does without."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

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


def shown_text(text: str) -> str:
    bare = re.sub(r"<(style|svg).*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def charts(text: str) -> dict[str, str]:
    """The charts of a page by their titles."""
    found = re.findall(r'<figure class="plot">\s*<h3>(.*?)</h3>\s*(<svg.*?</svg>)', text, flags=re.DOTALL)
    return {html.unescape(title): drawing for title, drawing in found}


def label(drawing: str) -> str:
    found = re.search(r'aria-label="(.*?)"', drawing)
    assert found is not None
    return html.unescape(found.group(1))


class Outline(HTMLParser):
    """Reads a page strictly: elements must close in order, ids must be unique, and where links lead is kept."""

    VOID = frozenset({"meta", "img", "input", "br", "link"})
    SHAPES = frozenset({"rect", "line", "path", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, given))
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [
            value or "" for name, value in attrs if name in {"href", "src", "action", "srcset", "poster"}
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.SHAPES, f"<{tag}/>"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> crosses another element"


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


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
    for part in ("top stages", "blocks.5 … head (3)", "1.5e-4 to 3e-4", "frozen", "14.00%", "new"):
        assert part in shown
    assert set(charts(text)) == {
        "Balanced accuracy by epoch", "Loss by epoch", "What was frozen when",
        "Learning rate at the end of each epoch", "Stated confidence and share right",
    }  # fmt: skip
    assert "12 near-duplicates in 5 clusters were kept on one side of the split." in shown
    assert "The surest mistakes" in shown
    assert "Least certain" in shown
    n_pictures = text.count('<img src="data:image/jpeg;base64,')
    assert text.count('<img class="heat" src="data:image/png;base64,') == n_pictures - 1  # the suspect has none
    assert n_pictures > 9
    assert re.search(r"unfreeze train \S+/trash --strategy gradual --augment standard --target label --seed 3", shown)


def test_curves_hold_the_history_with_its_phases_and_the_epoch_that_was_kept(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    found = charts(text)
    metric, loss = found["Balanced accuracy by epoch"], found["Loss by epoch"]
    assert [name for name in ("head", "top stages", "all") if f">{name}</text>" in metric] == [
        "head",
        "top stages",
        "all",
    ]
    assert metric.count('class="s1 dot"') == 10
    assert metric.count('class="kept"') == 1
    assert "kept: epoch 9, " in shown_text(text)
    assert (loss.count('class="s1 dot"'), loss.count('class="s2 dot"')) == (10, 10)


def test_a_head_that_was_fitted_has_its_penalties_instead_of_rates(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    rows = [json.loads(row) for row in (directory / "history.jsonl").read_text().splitlines()]
    fitted = [row | {"l2": 10.0 ** (i - 5), "lr_head": 0.0, "lrs": {}} for i, row in enumerate(rows)]
    (directory / "history.jsonl").write_text("\n".join(map(json.dumps, fitted)))
    drawing = charts(page(directory))["L2 penalty in each epoch"]
    assert drawing.count('class="s3 dot"') == 10
    (directory / "history.jsonl").write_text("\n".join(map(json.dumps, [*fitted[:3], *rows[3:]])))
    drawing = charts(page(directory))["Learning rate at the end of each epoch"]
    assert (drawing.count('class="s3 dot"'), drawing.count('class="s1 dot"')) == (3, 7)


def test_what_was_frozen_when_is_drawn_and_told(make_run: Callable[..., Path]) -> None:
    drawing = charts(page(make_run()))["What was frozen when"]
    told = label(drawing)
    assert told.startswith("What trained when. head: trained head; top stages: trained ")
    assert "conv_stem" not in told.split("; all:")[0]
    assert drawing.count('class="frozen-cell"') > 3
    assert "<title>conv_stem, head: frozen</title>" in drawing


def test_layers_are_shaded_by_how_far_they_moved_and_stages_that_never_trained_are_one_row(
    make_run: Callable[..., Path],
) -> None:
    directory = make_run()
    layers = json.loads((directory / "layers.json").read_text())
    for layer in layers:
        if layer["stage"] == "blocks 0":
            layer |= {"trained": False, "lrs": [], "distance": 0.0}
    (directory / "layers.json").write_text(json.dumps(layers))
    text = page(directory)
    shades = [float(value) for value in re.findall(r"--moved: ([\d.]+)%", text)]
    assert max(shades) == 70
    assert min(shades) == 8
    groups = [layer["group"] for layer in layers if layer["stage"] == "blocks 0" and layer["phase"] == "head"]
    assert len(groups) > 1
    assert f"{groups[0]} … {groups[-1]} ({len(groups)})" in shown_text(text)


def test_confidence_is_drawn_against_being_right_and_put_in_words(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    assert re.search(r"On average it is \d+% sure and \d+% right: ", shown_text(text))
    assert re.search(r"Right: (at \d+% \d+% of \d+(, )?)+$", label(charts(text)["Stated confidence and share right"]))


def test_findings_and_suspect_labels_are_shown_with_what_to_do(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    shown = shown_text(text)
    for part in (
        "UF501 warning the channel mode predicts the label", "Every cat is grey <b>.", "all/000.jpg, all/001.jpg",
        "3 of 140 labels are contradicted", "looks like metal, 95%", "given glass, 2%", "Judged by the network.",
    ):  # fmt: skip
        assert part in shown
    assert '<details class="finding warning">' in text


def test_the_commands_to_do_it_again_are_all_there(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    shown = shown_text(page(directory))
    for command in ("evaluate", "predict", "report"):
        assert f"unfreeze {command} {directory}" in shown


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_names_of_the_user_are_never_markup(make_run: Callable[..., Path], task: str) -> None:
    directory = make_run(task, (NASTY, "</td>&amp;", "\"'><img src=x onerror=alert(1)>"), name="run-<b>bold")
    change(directory, notes=(f"A note with {NASTY}.",))
    layers = (directory / "layers.json").read_text().replace('"conv_stem"', '"<i>stem</i>"')
    (directory / "layers.json").write_text(layers)
    index = directory / "evidence" / "pictures.json"
    index.write_text(index.read_text().replace("all/0", "<svg onload=alert(1)>\\u0022/0"))
    text = page(directory)
    assert "alert(" in text
    parsed = outline(text)
    assert {tag for tag, _ in parsed.elements}.isdisjoint({"script", "b>", "i>", "iframe", "object", "embed"})
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert "<script" not in text.lower()
    assert "<b>bold" not in text
    assert "<i>stem" not in text
    assert "<img src=x" not in text
    assert NASTY in shown_text(text)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_the_page_is_well_formed_and_its_links_lead_somewhere(make_run: Callable[..., Path], task: str) -> None:
    parsed = outline(page(make_run(task, ("a", "b"))))
    assert len(parsed.ids) == len(set(parsed.ids))
    inner = [address[1:] for address in parsed.addresses if address.startswith("#")]
    assert set(inner) <= set(parsed.ids)
    assert len(inner) > 5
    labels = [value for _, given in parsed.elements for name, value in given.items() if name == "aria-labelledby"]
    assert set(labels) <= set(parsed.ids)


def test_the_report_loads_nothing_from_anywhere_and_runs_no_script(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert all(address.startswith(("#", "data:image/")) for address in outline(text).addresses)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", re.sub(r"base64,[\w+/=]+", "", text))


def test_the_report_can_be_read_by_keyboard_and_without_seeing(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    parsed = outline(text)
    first = next(given for tag, given in parsed.elements if tag == "a")
    assert first["href"] == "#content"
    assert ":focus-visible" in text
    assert all("alt" in given for tag, given in parsed.elements if tag == "img")
    assert all(given.get("scope") in {"row", "col"} for tag, given in parsed.elements if tag == "th")
    assert all(given.get("aria-label") for tag, given in parsed.elements if tag == "svg")
    scrolled = [given for _, given in parsed.elements if given.get("class") == "scroll"]
    assert scrolled
    assert all(given.get("tabindex") == "0" and given.get("aria-label") for given in scrolled)
    assert '<label for="heat">' in text


def test_the_report_follows_light_and_dark_and_narrow_screens(make_run: Callable[..., Path]) -> None:
    text = page(make_run())
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "@media (max-width: 28rem)" in text


def test_several_labels_have_a_table_by_label(make_run: Callable[..., Path]) -> None:
    text = page(make_run("multilabel", ("fish", "shark")))
    shown = shown_text(text)
    assert "Label by label" in shown
    assert "mean average precision on 80 test pictures" in shown
    assert "Ranking by chance would reach" in shown
    assert '<table class="confusion' not in text


def test_a_regression_has_its_values_against_the_truth_and_its_greatest_errors(make_run: Callable[..., Path]) -> None:
    text = page(make_run("regression", ("count", "weight")))
    shown = shown_text(text)
    assert "Least certain" not in shown
    assert "mean absolute error on 80 test pictures" in shown
    assert "Always saying the median would reach" in shown
    assert "The greatest errors" in shown
    assert re.search(r"off by [+-]\d", shown)
    assert {"count", "weight"} <= set(charts(text))
    assert charts(text)["count"].count('class="f1 point"') == 80


def test_many_classes_are_small_cells_and_very_many_are_a_list(make_run: Callable[..., Path]) -> None:
    text = page(make_run(outputs=tuple(f"species {i}" for i in range(40))))
    assert '<table class="confusion dense">' in text
    text = page(make_run(outputs=tuple(f"species {i}" for i in range(70)), name="many"))
    assert '<table class="confusion' not in text
    assert "The most frequent confusions" in shown_text(text)


def test_run_json_alone_is_enough(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.name != "run.json":
            path.unlink() if path.is_file() else path.rmdir()
    text = page(directory)
    assert "balanced accuracy on 80 test pictures" in shown_text(text)
    assert charts(text) == {}
    assert "No test picture was mistaken" not in text  # where nobody looked, nothing is claimed


def test_an_unfinished_run_says_how_to_continue(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    change(directory, status="interrupted", phases=(), metrics=RunMetrics())
    for name in ("predictions.csv", "layers.json", "evidence/pictures.json"):
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
    assert charts(text)["Loss by epoch"].count('class="s2 dot"') == 3


def test_an_edited_index_cannot_pull_other_files_into_the_page(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    (directory.parent / "secret.jpg").write_bytes(b"secret")
    before = page(directory).count('<img src="data:image/jpeg;base64,')
    index = json.loads((directory / "evidence" / "pictures.json").read_text())
    index["mistakes"][0]["thumbnail"] = "../../secret.jpg"
    index["mistakes"][1]["heat_map"] = "pictures.json"
    (directory / "evidence" / "pictures.json").write_text(json.dumps(index))
    text = page(directory)
    assert text.count('<img src="data:image/jpeg;base64,') == before - 1
    assert text.count('<img class="heat"') == before - 3  # of the suspect, of the first, of the second


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
