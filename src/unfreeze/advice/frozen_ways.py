"""All that can be tried on the vectors of one frozen network at one size: probes by depth, scores, and heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.advice.choosing import gain_of
from unfreeze.advice.probing import (
    Fold,
    fold_numbers,
    linear_probe,
    neighbour_probe,
    rate_probe,
    read_outputs,
)
from unfreeze.advice.transferability import h_score, log_me, shrinkage_of
from unfreeze.advice.ways import Tried, Way, best_out_of_fold
from unfreeze.advice_records import DepthRecord, ProbeRecord, WayRecord
from unfreeze.backbones import FEATURES
from unfreeze.metrics import evaluate_metric, number_groups, score
from unfreeze.records import Interval
from unfreeze.training.executing import loop_settings
from unfreeze.training.vectors import DepthVectors

__all__ = ["ALL_DEPTHS", "Judge", "probe_depths", "try_frozen_ways"]

Array = NDArray[Any]

ALL_DEPTHS = "all depths"
FEW_STRENGTHS = 3  # for the curve by depth, which compares depths and recommends no head


class Judge:
    """What judges heads on frozen features: folds of the pictures that train and validate, and the split itself.

    Args:
        vectors: of one network at one size.
        folds: of pictures that do not test.
        metric: what decides.
        seed: of the intervals.
        check: called now and then; it may raise, to interrupt.
    """

    def __init__(
        self, vectors: DepthVectors, folds: Sequence[Fold], *, metric: str, seed: int, check: Callable[[], None]
    ) -> None:
        self.vectors, self.folds, self.metric, self.seed, self.check = vectors, folds, metric, seed, check
        setup = vectors.setup
        self.record, self.targets = setup.network.record, setup.data.dataset.targets
        self.pool = tuple(sorted(index for fold in folds for index in fold.held))
        self.held_in = fold_numbers(folds)
        self.strata = None if self.held_in is None else np.asarray(self.held_in)
        self.split = Fold(setup.data.split.train, setup.data.split.val)
        self._groups = setup.data.dataset.groups

    def read(self, outputs: Array, indices: Sequence[int]) -> Array:
        """Return what the metric reads of raw outputs (n, k) of all pictures, for some."""
        return read_outputs(outputs[list(indices)], self.record, metric=self.metric)

    def out_of_fold(self, read: Array) -> Interval:
        """Return the metric on the pictures that folds hold out, with its 95% interval."""
        return self._interval(read, self.pool, strata=self.strata)

    def on_validation(self, read: Array) -> Interval:
        """Return the metric on the split's validation pictures, with its 95% interval."""
        return self._interval(read, self.split.held)

    def _interval(self, read: Array, indices: Sequence[int], strata: NDArray[np.intp] | None = None) -> Interval:
        truth, clusters = self.targets[list(indices)], number_groups(self.groups(indices))
        return evaluate_metric(self.metric, truth, read, clusters=clusters, strata=strata, seed=self.seed)

    def groups(self, indices: Sequence[int]) -> list[str] | None:
        """Return what each of some pictures belongs to."""
        return None if self._groups is None else [self._groups[i] for i in indices]

    def linear(self, columns: str | None, folds: Sequence[Fold], **changes: int) -> Array:
        """Return raw outputs of a linear head on one depth, or on all for None."""
        return linear_probe(
            self.vectors.at(columns), self.targets, folds, record=self.record, loss=self.vectors.loss,
            metric=self.metric, groups=self.vectors.groups_at(columns), check=self.check, **changes,
        )  # fmt: skip


def probe_depths(judge: Judge, *, model: str, size: int) -> ProbeRecord:
    """Return the curve by depth and the transferability scores of the final features."""
    began = time.monotonic()
    vectors = judge.vectors
    truth = judge.targets[list(judge.pool)]
    names = (*vectors.columns, None)
    outputs = {name: judge.linear(name, judge.folds, n_strengths=FEW_STRENGTHS) for name in names}
    read = {name: judge.read(outputs[name], judge.pool) for name in names}
    depths = []
    for name in names:
        knn = neighbour_probe(vectors.at(name), judge.targets, judge.folds, record=judge.record)[list(judge.pool)]
        gain, error = gain_of(
            judge.metric, truth, read[name], read[FEATURES], judge.groups(judge.pool), folds=judge.held_in
        )
        depths.append(
            DepthRecord(
                depth=name or ALL_DEPTHS,
                n_features=vectors.at(name).shape[1],
                linear=judge.out_of_fold(read[name]),
                knn=_finite(score(judge.metric, truth, knn, strata=judge.strata)),
                gain=_finite(gain),
                gain_error=_finite(error),
            )
        )
        judge.check()
    of_classes = judge.record.task == "classification"
    features = vectors.at(FEATURES)[list(judge.pool)].numpy()
    return ProbeRecord(
        model=model,
        size=size,
        depths=tuple(depths),
        best_depth=_best_depth(depths[:-1]),
        log_me=_finite(log_me(features, truth)),
        h_score=h_score(features, truth, shrinkage=shrinkage_of(features)) if of_classes else None,
        seconds=vectors.seconds + time.monotonic() - began,
    )


def try_frozen_ways(judge: Judge, ways: Sequence[Way], *, work: Callable[[Way], float]) -> list[Tried]:
    """Try heads on the vectors, out of fold and on validation; of one strategy's rates the best is kept.

    Args:
        judge: what judges.
        ways: heads with and without all depths, by AdamW (at `HEAD_RATES`) or L-BFGS.
        work: what makes one cheaper than another.
    """
    split_is_fold = tuple(judge.folds) == (judge.split,)
    tried = []
    by_rate = [way for way in ways if way.plan.phases[0].solver == "adamw"]
    groups = [by_rate if way in by_rate else [way] for way in ways if way not in by_rate[1:]]
    for group in groups:
        began = time.monotonic()
        folds = _outputs(judge, group, judge.folds)
        val = folds if split_is_fold else _outputs(judge, group, (judge.split,))
        seconds = (time.monotonic() - began) / (len(judge.folds) + (not split_is_fold)) / len(group)
        found = [
            _tried(judge, way, out_of_fold, held_out, seconds=seconds, work=work(way))
            for way, out_of_fold, held_out in zip(group, folds, val, strict=True)
        ]
        tried.append(best_out_of_fold(found, judge.metric))
    return tried


def _outputs(judge: Judge, ways: Sequence[Way], folds: Sequence[Fold]) -> Sequence[Array]:
    """Return the raw outputs of ways that differ in the rate alone, or of one."""
    (way, *_) = ways
    columns = None if way.options.features == "stages" else FEATURES
    if way.plan.phases[0].solver == "lbfgs":
        return [judge.linear(columns, folds)]
    return rate_probe(
        judge.vectors.at(columns), judge.targets, folds, plan=way.plan, rates=[_rate(each) for each in ways],
        settings=loop_settings(judge.vectors.setup), record=judge.record, loss=judge.vectors.loss,
        seed=way.options.seed, check=judge.check,
    )  # fmt: skip


def _tried(judge: Judge, way: Way, out_of_fold: Array, held_out: Array, *, seconds: float, work: float) -> Tried:
    folds, val = judge.read(out_of_fold, judge.pool), judge.read(held_out, judge.split.held)
    record = WayRecord(
        name=way.name,
        strategy=way.options.strategy,
        model=way.options.model,
        size=way.size,
        epochs=way.plan.epochs,
        lr=way.plan.phases[0].lr,
        frozen=True,
        status="done",
        folds=judge.out_of_fold(folds),
        val=judge.on_validation(val),
        seconds=judge.vectors.seconds + seconds,
        work=work,
    )
    return Tried(way=way, record=record, folds=folds, val=val)


def _rate(way: Way) -> float:
    lr = way.plan.phases[0].lr
    assert lr is not None, "AdamW has a rate"
    return lr


def _best_depth(depths: Sequence[DepthRecord]) -> str:
    """Return the single depth that is better than the features by most, if by more than a standard error."""
    beyond = [each for each in depths if (each.gain or 0.0) > (each.gain_error or 0.0)]
    return max(beyond, key=lambda each: each.gain or 0.0).depth if beyond else FEATURES


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
