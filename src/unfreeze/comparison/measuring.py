"""What an advice measures, in the order of what it costs: passes and heads on vectors, then short real trainings.

Successive halving (Jamieson and Talwalkar 2016): all ways on vectors, which cost next to nothing; of those that
unfreeze, each a third of the epochs; the better half of these all epochs. What is known at any moment stands in the
notebook, so that a budget's end or an interrupt loses only what is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from unfreeze.advice_records import DomainRecord, ProbeRecord, WayRecord
from unfreeze.backbones import native_size, probe_size
from unfreeze.cache import ActivationCache
from unfreeze.comparison.choosing import beats_chance, cheapest_within_noise, gain_of
from unfreeze.comparison.domain import domain_shift, domain_words
from unfreeze.comparison.frozen_ways import Judge, probe_depths, try_frozen_ways
from unfreeze.comparison.probing import Fold, folds_of, read_outputs
from unfreeze.comparison.statistics import RowOutputs
from unfreeze.comparison.ways import HEAD_RATES, HIDDEN, Tried, Way, first_epochs, make_way
from unfreeze.errors import InterruptedRunError, UnfreezeError
from unfreeze.metrics import evaluate_metric, is_better, number_groups
from unfreeze.options import seed_of_data
from unfreeze.records import TrainOptions
from unfreeze.training.inputs import StudiedData
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.progress import Progress, Silent
from unfreeze.training.settings import architecture_of
from unfreeze.training.trials import Trial, try_plan
from unfreeze.training.vectors import read_depths

__all__ = ["Inquiry", "Notebook", "best_frozen", "measure", "rows_of"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inquiry:
    """What is asked.

    Attributes:
        data: the pictures that are looked at; the split's test side is empty.
        n_train: how many train in a whole training.
        n_held_out: how many validate and test in it.
        base: the user's settings.
        given: which of them the user gave.
        models: the networks.
        metric: what decides.
        cache: where activations are kept.
        deadline: on the monotonic clock.
    """

    data: StudiedData
    n_train: int
    n_held_out: int
    base: TrainOptions
    given: frozenset[str]
    models: tuple[str, ...]
    metric: str
    cache: ActivationCache | None
    deadline: float

    @property
    def seconds_left(self) -> float:
        """Return how much of the budget is left."""
        return self.deadline - time.monotonic()

    def work(self, way: Way) -> float:
        """Return the multiply-adds of a whole training."""
        return way.work(n_train=self.n_train, n_held_out=self.n_held_out)

    def sizes_of(self, model: str) -> tuple[int, ...]:
        """Return the sizes to try: the user's, else the network's own, and the one that heads do better at."""
        if self.base.size is not None:
            return (self.base.size,)
        name = architecture_of(msgspec.structs.replace(self.base, model=model))
        return tuple(sorted({native_size(name)[0], probe_size(name)}))

    def way(self, name: str, *, frozen: bool = False, **changes: object) -> Way:
        """Make a way; see `make_way`."""
        n_outputs = len(self.data.dataset.outputs)
        return make_way(name, self.base, self.given, n_outputs=n_outputs, frozen=frozen, **changes)

    def groups(self, indices: Sequence[int]) -> list[str] | None:
        """Return what each of some pictures belongs to."""
        groups = self.data.dataset.groups
        return None if groups is None else [groups[i] for i in indices]

    def truth(self, indices: Sequence[int]) -> Array:
        """Return the targets of some pictures."""
        found: Array = self.data.dataset.targets[list(indices)]
        return found


@dataclass
class Notebook:
    """What is known so far.

    Attributes:
        folds: what judged heads on vectors.
        probes: each frozen network at each size.
        domain: each network.
        tried: the ways, those on vectors first.
        skipped: the ways that were not tried or failed, with why.
        notes: what the user should know.
        finished: whether nothing was left out for want of time.
    """

    folds: tuple[Fold, ...] = ()
    probes: list[ProbeRecord] = field(default_factory=list)
    domain: list[DomainRecord] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    skipped: list[WayRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def pool(self) -> tuple[int, ...]:
        """The pictures that judge heads on vectors."""
        return tuple(sorted(index for fold in self.folds for index in fold.held))

    @property
    def frozen(self) -> list[Tried]:
        """The ways on vectors."""
        return [each for each in self.tried if each.way.frozen]

    @property
    def live(self) -> list[Tried]:
        """The trainings."""
        return [each for each in self.tried if not each.way.frozen]


def measure(inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> None:
    """Measure until all is known or an end is asked for; what is found is in the notebook.

    Raises:
        InterruptedRunError: an end was asked for by a signal or by the deadline.
        UnfreezeError: the first network cannot be loaded.
    """
    notebook.folds = folds_of(inquiry.data, seed=seed_of_data(inquiry.base))
    complete = _measure_frozen(inquiry, notebook, interrupt, progress)
    best = best_frozen(inquiry, notebook)
    if best is not None:
        complete = _measure_live(inquiry, notebook, best, interrupt, progress) and complete
    notebook.finished = complete


def best_frozen(inquiry: Inquiry, notebook: Notebook) -> Tried | None:
    """Return the way on vectors to take: the cheapest within one standard error of the best out of fold.

    Where not even the best beats chance, the cheapest of all; None where none was tried.
    """
    frozen = notebook.frozen
    if not frozen:
        return None
    truth, groups = inquiry.truth(notebook.pool), inquiry.groups(notebook.pool)
    rows = rows_of(frozen, side="folds")
    best = frozen[cheapest_within_noise(rows, truth, metric=inquiry.metric, groups=groups)]
    assert best.folds is not None
    if beats_chance(inquiry.metric, truth, best.folds, seed=seed_of_data(inquiry.base)):
        return best
    return min(frozen, key=lambda each: each.record.work)


def rows_of(tried: Sequence[Tried], *, side: str) -> list[RowOutputs]:
    """Return ways as rows that can be compared, on one side: "folds" or "val"."""
    return [
        RowOutputs(name=f"{number}", outputs=(getattr(each, side),), cost=each.record.work)
        for number, each in enumerate(tried)
    ]


def _measure_frozen(inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> bool:
    """Measure every network at every size, all networks at their own size first; return whether all were."""
    jobs = [(model, size) for model in inquiry.models for size in inquiry.sizes_of(model)]
    jobs.sort(key=lambda job: inquiry.sizes_of(job[0]).index(job[1]))
    complete = True
    for model, size in jobs:
        needed = _pass_seconds(notebook, model, size)
        if needed is not None and needed > inquiry.seconds_left:
            notebook.notes.append(
                f"{model} at {size} px was not looked at: that needs about {needed:.0f} s more. Give a larger --budget."
            )
            complete = False
            continue
        progress.stage(f"Looking at the pictures by {model} at {size} px, all depths")
        _measure_size(inquiry, notebook, model, size, interrupt, progress)
    return complete


def _pass_seconds(notebook: Notebook, model: str, size: int) -> float | None:
    """Estimate a pass from the one at another size, in proportion to the number of pixels."""
    known = [probe for probe in notebook.probes if probe.model == model]
    return known[-1].seconds * (size / known[-1].size) ** 2 if known else None


def _measure_size(
    inquiry: Inquiry, notebook: Notebook, model: str, size: int, interrupt: Interrupt, progress: Progress
) -> None:
    def check() -> None:
        if interrupt.asked:
            raise InterruptedRunError("An end was asked for.")

    joined = inquiry.way("head2toe", strategy="head2toe", model=model, size=size, frozen=True)
    vectors = read_depths(
        inquiry.data, joined.options, plan=joined.plan, cache=inquiry.cache, progress=_Quiet(progress), check=check
    )
    seed = seed_of_data(inquiry.base)
    judge = Judge(vectors, notebook.folds, metric=inquiry.metric, seed=seed, check=check)
    ways = [joined]
    for name, changes in _heads():
        try:
            ways.append(inquiry.way(name, strategy="head", model=model, size=size, frozen=True, **changes))
        except UnfreezeError as error:  # the user's settings do not allow it
            notebook.notes.append(f"{name} was left out: {error}")
    notebook.tried += try_frozen_ways(judge, ways, work=inquiry.work)
    if model not in {record.model for record in notebook.domain}:
        indices = np.random.default_rng(seed).permutation(inquiry.data.split.train).tolist()
        network, memory = vectors.setup.network, inquiry.data.memory
        found = domain_shift(network, inquiry.data.dataset, indices, memory=memory, check=check)
        notebook.domain.append(
            DomainRecord(model=model, reason=found)
            if isinstance(found, str)
            else DomainRecord(
                model=model,
                shift=found.shift,
                variance_ratio=found.variance_ratio,
                stages=found.stages,
                n_images=found.n_images,
                words=domain_words(found.shift),
            )
        )
    notebook.probes.append(probe_depths(judge, model=model, size=size))


def _heads() -> list[tuple[str, dict[str, object]]]:
    """Return the heads on the final features: by L-BFGS, and by AdamW at each rate."""
    by_rate = [(f"head, rate {lr:g}", {"lr": lr, "solver": "adamw"}) for lr in HEAD_RATES]
    return [("head, L-BFGS", {"solver": "lbfgs"}), *by_rate]


def _measure_live(
    inquiry: Inquiry, notebook: Notebook, best: Tried, interrupt: Interrupt, progress: Progress
) -> bool:
    """Try what unfreezes, at the network and size of the best frozen way; return whether nothing was left out."""
    chosen = {"model": best.way.options.model, "size": best.way.size}
    epochs = first_epochs(inquiry.base.epochs)
    trials = _Trials(inquiry, notebook, interrupt, progress)
    hidden = {"strategy": "head", "hidden": HIDDEN, **chosen}
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
        for survivor in _better_half(inquiry.metric, [each for each in notebook.live if each.way.plan.epochs == epochs]):
            trials.run(
                survivor.way.name, epochs=inquiry.base.epochs, strategy=survivor.way.options.strategy, **chosen
            )
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
    left, ranked = list(tried), list[Tried]()
    while left:
        best = left[0]
        for each in left[1:]:
            if is_better(metric, _val(each), _val(best)):
                best = each
        left.remove(best)
        ranked.append(best)
    return ranked[: -(-len(ranked) // 2)]


def _val(tried: Tried) -> float:
    value = None if tried.record.val is None else tried.record.val.value
    return float("nan") if value is None else value


class _Trials:
    """Short real trainings, as long as the budget lasts."""

    def __init__(self, inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> None:
        self.inquiry, self.notebook, self.interrupt, self.progress = inquiry, notebook, interrupt, progress
        self.complete = True
        self._slowest = 0.0  # seconds for a multiply-add, of the trainings so far

    def run(self, name: str, *, epochs: int, **changes: object) -> Tried | None:
        """Try a way; None where there was no time for it, or it failed. What it came to is in the notebook."""
        inquiry = self.inquiry
        try:
            way = inquiry.way(name, epochs=epochs, **changes)
        except UnfreezeError as error:
            self.notebook.notes.append(f"{name} was left out: {error}")
            return None
        split = inquiry.data.split
        work = way.work(n_train=len(split.train), n_held_out=len(split.val))
        needed = self._slowest * work
        if needed > inquiry.seconds_left or inquiry.seconds_left <= 0:
            why = f"about {needed:.0f} s more are needed" if needed else "the budget had ended"
            return self._skip(way, "not tried", why)
        self.progress.stage(f"Trying {name} for {epochs} epochs at {way.size} px")
        try:
            trial = try_plan(
                inquiry.data, way.options, plan=way.plan, cache=inquiry.cache, progress=_Quiet(self.progress),
                interrupt=self.interrupt,
            )  # fmt: skip
        except InterruptedRunError:
            self._skip(way, "not tried", "the budget ended, or an interrupt came, while it trained")
            raise
        except UnfreezeError as error:
            return self._skip(way, "failed", str(error))
        self._slowest = max(self._slowest, trial.seconds / work)
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
            way=way, record=msgspec.structs.replace(record, status="done", val=interval, seconds=trial.seconds), val=read
        )

    def _skip(self, way: Way, status: str, why: str) -> None:
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


class _Quiet(Silent):
    """Hands on how far a pass or a training is; its stages, phases and epochs are not worth a line.

    Args:
        progress: who is told.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def prefix(self, n: int, total: int) -> None:
        """Hand on a count."""
        self._progress.prefix(n, total)

    def step(self, info: Any) -> None:
        """Hand on a step."""
        self._progress.step(info)
