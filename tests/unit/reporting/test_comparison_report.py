"""A comparison's report.html: what it says to take and why, that it is safe and self-contained."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
import pytest
from support.comparisons import SIX_ROWS, Way, write_comparison
from support.pages import charts, label, outline, shown_text

from unfreeze.comparison_records import CompareOptions, CompareRecord, read_comparison
from unfreeze.errors import RunError
from unfreeze.options import option_problems
from unfreeze.records import TrainOptions
from unfreeze.reporting import write_comparison_report, write_report
from unfreeze.reporting.comparison_verdict import doubts, reading
from unfreeze.reporting.wording import compare_command

if TYPE_CHECKING:
    from collections.abc import Callable

NASTY = '<script>alert("x")</script>'
TIES = tuple(
    Way(f"stages:{i}", 0.9 - 0.004 * i, difference=-0.004 * i, verdict="tied" if i else "best", recommended=i == 2,
        work=1e12 * (3 - i), test=0.88)
    for i in range(3)
)  # fmt: skip
ERRORS = (
    Way("head", 4.2, 0.5, 1.1, 0.6, "worse", work=1e12, test=4.3),
    Way("gradual", 3.1, 0.4, 0.0, verdict="best", recommended=True, work=3e13, test=3.0),
    Way("full", 3.3, 0.4, 0.2, 0.5, "tied", work=4e13, test=3.2),
)
NOTHING = (Way("head", status="interrupted"), Way("full", status="failed", error="Out of memory."))


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., str]:
    """`page(ways, …)` → the text of the report of a comparison that was made up; see `write_comparison`."""

    def make(*arguments: Any, name: str = "compared", **settings: Any) -> str:
        path = write_comparison_report(write_comparison(tmp_path / name, *arguments, **settings))
        assert path == tmp_path / name / "report.html"
        return path.read_text(encoding="utf-8")

    return make


def said(tmp_path: Path, *arguments: Any, **settings: Any) -> str:
    return " ".join(reading(read_comparison(write_comparison(tmp_path / "said", *arguments, **settings))))


def record_of(tmp_path: Path, **settings: Any) -> CompareRecord:
    return read_comparison(write_comparison(tmp_path / "record", **settings))


def test_the_page_opens_with_what_to_take_and_why(page: Callable[..., str]) -> None:
    text = shown_text(page()).split("What a better figure costs")[0]
    for part in (
        "Take head2toe",
        "85.1% balanced accuracy on 119 test pictures, which decided nothing",
        "95% interval 78.8% to 91.4%",
        "gradual measured best, but head2toe and layerwise cannot be told from it on 119 validation pictures.",
        "Of these, head2toe is the cheapest: take it.",
        "gradual could be better than it by up to 6.0 points",
        "head is worse.",
        "Not finished: lp-ft.",
        "Failed: full (The loss became nan in epoch 2",
        "one seed: another random start might order them differently",
    ):
        assert part in text


def test_a_best_row_that_is_also_the_cheapest_is_taken_for_that(tmp_path: Path) -> None:
    text = said(tmp_path, ERRORS, task="regression", outputs=("count",))
    assert text == (
        "gradual measured best, but full cannot be told from it on 119 validation pictures. "
        "Of these, gradual is also the cheapest: take it. head is worse."
    )


def test_a_row_that_all_others_are_worse_than_is_taken_for_that(tmp_path: Path) -> None:
    ways = (
        Way("head", 0.5, difference=-0.3, verdict="worse"),
        Way("full", 0.8, difference=0.0, verdict="best", recommended=True),
    )
    take = "Take full: it is best, and head is worse by more than"
    assert said(tmp_path, ways, seeds=2) == f"{take} chance explains."
    assert said(tmp_path, ways) == f"{take} other pictures would explain.", "one seed tells nothing of other seeds"


def test_ties_everywhere_are_too_little_data_to_tell(tmp_path: Path) -> None:
    text = said(tmp_path, TIES)
    assert text.startswith(
        "Too little data to tell: 119 validation pictures do not tell stages:0, stages:1 and stages:2 apart. "
        "stages:0 measured best, but stages:2 is the cheapest: take it. "
    )
    assert "could be better than it by up to 4.8 points" in text


@pytest.mark.parametrize("is_best", [True, False])
def test_what_costs_hardly_more_and_measured_better_is_taken_for_that(tmp_path: Path, is_best: bool) -> None:
    best = Way("full", 0.85, difference=0.0, verdict="best", recommended=is_best, work=1.001e12 if is_best else 9e12)
    ways = (
        best,
        Way("head2toe", 0.84, difference=-0.01, verdict="tied", recommended=not is_best, work=1.001e12),
        Way("head", 0.83, difference=-0.02, verdict="tied", work=1e12),
    )
    expected = (
        "full measured best, and costs hardly more than the cheapest: take it."
        if is_best
        else "full measured best, but head2toe costs hardly more than the cheapest, and measured better: take it."
    )
    assert expected in said(tmp_path, ways)


def test_many_names_are_cut_and_folds_are_named(tmp_path: Path) -> None:
    ways = tuple(
        Way(f"w{i}", 0.8, difference=0.0, verdict="tied" if i else "best", recommended=not i) for i in range(8)
    )
    text = said(tmp_path, ways, folds=5)
    assert "674 pictures out of fold do not tell w0, w1, w2, w3 and 4 others apart" in text


def test_one_row_has_nothing_to_be_compared_with(page: Callable[..., str], tmp_path: Path) -> None:
    only = (Way("head", 0.8, difference=0.0, verdict="best", recommended=True, test=0.79),)
    assert said(tmp_path, only) == "head is the only row; there is nothing to compare it with."
    text = page(only)
    assert "Differences to the best" not in shown_text(text)
    assert "Take head" in shown_text(text)


def test_one_finished_row_of_several_says_so(tmp_path: Path) -> None:
    ways = (Way("head", 0.8, difference=0.0, verdict="best", recommended=True), Way("full", status="not begun"))
    assert said(tmp_path, ways) == ("Only head is finished; there is nothing to compare it with. Not finished: full.")


def test_where_nothing_is_finished_the_page_says_how_to_go_on(page: Callable[..., str], tmp_path: Path) -> None:
    text = shown_text(page(NOTHING, status="interrupted"))
    assert "Nothing to take yet" in text
    assert "No row has come to its end, so nothing can be said yet." in text
    assert f"Go on with: unfreeze compare --resume --out {tmp_path / 'compared'}" in text
    assert "Failed: full (Out of memory)." in text
    assert "test pictures are few" not in text


def test_rows_that_cannot_be_ranked_are_told_with_the_reason(page: Callable[..., str]) -> None:
    text = shown_text(page((Way("head"), Way("full")), notes=("The rows cannot be ranked: one class.",)))
    assert "No row could be ranked." in text
    assert "The rows cannot be ranked: one class." in text
    assert "not ranked" in text


def test_the_test_figure_stands_once_and_for_the_recommended_row_alone(page: Callable[..., str]) -> None:
    text = shown_text(page())
    assert text.count("85.1%") == 1
    assert "84.2%" not in text  # gradual's


def test_the_cost_figure_has_a_mark_for_each_ranked_row_by_shape_and_colour_and_rings_the_chosen(
    page: Callable[..., str],
) -> None:
    text = page()
    drawing = charts(text)["Balanced accuracy against cost"]
    assert drawing.count('class="f1 edged"') == 1
    assert drawing.count('class="f3 edged"') == 2
    assert drawing.count('class="f2 edged"') == 1
    assert drawing.count('class="kept"') == 1
    for name in ("gradual", "head2toe", "layerwise", "head"):
        assert f">{name}</text>" in drawing
    assert "head2toe: 84.8% (78.8% to 90.8%), 940 G multiply-adds, 16.4 s, tied, take this" in label(drawing)
    assert "Not in the figure: full (failed), lp-ft (not finished)." in shown_text(text)


def test_names_that_would_cover_each_other_give_way_to_ranks(page: Callable[..., str]) -> None:
    crowd = tuple(
        Way(f"a long name of a row {i}", 0.8 - 0.001 * i, difference=-0.001 * i, verdict="tied" if i else "best",
            recommended=not i, work=1e12)
        for i in range(20)
    )  # fmt: skip
    text = page(crowd)
    drawing = charts(text)["Balanced accuracy against cost"]
    assert drawing.count('class="name"') == 20
    assert ">20</text>" in drawing
    assert "Numbers are ranks." in shown_text(text)
    assert "Numbers are ranks." not in shown_text(page(name="few"))


def test_differences_are_a_forest_with_their_simultaneous_limits(page: Callable[..., str]) -> None:
    drawing = charts(page())["Difference to gradual"]
    assert label(drawing) == (
        "Difference to gradual: head2toe: -1.3 points (-6.0 points to +3.4 points), tied; "
        "layerwise: -2.0 points (-7.2 points to +3.2 points), tied; "
        "head: -11.9 points (-19.0 points to -4.8 points), worse"
    )
    assert drawing.index("← worse") < drawing.index("better →")


def test_a_regression_is_better_to_the_left_and_down(page: Callable[..., str]) -> None:
    text = page(ERRORS, task="regression", outputs=("count",))
    drawing = charts(text)["Difference to gradual"]
    assert drawing.index("← better") < drawing.index("worse →")
    shown = shown_text(text)
    assert "Up is worse" in shown
    assert "mean absolute error (lower is better)" in text
    assert "3 mean absolute error on 119 test pictures" in shown
    ranked = [row for row in ("gradual", "full", "head") if row in shown]
    assert ranked == ["gradual", "full", "head"]
    assert "+1.1" in shown


def test_several_labels_are_reported_in_their_metric(page: Callable[..., str]) -> None:
    shown = shown_text(page(TIES, task="multilabel", outputs=("fish", "shark")))
    assert "0.880 mean average precision on 119 test pictures" in shown
    assert "by label" in shown


def test_every_row_that_began_has_its_curve_on_the_same_axes(page: Callable[..., str]) -> None:
    found = charts(page())
    curves = {name: found[name] for name in ("gradual", "head2toe", "layerwise", "head", "full", "lp-ft")}
    assert curves["gradual"].count('class="s1 dot"') == 10
    assert curves["gradual"].count('class="kept"') == 1
    assert curves["lp-ft"].count('class="s1 dot"') == 4
    assert curves["lp-ft"].count('class="kept"') == 0
    marks = {drawing.count('class="grid"') for drawing in curves.values()}
    assert len(marks) == 1


def test_seeds_and_folds_are_thin_and_their_mean_is_not(page: Callable[..., str]) -> None:
    text = page(TIES, seeds=2, folds=3)
    drawing = charts(text)["stages:1"]
    assert drawing.count('class="s1 thin"') == 6
    assert drawing.count('class="s1 dot"') == 10
    assert "Thin lines are single trainings" in shown_text(text)
    assert "seed 1, fold 3 from" in label(drawing)


def test_the_table_has_values_differences_verdicts_parameters_and_time(page: Callable[..., str]) -> None:
    shown = shown_text(page())
    for part in (
        "1 gradual tf_efficientnet_lite0, 224 px 86.1% 80.3% to 91.9% best 2,310,000 31 T 6 min 42 s",
        "2 head2toe take this tf_efficientnet_lite0, 320 px 84.8% 78.8% to 90.8% -1.3 points -6.0 to +3.4 points tied",
        "full tf_efficientnet_lite0, 224 px The loss became nan in epoch 2 of phase full; try a lower --lr. – – failed",
    ):
        assert part in shown


def test_reports_of_runs_are_linked_by_relative_paths_the_best_first(page: Callable[..., str], tmp_path: Path) -> None:
    directory = write_comparison(tmp_path / "compared", best="best")
    (directory / "best").mkdir()
    for run in ("best", "runs/head-net-320-seed0", "runs/gradual-net-224-seed0"):
        (directory / run / "report.html").write_text("")
    text = page(best="best")
    links = [link for link in outline(text).addresses if not link.startswith("#")]
    assert links == [
        "best/report.html", "best/report.html", "runs/gradual-net-224-seed0/report.html",
        "runs/head-net-320-seed0/report.html",
    ]  # fmt: skip
    assert all((directory / unquote(link)).is_file() for link in links)


def test_the_best_run_gives_the_command_to_train_it_alone_and_what_chance_would_reach(
    page: Callable[..., str], tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    write_comparison(tmp_path / "compared")
    shutil.move(make_run(config=TrainOptions(strategy="head2toe", size=320)), tmp_path / "compared" / "best")
    text = page(best="best")
    assert "Train what is recommended, head2toe, alone: unfreeze train" in shown_text(text)
    assert "--strategy head2toe --size 320" in shown_text(text)
    assert "guessing would reach" in text


def test_the_compare_command_names_what_is_compared_and_what_was_given(tmp_path: Path) -> None:
    record = record_of(
        tmp_path,
        data="my photos",
        config=TrainOptions(epochs=6, cache=False),
        given=("cache", "lr", "epochs", "seed"),
        options=CompareOptions(
            strategies=("head", "stages:2"), models=("resnet50",), sizes=(224, 320), seeds=3, folds=4
        ),
    )
    assert compare_command(record) == (
        "unfreeze compare 'my photos' --strategies head,stages:2 --models resnet50 --sizes 224,320 --seeds 3 --folds 4 "
        "--epochs 6 --seed 0 --no-cache"
    )


def test_a_run_by_a_plan_file_is_repeated_by_the_file_alone(
    make_run: Callable[..., Path],
) -> None:
    config = TrainOptions(strategy="plan", plan="mine.toml", seed=2)
    assert not option_problems(TrainOptions(plan="mine.toml", seed=2), given=frozenset({"plan", "seed"}))
    text = shown_text(write_report(make_run(config=config)).read_text(encoding="utf-8"))
    assert "--plan mine.toml --seed 2" in text
    assert "--strategy" not in text


@pytest.mark.parametrize("ways", [SIX_ROWS, TIES, NOTHING, SIX_ROWS[:1]], ids=["six", "ties", "nothing", "one"])
def test_the_page_is_well_formed_and_readable_without_seeing(page: Callable[..., str], ways: tuple[Way, ...]) -> None:
    text = page(ways)
    parsed = outline(text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {address[1:] for address in parsed.addresses if address.startswith("#")} <= set(parsed.ids)
    assert all(given.get("scope") in {"row", "col"} for tag, given in parsed.elements if tag == "th")
    assert all(given.get("aria-label") for tag, given in parsed.elements if tag == "svg")
    tags = [tag for tag, _ in parsed.elements]
    assert tags.count("table") == tags.count("caption")
    scrolled = [given for _, given in parsed.elements if given.get("class") == "scroll"]
    assert all(given.get("tabindex") == "0" and given.get("aria-label") for given in scrolled)


def test_the_page_loads_nothing_from_anywhere(page: Callable[..., str]) -> None:
    text = page()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link|<iframe|<img", text)


def test_names_of_the_user_are_never_markup(page: Callable[..., str]) -> None:
    ways = (
        Way(f"blocks.* {NASTY}", 0.8, difference=0.0, verdict="best", recommended=True, test=0.8),
        Way('"><img src=x onerror=alert(1)>', 0.7, difference=-0.1, verdict="tied"),
        Way("full", status="failed", error=f"No {NASTY}"),
    )
    text = page(ways, name="a <b>bold", outputs=(NASTY, "b"), notes=(NASTY,), data=f"/data/{NASTY}")
    parsed = outline(text)
    assert {tag for tag, _ in parsed.elements}.isdisjoint({"script", "img", "b>", "iframe"})
    assert not any(name.startswith("on") for _, given in parsed.elements for name in given)
    assert "<b>bold" not in text
    assert NASTY in shown_text(text)


def test_an_edited_comparison_leads_nowhere_else(page: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    first, *rest = record_of(tmp_path).cells
    for outside in ("../secret", str(tmp_path / "secret"), "..\\secret", ""):
        edited = write_comparison(tmp_path / "edited", cells=(msgspec.structs.replace(first, run=outside), *rest))
        with pytest.raises(RunError, match="names a run that is not below its directory"):
            write_comparison_report(edited)
    with pytest.raises(RunError, match="names a run that is not below its directory"):
        page(best="../secret")
    text = page(cells=(msgspec.structs.replace(first, run="javascript:alert(1)"), *rest))
    assert [link for link in outline(text).addresses if not link.startswith("#")] == []


def test_a_verdict_without_a_figure_is_left_out_of_the_charts(page: Callable[..., str]) -> None:
    text = page((Way("head", verdict="best", recommended=True), *TIES[1:]))
    assert "Take head" in shown_text(text)


@pytest.mark.parametrize("line", ["5", '{"epoch": 0, "best": true}', '{"epoch": 0, "metrics": null, "best": true}'])
def test_an_edited_history_is_named(tmp_path: Path, line: str) -> None:
    (run,) = (write_comparison(tmp_path / "compared", SIX_ROWS[1:2]) / "runs").iterdir()
    (run / "history.jsonl").write_text(f"{line}\n")
    with pytest.raises(RunError, match=r'Line 1 of ".*history.jsonl" is not that of an epoch .* edited by hand'):
        write_comparison_report(tmp_path / "compared")


def test_a_directory_without_a_sound_compare_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        write_comparison_report(tmp_path / "nowhere")
    with pytest.raises(RunError, match="holds no comparison"):
        write_comparison_report(tmp_path)
    (tmp_path / "compare.json").write_text("{")
    with pytest.raises(RunError, match="edited by hand"):
        write_comparison_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_several_seeds_and_many_test_pictures_leave_no_doubts(tmp_path: Path) -> None:
    assert doubts(record_of(tmp_path, seeds=3)) == ()
    assert doubts(record_of(tmp_path, seeds=3, n_test=40)) == (
        "40 test pictures are few: read the interval, not the figure.",
    )
    assert doubts(record_of(tmp_path, seeds=3, n_test=400, n_test_groups=12)) == (
        "400 test pictures of 12 groups are few: read the interval, not the figure.",
    )


def test_with_folds_it_is_said_whose_the_figure_on_test_is(page: Callable[..., str]) -> None:
    text = shown_text(page(folds=5, seeds=2))
    assert "which decided nothing, mean of its 10 networks, one per fold and seed" in text
    assert "best/ was trained again on all of train" in text


def test_reporting_a_comparison_loads_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from unfreeze.reporting import write_comparison_report; write_comparison_report(sys.argv[1]); "
        "print([m for m in ('torch', 'timm', 'sklearn', 'pandas') if m in sys.modules])"
    )
    directory = str(write_comparison(tmp_path / "compared"))
    result = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_one_epoch_is_a_curve_too(tmp_path: Path) -> None:
    only = SIX_ROWS[1:2]
    (run,) = (write_comparison(tmp_path / "compared", only) / "runs").iterdir()
    assert (run / "history.jsonl").is_file()
    write_one = '{"epoch": 0, "metrics": {"balanced_accuracy": 0.5}, "best": true}\n'
    (run / "history.jsonl").write_text(write_one)
    text = write_comparison_report(tmp_path / "compared").read_text(encoding="utf-8")
    assert charts(text)["head2toe"].count('class="s1 dot"') == 1
