"""Real trainings of what unfreezes, for all epochs: a stage deeper each time, as long as that gains; and all layers.

A part of the epochs would not tell: heads on frozen features are fitted to their end, and what has unfrozen for two
epochs is behind them whatever it could reach. And with three or four ways to try, a first round of short trainings
costs as much as it saves. What is saved instead is time for training all layers, which a stage that gains nothing says
little about: a stage is tried first only if that still fits afterwards; it is trained at a smaller size, or for fewer
epochs, where not all fits. With time left all layers are trained at one rate too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from unfreeze.advice.choosing import gain_of
from unfreeze.advice.inquiry import Inquiry, Notebook, Quiet
from unfreeze.advice.probing import read_outputs
from unfreeze.advice.ways import HIDDEN, Tried, Way
from unfreeze.advice_records import WayRecord
from unfreeze.errors import InterruptedRunError, UnfreezeError, reason_of
from unfreeze.metrics import evaluate_metric, number_groups
from unfreeze.options import seed_of_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.progress import Progress
from unfreeze.training.trials import Trial, seconds_per_picture, try_plan

__all__ = ["try_trainings"]

FIRST_STAGE = "stages:1"
LOADING_SECONDS = 3.0
MARGIN = 0.9  # of the time left may be planned for: a training that the deadline ends is lost
ALL_LAYERS, AT_ONE_RATE = "layerwise", "full"


def try_trainings(
    inquiry: Inquiry, notebook: Notebook, best: Tried, *, interrupt: Interrupt, progress: Progress
) -> bool:
    """Try what unfreezes, by the network of the head that is taken; return whether nothing was left out.

    Args:
        inquiry: what is asked.
        notebook: where what is found is written.
        best: that head, which trainings must be better than.
        interrupt: tells when to end.
        progress: who is told.

    Raises:
        InterruptedRunError: an end was asked for.
    """
    trials = _Trials(inquiry, notebook, best, interrupt=interrupt, progress=progress)
    try:
        _try_all(trials, best)
    except InterruptedRunError:
        trials.skip_the_rest((FIRST_STAGE, ALL_LAYERS))
        raise
    return trials.complete


def _try_all(trials: _Trials, best: Tried) -> None:
    """Try a hidden layer, then stages and all layers as there is time; see the head of this file."""
    inquiry = trials.inquiry
    hidden = trials.way(
        f"head, {HIDDEN} hidden units", strategy="head", hidden=HIDDEN, features=best.way.options.features
    )
    if hidden is not None and inquiry.seconds_left > 0:
        trials.run(hidden)
    sizes = _sizes(trials.notebook, best)
    least = trials.way(ALL_LAYERS, size=sizes[-1])
    if least is not None and inquiry.seconds_left > 0:
        trials.time_step(least)
    kept = 0.0 if least is None else trials.seconds_of(least)
    depths: Sequence[str] = [f"stages:{depth}" for depth in range(1, len(best.way.plan.layers.stages) - 1)]
    before, depths = _unfreeze(trials, best, depths, kept=kept)
    size = _train_all_layers(trials, sizes)
    _, depths = _unfreeze(trials, before, depths, kept=0.0)
    for name in depths[:1]:
        trials.skip_for_time(trials.way(name, size=best.way.size))
    at_one_rate = None if size is None else trials.way(AT_ONE_RATE, size=size)
    if at_one_rate is not None and trials.has_time_for(at_one_rate):
        trials.run(at_one_rate)


def _sizes(notebook: Notebook, best: Tried) -> list[int]:
    """Return the size of the head that is taken and the smaller ones that were looked at, descending."""
    model, size = best.way.options.model, best.way.size
    looked_at = {probe.size for probe in notebook.probes if probe.model == model}
    return [size, *sorted((other for other in looked_at if other < size), reverse=True)]


def _unfreeze(trials: _Trials, before: Tried, depths: Sequence[str], *, kept: float) -> tuple[Tried, Sequence[str]]:
    """Try each depth until one gains no more than noise; return the last that gained, and those there was no time for.

    Args:
        trials: the trainings.
        before: what the first depth must be better than.
        depths: selectors, from the top downwards.
        kept: seconds that must be left afterwards.
    """
    for number, name in enumerate(depths):
        way = trials.way(name, size=before.way.size)
        if way is None:
            return before, ()
        if not trials.has_time_for(way, kept=kept):
            return before, depths[number:]
        now = trials.run(way)
        if now is None or not _gains(trials.inquiry, now, before):
            return before, ()
        before = now
    return before, ()


def _train_all_layers(trials: _Trials, sizes: Sequence[int]) -> int | None:
    """Train all layers at the largest size at which there is time for all epochs; else for fewer at the smallest.

    Return the size at which they were trained; None if they were not.
    """
    ways = [way for size in sizes if (way := trials.way(ALL_LAYERS, size=size)) is not None]
    if not ways:
        return None
    fitting = next((way for way in ways if trials.has_time_for(way)), None)
    if fitting is not ways[0]:
        trials.skip_for_time(ways[0])
    if fitting is None:
        fitting = trials.shortened(ways[-1])
    return None if fitting is None or trials.run(fitting) is None else fitting.size


def _gains(inquiry: Inquiry, now: Tried, before: Tried) -> bool:
    """Say whether a way is better than another by more than one standard error, on validation."""
    assert now.val is not None
    assert before.val is not None
    val = inquiry.data.split.val
    gain, error = gain_of(inquiry.metric, inquiry.truth(val), now.val, before.val, inquiry.groups(val))
    return gain > error


def _want_of_time(needed: float, left: float) -> str:
    """Return why there is no time for a training."""
    if left <= 0:
        return "the budget had ended"
    return f"it takes about {_rounded(needed)}, and {_rounded(left)} were left"


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - tenths of long times say nothing


def _fitting_epochs(seconds_of: Callable[[int], float], *, epochs: int, seconds_left: float) -> int | None:
    """Return for how many epochs there is time, fewer than all; None where there is not even for half of them.

    >>> _fitting_epochs(lambda epochs: 10.0 * epochs, epochs=10, seconds_left=80.0)
    7
    """
    fitting = (n for n in range(epochs - 1, (epochs + 1) // 2 - 1, -1) if seconds_of(n) <= MARGIN * seconds_left)
    return next(fitting, None)


class _Trials:
    """Real trainings by one network, as long as the budget lasts."""

    def __init__(
        self, inquiry: Inquiry, notebook: Notebook, best: Tried, *, interrupt: Interrupt, progress: Progress
    ) -> None:
        self.inquiry, self.notebook, self.interrupt, self.progress = inquiry, notebook, interrupt, progress
        self.complete = True
        self._best = best
        self._speed = self._work(best.way) / max(best.record.seconds, 1e-9)  # multiply-adds a second, until it is timed

    def way(self, name: str, **changes: Any) -> Way | None:
        """Make a way of the network, of the best way's size and for all epochs unless told; None if it cannot be."""
        options = self._best.way.options
        settings = {"model": options.model, "size": self._best.way.size, "strategy": name, **changes}
        try:
            return self.inquiry.way(name, **settings)
        except UnfreezeError as error:
            self.notebook.note(f"{name} was left out: {error}")
            return None

    def shortened(self, way: Way) -> Way | None:
        """Return a way for as many epochs as there is time for, at least half of its own; None where not even these."""

        def of(epochs: int) -> Way | None:
            return self.way(way.name, size=way.size, strategy=way.options.strategy, epochs=epochs)

        def seconds(epochs: int) -> float:
            shorter = of(epochs)
            return float("inf") if shorter is None else self.seconds_of(shorter)

        epochs = _fitting_epochs(seconds, epochs=way.plan.epochs, seconds_left=self.inquiry.seconds_left)
        return None if epochs is None else of(epochs)

    def time_step(self, way: Way) -> None:
        """Find out how fast all layers train; where they cannot, the trainings will say why."""
        self.progress.stage("Timing a training step")
        with contextlib.suppress(UnfreezeError, RuntimeError, MemoryError):
            seconds = seconds_per_picture(self.inquiry.data, way.options, plan=way.plan, progress=Quiet(self.progress))
            self._speed = way.work(n_train=1, n_held_out=0) / (way.plan.epochs * seconds)

    def seconds_of(self, way: Way) -> float:
        """Estimate a training, in proportion to what it computes."""
        return LOADING_SECONDS + self._work(way) / self._speed

    def has_time_for(self, way: Way, *, kept: float = 0.0) -> bool:
        """Say whether there is time for a training, so that some is left afterwards."""
        return self.seconds_of(way) + kept <= MARGIN * self.inquiry.seconds_left

    def skip_for_time(self, way: Way | None) -> None:
        """Note that there was no time for a training."""
        if way is not None:
            self._skip(way, "not tried", _want_of_time(self.seconds_of(way), self.inquiry.seconds_left))

    def skip_the_rest(self, names: Sequence[str]) -> None:
        """Note of an end that came early which ways it kept from being tried."""
        known = {record.strategy for record in (*(each.record for each in self.notebook.live), *self.notebook.skipped)}
        why = "the budget had ended" if self.inquiry.seconds_left <= 0 else "an interrupt came first"
        for name in names:
            if name not in known and (way := self.way(name)) is not None:
                self._skip(way, "not tried", why)

    def run(self, way: Way) -> Tried | None:
        """Train; None where it failed. What it came to is in the notebook."""
        inquiry = self.inquiry
        self.progress.stage(f"Trying {way.name} for {way.plan.epochs} epochs at {way.size} px")
        try:
            trial = try_plan(
                inquiry.data, way.options, plan=way.plan, cache=inquiry.cache, progress=Quiet(self.progress),
                interrupt=self.interrupt,
            )  # fmt: skip
        except InterruptedRunError:
            self._skip(way, "cut off", "the budget ended, or an interrupt came, while it trained")
            raise
        except Exception as error:  # noqa: BLE001 - whatever ends one trial, the others go on
            self._skip(way, "failed", reason_of(error))
            return None
        tried = self._tried(way, trial)
        self.notebook.tried.append(tried)
        return tried

    def _work(self, way: Way) -> float:
        """Return the multiply-adds of a training on the pictures that are looked at."""
        split = self.inquiry.data.split
        return way.work(n_train=len(split.train), n_held_out=len(split.val))

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

    def _skip(self, way: Way, status: Literal["not tried", "cut off", "failed"], why: str) -> None:
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
