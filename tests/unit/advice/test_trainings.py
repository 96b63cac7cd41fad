"""For what there is time among trainings that are tried."""

from __future__ import annotations

from typing import cast

import pytest

from unfreeze.advice.inquiry import Notebook
from unfreeze.advice.trainings import _fitting_epochs, _sizes, _want_of_time
from unfreeze.advice.ways import Tried, Way, make_way
from unfreeze.advice_records import ProbeRecord, WayRecord
from unfreeze.records import TrainOptions


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
    return Tried(way=way, record=cast("WayRecord", None))


def probe(model: str, size: int) -> ProbeRecord:
    return ProbeRecord(model=model, size=size, depths=(), best_depth="features", seconds=1.0)


def test_all_layers_are_trained_at_the_best_size_or_smaller_ones_of_that_network(best: Tried) -> None:
    probes = [probe("test_resnet", 32), probe("test_resnet", 64), probe("test_resnet", 96), probe("other", 48)]
    assert _sizes(Notebook(probes=probes), best) == [64, 32]
