from __future__ import annotations

from unfreeze.comparison.work import estimate_seconds, estimate_work
from unfreeze.plans import make_plan
from unfreeze.records import TrainOptions


def test_nothing_is_known_before_the_first_training_is_over() -> None:
    assert estimate_seconds([], [1.0]) is None


def test_trainings_of_one_kind_tell_of_that_kind_only() -> None:
    assert estimate_seconds([(10.0, 2.0), (10.0, 4.0)], [10.0, 10.0]) == 6.0
    assert estimate_seconds([(10.0, 2.0), (10.0, 4.0)], [20.0, 10.0]) is None


def test_a_fixed_time_and_one_that_grows_are_told_apart() -> None:
    assert estimate_seconds([(0.0, 1.0), (10.0, 3.0)], [100.0]) == 21.0


def test_more_work_never_takes_less_time() -> None:
    found = estimate_seconds([(10.0, 5.0), (20.0, 3.0)], [1000.0])
    assert found is not None
    assert found >= 4.0


def test_what_is_computed_once_costs_less_than_what_trains(resnet50_layers: object) -> None:
    options = TrainOptions(augment="none")
    work = {
        name: estimate_work(make_plan(name, resnet50_layers), options, n_train=70, n_held_out=30)  # type: ignore[arg-type]
        for name in ("head", "stages:1", "stages:2", "full")
    }
    assert sorted(work, key=lambda name: work[name]) == ["head", "stages:1", "stages:2", "full"]


def test_views_are_passes_of_their_own(resnet50_layers: object) -> None:
    plan = make_plan("head", resnet50_layers, epochs=10)  # type: ignore[arg-type]
    by_views = [
        estimate_work(plan, TrainOptions(views=views, augment="light"), n_train=70, n_held_out=30)
        for views in (2, 4, None)
    ]
    assert by_views == sorted(by_views)
    assert by_views[0] < by_views[-1]
