"""Real trainings of what unfreezes: few epochs for each, and for the better half all, or as many as there is time for.

The end of the budget is known from the beginning, so time is kept for the second round: nothing is tried for a few
epochs that would leave too little to train the best of what has been tried for all of them. A few epochs tell which
ways are worth more; how good they are, only whole trainings tell. A way that is behind the best head on vectors, beyond
95%, after its first epochs is given up, and no time is kept for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

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

Array = NDArray[Any]

BEHIND = 1.96  # standard errors behind the best way on vectors at which a way is given up: two-sided 95%
MARGIN = 0.9  # of the time left may be planned for: a training that the deadline ends is lost


def try_trainings(
    inquiry: Inquiry, notebook: Notebook, best: Tried, *, interrupt: Interrupt, progress: Progress
) -> bool:
    """Try what unfreezes, at the network and size of the best way on vectors; return whether nothing was left out.

    A stage deeper each time, until that gains no more than noise; then all layers at layerwise rates. The better half
    are trained again, the best first, for all epochs or as many as there is time for, unless they are far behind.

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
    trials = _Trials(inquiry, notebook, best, interrupt=interrupt, progress=progress)
    hidden: dict[str, Any] = {"strategy": "head", "hidden": HIDDEN, "features": best.way.options.features, **chosen}
    trials.run(f"head, {HIDDEN} hidden units", epochs=inquiry.base.epochs, **hidden)
    short = _first_round(trials, n_stages=len(best.way.plan.layers.stages) - 1, chosen=chosen)
    if first_epochs(inquiry.base.epochs) < inquiry.base.epochs:
        for survivor in trials.survivors(short):
            trials.run_on(survivor, **chosen)
    return trials.complete


def _first_round(trials: _Trials, *, n_stages: int, chosen: dict[str, Any]) -> list[Tried]:
    """Try each depth, and all layers, for the first share of the epochs; return what came to an end."""
    tried: list[Tried] = []

    def run(name: str) -> Tried | None:
        epochs = first_epochs(trials.inquiry.base.epochs)
        found = trials.run(name, epochs=epochs, kept=trials.kept_for(tried), strategy=name, **chosen)
        tried.extend([] if found is None else [found])
        return found

    before: Tried | None = None
    for depth in range(1, n_stages):
        now = run(f"stages:{depth}")
        if now is None or (before is not None and not _gains(trials.inquiry, now, before)):
            break
        before = now
    run("layerwise")
    return tried


def _gains(inquiry: Inquiry, now: Tried, before: Tried) -> bool:
    """Say whether a way is better than another by more than one standard error, on validation."""
    assert now.val is not None
    assert before.val is not None
    val = inquiry.data.split.val
    gain, error = gain_of(inquiry.metric, inquiry.truth(val), now.val, before.val, inquiry.groups(val))
    return gain > error


def _may_catch_up(metric: str, truth: Array, val: Array, best: Array, groups: Sequence[str] | None = None) -> bool:
    """Say whether a way is not behind another beyond 95%; where the metric has no value, it may."""
    gain, error = gain_of(metric, truth, val, best, groups)
    return not gain < -BEHIND * error


def _better_half(metric: str, tried: Sequence[Tried]) -> list[Tried]:
    """Return the better half on validation, the best first."""
    sign = -1.0 if HIGHER_IS_BETTER[metric] else 1.0
    ranked = sorted(tried, key=lambda each: (math.isnan(_val(each)), sign * _val(each)))
    return ranked[: -(-len(ranked) // 2)]


def _val(tried: Tried) -> float:
    value = None if tried.record.val is None else tried.record.val.value
    return float("nan") if value is None else value


def _want_of_time(needed: float | None, left: float, kept: _Kept | None) -> str:
    """Return why there is no time for a training."""
    if needed is None or left <= 0:
        return "the budget had ended"
    others = "" if kept is None else f", of which {kept.seconds:.2g} s are kept for {kept.name}"
    return f"it takes about {needed:.2g} s, and {left:.2g} s were left{others}"


def _fitting_epochs(seconds_of: Callable[[int], float], *, least: int, most: int, seconds_left: float) -> int | None:
    """Return for how many epochs there is time, at most `most`; None where there is not even for `least`.

    >>> _fitting_epochs(lambda epochs: 10.0 * epochs, least=5, most=10, seconds_left=80.0)
    7
    """
    fitting = (n for n in range(most, least - 1, -1) if seconds_of(n) <= MARGIN * seconds_left)
    return next(fitting, None)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Time that is kept for the second round.

    Attributes:
        name: of the way that it is kept for.
        seconds: what its training for all epochs will take.
    """

    name: str
    seconds: float


class _Trials:
    """Real trainings, as long as the budget lasts."""

    def __init__(
        self, inquiry: Inquiry, notebook: Notebook, best: Tried, *, interrupt: Interrupt, progress: Progress
    ) -> None:
        self.inquiry, self.notebook, self.best = inquiry, notebook, best
        self.interrupt, self.progress = interrupt, progress
        self.complete = True
        self._done: list[tuple[float, float]] = []  # multiply-adds and seconds of each training so far

    def survivors(self, tried: Sequence[Tried]) -> list[Tried]:
        """Return the better half, the best first, without those that are far behind the best way on vectors."""
        inquiry, val = self.inquiry, self.inquiry.data.split.val
        assert self.best.val is not None, "what is best was judged"
        truth, groups = inquiry.truth(val), inquiry.groups(val)
        return [
            each
            for each in _better_half(inquiry.metric, tried)
            if each.val is not None and _may_catch_up(inquiry.metric, truth, each.val, self.best.val, groups)
        ]

    def kept_for(self, tried: Sequence[Tried]) -> _Kept | None:
        """Return what is to be kept for the best of what has been tried; None where nothing is to go on."""
        epochs, survivors = self.inquiry.base.epochs, self.survivors(tried)
        if not survivors or first_epochs(epochs) >= epochs:
            return None
        return _Kept(survivors[0].way.name, self._seconds_of(survivors[0], epochs))

    def run_on(self, survivor: Tried, **changes: Any) -> None:
        """Train a way of the first round for all epochs, or as many as there is time for, if these are more."""
        name, most = survivor.way.name, self.inquiry.base.epochs
        strategy = survivor.way.options.strategy
        fitting = _fitting_epochs(
            lambda epochs: self._seconds_of(survivor, epochs), least=survivor.way.plan.epochs + 1, most=most,
            seconds_left=self.inquiry.seconds_left,
        )  # fmt: skip
        if fitting != most:
            needed, left = self._seconds_of(survivor, most), self.inquiry.seconds_left
            whole = self.inquiry.way(name, epochs=most, strategy=strategy, **changes)
            self._skip(whole, "not tried", _want_of_time(needed, left, None))
        if fitting is not None:
            self.run(name, epochs=fitting, strategy=strategy, needed=0.0, **changes)

    def run(
        self, name: str, *, epochs: int, kept: _Kept | None = None, needed: float | None = None, **changes: Any
    ) -> Tried | None:
        """Try a way; None where there was no time for it, or it failed. What it came to is in the notebook.

        Args:
            name: the way's.
            epochs: of the training.
            kept: time that must be left afterwards.
            needed: seconds that it takes; None: estimated from what was tried before.
            **changes: to the user's settings.
        """
        inquiry = self.inquiry
        try:
            way = inquiry.way(name, epochs=epochs, **changes)
        except UnfreezeError as error:
            self.notebook.note(f"{name} was left out: {error}")
            return None
        if needed is None:
            needed = estimate_seconds(self._done, [self._work(way)])
        left = inquiry.seconds_left
        if left <= 0 or (needed is not None and left <= needed + (0.0 if kept is None else kept.seconds)):
            self._skip(way, "not tried", _want_of_time(needed, left, kept))
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
        self._done.append((self._work(way), trial.seconds))
        tried = self._tried(way, trial)
        self.notebook.tried = [
            each for each in self.notebook.tried if each.way.frozen or each.way.name != name
        ]  # the longer training of the same way takes the place of the shorter
        self.notebook.tried.append(tried)
        return tried

    def _work(self, way: Way) -> float:
        """Return the multiply-adds of a training on the pictures that are looked at."""
        split = self.inquiry.data.split
        return way.work(n_train=len(split.train), n_held_out=len(split.val))

    def _seconds_of(self, tried: Tried, epochs: int) -> float:
        """Estimate a training for other epochs from the one that was tried, in proportion to what they compute."""
        way, options = tried.way, tried.way.options
        other = self.inquiry.way(way.name, epochs=epochs, strategy=options.strategy, model=options.model, size=way.size)
        return tried.record.seconds * self._work(other) / self._work(way)

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
