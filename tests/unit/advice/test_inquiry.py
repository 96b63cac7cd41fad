"""Which head on frozen features is taken: what usually does best, unless another one is better beyond noise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from unfreeze.advice.inquiry import Inquiry, Notebook, chosen_head
from unfreeze.advice.probing import Fold
from unfreeze.advice.ways import Tried, Way
from unfreeze.advice_records import WayRecord
from unfreeze.records import Interval, TrainOptions

TRUTH = np.tile([0, 1], 100)


def inquiry() -> Inquiry:
    """What `chosen_head` asks of an inquiry."""
    asked = SimpleNamespace(
        metric="accuracy",
        base=TrainOptions(),
        truth=lambda indices: TRUTH[list(indices)],
        groups=lambda _: None,
    )
    return cast("Inquiry", asked)


def tried(n_wrong: int, *, name: str = "head", model: str = "small", size: int = 224, work: float = 1.0) -> Tried:
    """A head that is wrong on some of the pictures, the first ones."""
    guess = TRUTH.copy()
    guess[:n_wrong] = 1 - guess[:n_wrong]
    value = 1 - n_wrong / len(TRUTH)
    record = WayRecord(
        name=name, strategy=name, model=model, size=size, epochs=6, frozen=True, status="done", work=work,
        folds=Interval(value=value, low=value - 0.1, high=value + 0.1),
    )  # fmt: skip
    way = SimpleNamespace(options=TrainOptions(model=model), frozen=True, size=size)
    return Tried(way=cast("Way", way), record=record, folds=np.eye(2)[guess], val=None)


def chosen(*ways: Tried) -> Tried:
    found = chosen_head(inquiry(), Notebook(folds=(Fold((), tuple(range(len(TRUTH)))),), tried=[*ways]))
    assert found is not None
    best, learned = found
    assert learned
    return best


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_within_a_network_the_best_is_taken_though_it_is_dearer_by_a_pass(order: tuple[int, int]) -> None:
    ways = (tried(40, size=224, work=1.0), tried(39, size=320, work=2.0))
    assert chosen(*(ways[index] for index in order)).record.size == 320


@pytest.mark.parametrize(("n_wrong", "expected"), [(39, "head2toe"), (20, "head")])
def test_what_usually_does_best_is_left_only_for_more_than_noise(n_wrong: int, expected: str) -> None:
    smaller, usual = tried(39, name="head2toe"), tried(40, name="head2toe", size=320, work=2.0)
    best = chosen(tried(n_wrong), smaller, usual).record
    assert best.strategy == expected
    assert best.size == (320 if expected == "head2toe" else 224)


def test_what_usually_does_best_is_left_where_it_has_no_figure() -> None:
    broken = tried(40, name="head2toe", size=320)
    broken = broken.with_record(folds=Interval(value=None, low=None, high=None))
    undefined = Tried(way=broken.way, record=broken.record, folds=np.full((len(TRUTH), 2), np.nan), val=None)
    assert chosen(tried(60), undefined).record.strategy == "head"


def test_where_the_usual_head_learned_nothing_the_best_may_have() -> None:
    """85 of 200 wrong is better than chance, 88 is not at 1%, and no standard error lies between them."""
    found = chosen(tried(82, name="head"), tried(84, name="head2toe", size=320))
    assert found.record.strategy == "head"


@pytest.mark.parametrize(("n_wrong", "expected"), [(39, "small"), (20, "large")])
def test_a_dearer_network_is_taken_only_for_more_than_noise(n_wrong: int, expected: str) -> None:
    assert chosen(tried(40), tried(n_wrong, model="large", work=8.0)).record.model == expected


def test_a_way_without_a_figure_is_not_taken() -> None:
    broken = tried(40)
    broken = broken.with_record(folds=Interval(value=None, low=None, high=None))
    assert chosen(broken, tried(60, size=320)).record.size == 320


def test_where_nothing_beats_chance_the_cheapest_of_all_is_taken() -> None:
    notebook = Notebook(
        folds=(Fold((), tuple(range(len(TRUTH)))),),
        tried=[tried(95, work=9.0), tried(101, size=160, work=1.0), tried(90, model="large", work=50.0)],
    )
    found = chosen_head(inquiry(), notebook)
    assert found is not None
    assert (found[0].record.size, found[1]) == (160, False)
    assert chosen_head(inquiry(), Notebook()) is None
