"""Short real trainings of what unfreezes: few epochs for each, all of them for the better half."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from unfreeze.advice.choosing import gain_of
from unfreeze.advice.inquiry import Inquiry, Notebook, Quiet
from unfreeze.advice.probing import read_outputs
from unfreeze.advice.ways import HIDDEN, Tried, Way, first_epochs
from unfreeze.advice_records import WayRecord
from unfreeze.comparison.work import estimate_seconds
from unfreeze.errors import InterruptedRunError, UnfreezeError, reason_of
from unfreeze.metrics import HIGHER_IS_BETTER, evaluate_metric, number_groups
from unfreeze.options import seed_of_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.progress import Progress
from unfreeze.training.trials import Trial, try_plan

__all__ = ["try_trainings"]


def try_trainings(
    inquiry: Inquiry, notebook: Notebook, best: Tried, *, interrupt: Interrupt, progress: Progress
) -> bool:
    """Try what unfreezes, at the network and size of the best way on vectors; return whether nothing was left out.

    A stage deeper each time, until that gains no more than noise; then all layers at layerwise rates. The better half
    are trained again, for all epochs.

    Args:
        inquiry: what is asked.
        notebook: where what is found is written.
        best: the best way on vectors.
        interrupt: tells when to end.
        progress: who is told.

    Raises:
        InterruptedRunError: an end was asked for.
    """
    chosen = {"model": best.way.options.model, "size": best.way.size}
    epochs = first_epochs(inquiry.base.epochs)
    trials = _Trials(inquiry, notebook, interrupt, progress)
    hidden = {"strategy": "head", "hidden": HIDDEN, "features": best.way.options.features, **chosen}
    trials.run(f"head, {HIDDEN} hidden units", epochs=inquiry.base.epochs, **hidden)
    n_stages = len(best.way.plan.layers.stages) - 1
    before: Tried | None = None
    for depth in range(1, n_stages):
        now = trials.run(f"stages:{depth}", epochs=epochs, strategy=f"stages:{depth}", **chosen)
        if now is None:
            break
        if before is not None and not _gains(inquiry, now, before):
            break
        before = now
    trials.run("layerwise", epochs=epochs, strategy="layerwise", **chosen)
    if epochs < inquiry.base.epochs:
        for survivor in _better_half(
            inquiry.metric, [each for each in notebook.live if each.way.plan.epochs == epochs]
        ):
            trials.run(survivor.way.name, epochs=inquiry.base.epochs, strategy=survivor.way.options.strategy, **chosen)
    return trials.complete


def _gains(inquiry: Inquiry, now: Tried, before: Tried) -> bool:
    """Say whether a way is better than another by more than one standard error, on validation."""
    assert now.val is not None
    assert before.val is not None
    val = inquiry.data.split.val
    gain, error = gain_of(inquiry.metric, inquiry.truth(val), now.val, before.val, inquiry.groups(val))
    return gain > error


def _better_half(metric: str, tried: Sequence[Tried]) -> list[Tried]:
    """Return the better half on validation, the best first."""
    sign = -1.0 if HIGHER_IS_BETTER[metric] else 1.0
    ranked = sorted(tried, key=lambda each: (math.isnan(_val(each)), sign * _val(each)))
    return ranked[: -(-len(ranked) // 2)]


def _val(tried: Tried) -> float:
    value = None if tried.record.val is None else tried.record.val.value
    return float("nan") if value is None else value


def _want_of_time(needed: float | None, left: float) -> str:
    """Return why there is no time for a training."""
    if needed is None or left <= 0:
        return "the budget had ended"
    return f"it takes about {needed:.2g} s, and {left:.2g} s were left"


class _Trials:
    """Short real trainings, as long as the budget lasts."""

    def __init__(self, inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> None:
        self.inquiry, self.notebook, self.interrupt, self.progress = inquiry, notebook, interrupt, progress
        self.complete = True
        self._done: list[tuple[float, float]] = []  # multiply-adds and seconds of each training so far

    def run(self, name: str, *, epochs: int, **changes: Any) -> Tried | None:
        """Try a way; None where there was no time for it, or it failed. What it came to is in the notebook."""
        inquiry = self.inquiry
        try:
            way = inquiry.way(name, epochs=epochs, **changes)
        except UnfreezeError as error:
            self.notebook.note(f"{name} was left out: {error}")
            return None
        split = inquiry.data.split
        work = way.work(n_train=len(split.train), n_held_out=len(split.val))
        needed = estimate_seconds(self._done, [work])
        if inquiry.seconds_left <= (needed or 0.0):
            self._skip(way, "not tried", _want_of_time(needed, inquiry.seconds_left))
            return None
        self.progress.stage(f"Trying {name} for {epochs} epochs at {way.size} px")
        try:
            trial = try_plan(
                inquiry.data, way.options, plan=way.plan, cache=inquiry.cache, progress=Quiet(self.progress),
                interrupt=self.interrupt,
            )  # fmt: skip
        except InterruptedRunError:
            self._skip(way, "not tried", "the budget ended, or an interrupt came, while it trained")
            raise
        except Exception as error:  # noqa: BLE001 - whatever ends one trial, the others go on
            self._skip(way, "failed", reason_of(error))
            return None
        self._done.append((work, trial.seconds))
        tried = self._tried(way, trial)
        self.notebook.tried = [
            each for each in self.notebook.tried if each.way.frozen or each.way.name != name
        ]  # the longer training of the same way takes the place of the shorter
        self.notebook.tried.append(tried)
        return tried

    def _tried(self, way: Way, trial: Trial) -> Tried:
        inquiry, val = self.inquiry, self.inquiry.data.split.val
        read = read_outputs(trial.outputs, trial.record, metric=inquiry.metric)
        groups = inquiry.groups(val)
        interval = evaluate_metric(
            inquiry.metric, inquiry.truth(val), read, clusters=number_groups(groups), seed=seed_of_data(inquiry.base)
        )
        record = self._record(way)
        return Tried(
            way=way,
            record=msgspec.structs.replace(record, status="done", val=interval, seconds=trial.seconds),
            val=read,
        )

    def _skip(self, way: Way, status: Literal["not tried", "failed"], why: str) -> None:
        self.complete = False
        self.notebook.skipped.append(msgspec.structs.replace(self._record(way), status=status, why=why))

    def _record(self, way: Way) -> WayRecord:
        return WayRecord(
            name=way.name,
            strategy=way.options.strategy,
            model=way.options.model,
            size=way.size,
            epochs=way.plan.epochs,
            lr=way.plan.phases[-1].lr,
            frozen=False,
            status="not tried",
            work=self.inquiry.work(way),
        )
