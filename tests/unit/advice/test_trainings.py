"""For what there is time: among sizes that are looked at, and among trainings that are tried."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from unfreeze.advice.inquiry import Inquiry, Look, Notebook
from unfreeze.advice.measuring import _look_seconds
from unfreeze.advice.trainings import LOADING_SECONDS, _fitting_epochs, _sizes, _Trials, _want_of_time
from unfreeze.advice.ways import Tried, Way, make_way
from unfreeze.advice_records import ProbeRecord, WayRecord
from unfreeze.records import TrainOptions
from unfreeze.training import Silent
from unfreeze.training.interrupts import Interrupt


@pytest.mark.parametrize(
    ("seconds_left", "expected"),
    [(1000.0, 9), (101.0, 9), (99.0, 8), (56.0, 5), (55.0, None), (0.0, None)],
)
def test_fewer_epochs_are_as_many_as_fit_but_at_least_half(seconds_left: float, expected: int | None) -> None:
    found = _fitting_epochs(lambda epochs: 10.0 * epochs, epochs=10, seconds_left=seconds_left)
    assert found == expected, "a tenth of the time left is not planned for"


def test_a_single_epoch_cannot_be_fewer() -> None:
    assert _fitting_epochs(lambda epochs: 10.0 * epochs, epochs=1, seconds_left=1000.0) is None


def test_what_was_not_tried_says_what_it_would_have_taken() -> None:
    assert _want_of_time(61.0, 40.0) == "it takes about 61 s, and 40 s were left"
    assert _want_of_time(301.2, 4.26) == "it takes about 301 s, and 4.3 s were left"
    assert _want_of_time(61.0, -1.0) == "the budget had ended"


@pytest.fixture(scope="module")
def best() -> Tried:
    options = TrainOptions(model="test_resnet", size=64, pretrained=False)
    way: Way = make_way("head", options, frozenset({"size"}), n_outputs=2, frozen=True, strategy="head")
    return Tried(way=way, record=cast("WayRecord", SimpleNamespace(seconds=2.0)))


def probe(model: str, size: int) -> ProbeRecord:
    return ProbeRecord(model=model, size=size, depths=(), best_depth="features", seconds=1.0)


def test_all_layers_are_trained_at_the_best_size_or_smaller_ones_of_that_network(best: Tried) -> None:
    probes = [probe("test_resnet", 32), probe("test_resnet", 64), probe("test_resnet", 96), probe("other", 48)]
    assert _sizes(Notebook(probes=probes), best) == [64, 32]


def trials(best: Tried, monkeypatch: pytest.MonkeyPatch, *, picture: float | Exception) -> _Trials:
    """Trainings of 90 pictures, 30 beside them, where a step takes some seconds a picture, or fails."""

    def timed(*_: Any, **__: Any) -> float:
        if isinstance(picture, Exception):
            raise picture
        return picture

    monkeypatch.setattr("unfreeze.advice.trainings.seconds_per_picture", timed)
    split = SimpleNamespace(train=range(90), val=range(30))
    asked = SimpleNamespace(data=SimpleNamespace(split=split))
    return _Trials(cast("Inquiry", asked), Notebook(), best, interrupt=Interrupt(), progress=Silent())


@pytest.fixture(scope="module")
def layerwise() -> Way:
    options = TrainOptions(model="test_resnet", size=64, pretrained=False, epochs=5)
    return make_way("layerwise", options, frozenset({"size"}), n_outputs=2, strategy="layerwise")


def test_a_training_of_all_layers_takes_its_pictures_times_its_epochs(
    best: Tried, layerwise: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = trials(best, monkeypatch, picture=0.1)
    tried.time_step(layerwise)
    of_held_out = 30 / 3  # forward alone
    assert tried.seconds_of(layerwise) == pytest.approx(LOADING_SECONDS + 0.1 * 5 * (90 + of_held_out))


def test_a_step_that_fails_leaves_the_estimate_to_the_frozen_pass(
    best: Tried, layerwise: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = trials(best, monkeypatch, picture=RuntimeError("out of memory"))
    tried.time_step(layerwise)
    passes = layerwise.work(n_train=90, n_held_out=30) / best.way.work(n_train=90, n_held_out=30)
    assert tried.seconds_of(layerwise) == pytest.approx(LOADING_SECONDS + 2.0 * passes)


def test_what_a_look_at_another_size_needs_is_a_longer_pass_and_the_same_heads() -> None:
    notebook = Notebook(looks={"net": Look(size=224, reading=10.0, fitting=12.0)})
    assert _look_seconds(notebook, "net", 448) == pytest.approx(52.0)
    assert _look_seconds(notebook, "another", 448) is None
