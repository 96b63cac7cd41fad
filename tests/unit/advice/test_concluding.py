"""From figures to a recommendation: which way, what it cannot be told from, and how far unfreezing goes."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from unfreeze.advice.concluding import Conclusion, conclude
from unfreeze.advice.inquiry import Inquiry, Notebook
from unfreeze.advice.probing import Fold
from unfreeze.advice.trainings import _Trials, _unfreeze
from unfreeze.advice.ways import Tried, Way
from unfreeze.advice_records import WayRecord
from unfreeze.records import Interval, TrainOptions

N_POOL, N_VAL = 400, 100
TRUTH = np.tile([0, 1], N_POOL // 2)
FOLDS = (Fold((), tuple(range(N_POOL // 2))), Fold((), tuple(range(N_POOL // 2, N_POOL))))


def inquiry(models: Sequence[str] = ("small",)) -> Inquiry:
    """What concluding asks of an inquiry: the first pictures are validation's."""
    split = SimpleNamespace(train=range(N_VAL, N_POOL), val=range(N_VAL), test=())
    asked = SimpleNamespace(
        data=SimpleNamespace(split=split, dataset=SimpleNamespace(task="classification")), split=split,
        metric="accuracy", base=TrainOptions(), models=tuple(models), n_train=len(split.train), n_held_out=N_VAL,
        truth=lambda indices: TRUTH[list(indices)], groups=lambda _: None,
    )  # fmt: skip
    return cast("Inquiry", asked)


def answers(n: int, share_wrong: float, *, seed: int) -> np.ndarray:
    guess = TRUTH[:n].copy()
    wrong = np.random.default_rng(seed).permutation(n)[: round(share_wrong * n)]
    guess[wrong] = 1 - guess[wrong]
    return np.eye(2)[guess]


def tried(
    strategy: str,
    wrong: float,
    *,
    on_val: float | None = None,
    frozen: bool = False,
    model: str = "small",
    work: float = 1.0,
    seed: int = 0,
) -> Tried:
    """A way that errs in a share of the pictures, on validation in another if told, those that its seed draws."""
    folds = answers(N_POOL, wrong, seed=seed) if frozen else None
    figure = Interval(value=1 - wrong, low=0.0, high=1.0)
    record = WayRecord(
        name=strategy, strategy=strategy, model=model, size=224, epochs=6, frozen=frozen, status="done", work=work,
        folds=figure if frozen else None, val=figure,
    )  # fmt: skip
    way = cast("Way", SimpleNamespace(name=strategy, options=TrainOptions(model=model), frozen=frozen, size=224))
    return Tried(
        way=way, record=record, folds=folds, val=answers(N_VAL, wrong if on_val is None else on_val, seed=seed)
    )


def concluded(*ways: Tried, models: Sequence[str] = ("small",)) -> Conclusion:
    return conclude(inquiry(models), Notebook(folds=FOLDS, tried=[*ways]))


def test_the_best_head_is_taken_and_told_from_what_is_far_behind() -> None:
    found = concluded(
        tried("head", 0.3, frozen=True, seed=1), tried("head2toe", 0.1, frozen=True, seed=2), tried("layerwise", 0.45)
    )
    assert found.way.name == "head2toe"
    assert (found.learned, found.can_tell, found.rivals) == (True, True, ())


def test_what_it_cannot_be_told_from_is_named_also_among_trainings() -> None:
    found = concluded(
        tried("head", 0.11, frozen=True, seed=1), tried("head2toe", 0.1, frozen=True, seed=2),
        tried("layerwise", 0.12, work=50.0, seed=3), tried("stages:1", 0.45, work=20.0, seed=4),
    )  # fmt: skip
    assert found.way.name == "head2toe"
    assert not found.can_tell
    assert found.rivals == ("head at 224 px", "layerwise at 224 px")


def test_a_training_is_taken_for_more_than_noise_and_told_from_the_best_head() -> None:
    head, training = tried("head", 0.4, frozen=True, seed=1), tried("layerwise", 0.02, work=50.0, seed=2)
    found = concluded(head, training)
    assert (found.way.name, found.can_tell, found.rivals) == ("layerwise", True, ())
    assert found.frozen is not None
    assert found.frozen.way.name == "head"
    near = concluded(head, tried("layerwise", 0.38, work=50.0, seed=2))
    assert near.way.name == "head"
    assert near.rivals == ("layerwise at 224 px",)


def test_a_training_is_told_from_every_head_not_only_from_the_best_out_of_fold() -> None:
    found = concluded(
        tried("head2toe", 0.3, on_val=0.4, frozen=True, seed=1), tried("head", 0.31, on_val=0.03, frozen=True, seed=2),
        tried("layerwise", 0.02, work=50.0, seed=3),
    )  # fmt: skip
    assert found.way.name == "layerwise"
    assert (found.can_tell, found.rivals) == (False, ("head at 224 px",))


def test_rivals_are_told_from_the_chosen_way_not_from_the_measured_best() -> None:
    found = concluded(
        tried("head", 0.2, frozen=True, seed=1), tried("stages:1", 0.18, work=9.0, seed=2),
        tried("layerwise", 0.3, work=50.0, seed=3),
    )  # fmt: skip
    assert found.way.name == "head"
    assert found.rivals == ("stages:1 at 224 px", "layerwise at 224 px")


def test_rivals_of_several_networks_are_named_with_theirs() -> None:
    found = concluded(
        tried("head", 0.1, frozen=True, seed=1), tried("head", 0.11, frozen=True, model="large", work=9.0, seed=2),
        models=("small", "large"),
    )  # fmt: skip
    assert found.rivals == ("head of large at 224 px",)


def test_a_training_that_beats_chance_is_taken_where_no_head_does() -> None:
    found = concluded(tried("head", 0.5, on_val=0.36, frozen=True, seed=1), tried("layerwise", 0.34, work=50.0, seed=3))
    assert (found.way.name, found.learned) == ("layerwise", True)


def test_with_nothing_of_another_kind_nothing_is_told() -> None:
    found = concluded(tried("head", 0.1, frozen=True))
    assert (found.learned, found.can_tell, found.rivals) == (True, False, ())


def test_answers_by_chance_are_called_so() -> None:
    found = concluded(tried("head", 0.5, frozen=True, work=2.0, seed=1), tried("head2toe", 0.49, frozen=True, seed=2))
    assert (found.learned, found.can_tell) == (False, False)


class Prepared:
    """Trainings whose outcome is known beforehand, by depth."""

    def __init__(self, wrong: dict[str, float], *, fitting: Sequence[str]) -> None:
        self.inquiry, self.ran = inquiry(), list[str]()
        self._wrong, self._fitting = wrong, fitting

    def way(self, name: str, **_: Any) -> Way:
        return cast("Way", SimpleNamespace(name=name))

    def has_time_for(self, way: Way, *, kept: float) -> bool:
        assert kept == 7.0, "what is to be left is handed on"
        return way.name in self._fitting

    def run(self, way: Way) -> Tried:
        self.ran.append(way.name)
        return tried(way.name, self._wrong[way.name], seed=len(self.ran))


DEPTHS = ("stages:1", "stages:2", "stages:3", "stages:4")


@pytest.mark.parametrize(
    ("wrong", "ran"),
    [
        ((0.4, 0.1, 0.1, 0.0), ("stages:1",)),  # the first gains nothing
        ((0.2, 0.02, 0.02, 0.0), ("stages:1", "stages:2", "stages:3")),  # the third gains nothing over the second
        ((0.3, 0.2, 0.1, 0.0), DEPTHS),
    ],
)
def test_unfreezing_goes_deeper_only_as_long_as_it_gains(wrong: Sequence[float], ran: Sequence[str]) -> None:
    trials = Prepared(dict(zip(DEPTHS, wrong, strict=True)), fitting=DEPTHS)
    before = tried("head", 0.4, frozen=True, seed=9)
    last, left = _unfreeze(cast("_Trials", trials), before, DEPTHS, kept=7.0)
    assert tuple(trials.ran) == tuple(ran)
    assert left == ()
    assert last.way.name == {1: "head", 3: "stages:2", 4: "stages:4"}[len(ran)]


def test_depths_without_time_are_handed_back() -> None:
    trials = Prepared(dict.fromkeys(DEPTHS, 0.1), fitting=DEPTHS[:1])
    last, left = _unfreeze(cast("_Trials", trials), tried("head", 0.4, frozen=True, seed=9), DEPTHS, kept=7.0)
    assert (last.way.name, tuple(left)) == ("stages:1", DEPTHS[1:])
