"""An advice's report.html: what it says to train and why, the curve by depth, that it is safe and self-contained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support.advices import MODEL, probe, way, write_advice
from support.pages import charts, label, outline, shown_text

from unfreeze.advice_records import AdviceEvidence, Expected, Reason, read_advice, recommended_way
from unfreeze.errors import RunError
from unfreeze.reporting import write_advice_report

if TYPE_CHECKING:
    from collections.abc import Callable

NASTY = '<script>alert("x")</script>'


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., str]:
    """`page(…)` → the text of the report of an advice that was made up; see `write_advice`."""

    def make(**changes: Any) -> str:
        path = write_advice_report(write_advice(tmp_path / "advised", **changes))
        assert path == tmp_path / "advised" / "report.html"
        return path.read_text(encoding="utf-8")

    return make


def evidence_with(tmp_path: Path, **changes: Any) -> AdviceEvidence:
    return msgspec.structs.replace(read_advice(write_advice(tmp_path / "plain")).evidence, **changes)


def test_the_page_opens_with_what_to_train_and_what_to_expect(page: Callable[..., str]) -> None:
    text = shown_text(page()).split("The numbers behind it")[0]
    for part in (
        "Take head2toe",
        f"with {MODEL} at 320 px: trains in about 21.0 s",
        "86.0% balanced accuracy is to be expected, by 674 pictures out of fold",
        "95% interval 83.0% to 89.0%",
        "head2toe is the best head on frozen features.",
        "No test picture was used.",
        "unfreeze train photos --plan runs/photos-advice-1/plan.toml",
    ):
        assert part in text


def test_every_reason_shows_its_numbers_and_its_reference(page: Callable[..., str]) -> None:
    text = shown_text(page())
    assert "555 pictures train." in text
    assert "balanced accuracy 0.8612 n images 674" in text
    assert "smallest not known" in text
    assert "Breiman et al. 1984" in text


def test_the_curve_by_depth_is_drawn_with_intervals_for_each_size(page: Callable[..., str]) -> None:
    drawing = charts(page())[MODEL]
    said = label(drawing)
    assert "at 224 px stem 41.0%" in said
    assert "at 320 px stem 43.0%" in said
    assert said.count("all depths") == 2
    assert drawing.count("whisker") == 22, "eleven depths at two sizes"
    assert "features, 320 px: 84.0% (81.0% to 87.0%)" in drawing
    assert drawing.count('class="kept"') == 2, "the best single depth of each size"
    for name in ("blocks.6", "features", "all depths"):
        assert f">{name}</text>" in drawing


def test_several_networks_have_a_curve_each_on_one_scale_and_are_ranked(
    page: Callable[..., str], tmp_path: Path
) -> None:
    evidence = evidence_with(tmp_path, probes=(probe(), probe("resnet50", more=0.05)))
    text = page(evidence=evidence)
    drawn = charts(text)
    assert {MODEL, "resnet50"} <= set(drawn)
    marks = [[part for part in drawn[model].split("<text")[1:12] if "%" in part] for model in (MODEL, "resnet50")]
    assert marks[0] == marks[1], "the same axis"
    ranked = shown_text(text).split("Networks and sizes")[-1]
    assert ranked.index("1 resnet50") < ranked.index(f"2 {MODEL}")


def test_all_that_was_tried_is_listed_also_what_was_not_and_why(page: Callable[..., str]) -> None:
    text = shown_text(page())
    assert "4 layerwise tf_efficientnet_lite0, 320 px 10 88.0% 81.0% to 95.0% 1.2 points better ± 3.1 points" in text
    assert "it takes about 61 s, and 12 s were left" in text
    assert page().count("take this</b>") == 1


def test_what_cannot_be_told_is_said(page: Callable[..., str]) -> None:
    assert "Cannot tell; take the best head on frozen features, head2toe" in shown_text(page(can_tell=False))


def test_a_way_tried_for_fewer_epochs_than_asked_for_is_called_so(page: Callable[..., str], tmp_path: Path) -> None:
    short = way("layerwise", 0.9, epochs=7)
    changes = {
        "strategy": "layerwise",
        "way": "layerwise",
        "epochs": 7,
        "evidence": evidence_with(tmp_path, ways=(short,)),
    }
    assert "It was tried for 7 of 10 epochs, and its plan has as many" in shown_text(page(**changes))


def test_an_advice_that_measured_nothing_has_a_page(page: Callable[..., str], tmp_path: Path) -> None:
    evidence = evidence_with(tmp_path, probes=(), domain=(), ways=(), learned=None)
    text = page(evidence=evidence, status="stopped", can_tell=False, expected=Expected(metric="balanced_accuracy"))
    assert "Nothing was measured." in shown_text(text)
    assert "the budget of 5 min 0 s did not suffice" in shown_text(text)
    assert charts(text) == {}
    assert 'href="#depths"' not in text


def test_errors_are_lower_is_better(page: Callable[..., str], tmp_path: Path) -> None:
    evidence = evidence_with(
        tmp_path, probes=(probe(scale=10),), ways=(way("layerwise", 3.1, gain=0.4, gain_error=0.1),)
    )
    text = page(task="regression", evidence=evidence, expected=Expected(metric="mae", value=4.0, low=3.5, high=4.5))
    assert "0.4 better" in shown_text(text)
    assert "mean absolute error (lower is better)" in text


def test_what_users_named_is_never_markup(page: Callable[..., str], tmp_path: Path) -> None:
    evidence = evidence_with(
        tmp_path, probes=(probe(NASTY),), ways=(way(NASTY, 0.8, frozen=True), way("full", None, why=NASTY))
    )
    text = page(
        evidence=evidence, reasons=(Reason(text=NASTY, evidence={NASTY: NASTY}, reference=NASTY),), notes=(NASTY,),
        command=NASTY, way=NASTY, model=NASTY,
    )  # fmt: skip
    assert "<script" not in text
    assert "&lt;script" in text


def test_the_page_is_one_file_without_a_script(page: Callable[..., str]) -> None:
    parsed = outline(page())
    assert len(parsed.ids) == len(set(parsed.ids))
    inner = [address for address in parsed.addresses if address.startswith("#")]
    assert {address[1:] for address in inner} <= set(parsed.ids)
    assert [address for address in parsed.addresses if not address.startswith("#")] == []
    assert "script" not in {tag for tag, _ in parsed.elements}


def test_the_recommended_way_is_the_one_with_its_epochs(tmp_path: Path) -> None:
    record = read_advice(write_advice(tmp_path / "a"))
    found = recommended_way(record)
    assert found is not None
    assert (found.name, found.size) == ("head2toe", 320)
    assert recommended_way(msgspec.structs.replace(record, epochs=3)) is None


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist; give the directory of an advice"):
        write_advice_report(tmp_path / "none")


def test_writing_the_page_loads_no_torch(tmp_path: Path) -> None:
    directory = write_advice(tmp_path / "a")
    code = (
        f"import sys; from unfreeze.reporting import write_advice_report; write_advice_report({str(directory)!r});"
        "print({'torch', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
