"""What an advice measures, in the order of what it costs: passes and heads on frozen features, then real trainings.

What is known at any moment stands in the notebook, so that a budget's end or an interrupt loses only what is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from unfreeze.advice.domain import domain_shift, domain_words
from unfreeze.advice.frozen_ways import Judge, probe_depths, try_frozen_ways
from unfreeze.advice.inquiry import Inquiry, Look, Notebook, Quiet, chosen_head
from unfreeze.advice.probing import folds_of
from unfreeze.advice.trainings import try_trainings
from unfreeze.advice.ways import HEAD_RATES, Way
from unfreeze.advice_records import DomainRecord
from unfreeze.errors import FailedError, InterruptedRunError, UnfreezeError, raise_together, reason_of
from unfreeze.metrics import RANKED
from unfreeze.options import seed_of_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.progress import Progress
from unfreeze.training.vectors import DepthVectors, read_depths

__all__ = ["measure"]

HEADS_TOO = 2  # times what a pass takes, for the heads on its vectors too: a guess for a message


def measure(inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> None:
    """Measure until all is known or an end is asked for; what is found is in the notebook.

    Raises:
        InterruptedRunError: an end was asked for by a signal or by the deadline.
        UnfreezeError: not one network could be measured.
    """
    notebook.folds = folds_of(inquiry.data, seed=seed_of_data(inquiry.base))
    if inquiry.metric in RANKED and notebook.held_in is not None:
        notebook.note(
            f"Out of fold {inquiry.metric} ranks each picture among those of its own fold, which is easier than among "
            "all: what test pictures show may be lower by several points."
        )
    try:
        complete = _measure_frozen(inquiry, notebook, interrupt, progress)
    except InterruptedRunError:
        if notebook.tried:
            notebook.note("What unfreezes was not tried: the end came before its turn.")
        raise
    best = chosen_head(inquiry, notebook)
    if best is not None:
        complete = try_trainings(inquiry, notebook, best[0], interrupt=interrupt, progress=progress) and complete
    notebook.finished = complete


def _measure_frozen(inquiry: Inquiry, notebook: Notebook, interrupt: Interrupt, progress: Progress) -> bool:
    """Measure every network at every size, all networks at their own size first; return whether all were.

    Whatever ends one network's measurements, the others go on.
    """
    jobs = [(model, size) for model in inquiry.models for size in inquiry.sizes_of(model)]
    jobs.sort(key=lambda job: inquiry.sizes_of(job[0]).index(job[1]))
    complete = True
    for model, size in jobs:
        if model in notebook.failed:
            continue
        needed = _look_seconds(notebook, model, size)
        if needed is not None and needed > inquiry.seconds_left:
            notebook.note(
                f"{model} at {size} px was not looked at: that needs about {needed:.0f} s more. Give a larger --budget."
            )
            complete = False
            continue
        progress.stage(f"Looking at the pictures by {model} at {size} px, all depths")
        try:
            _measure_size(inquiry, notebook, (model, size), interrupt=interrupt, progress=progress)
        except InterruptedRunError:
            raise
        except Exception as error:
            if len(inquiry.models) == 1 and not notebook.tried:
                raise
            notebook.failed[model] = reason_of(error)
            notebook.note(f"{model} at {size} px failed: {reason_of(error)}")
    if notebook.failed and not notebook.tried:
        raise_together([f"{model} could not be measured: {why}" for model, why in notebook.failed.items()], FailedError)
    return complete and not notebook.failed


def _look_seconds(notebook: Notebook, model: str, size: int) -> float | None:
    """Estimate a look from the one at another size: its pass grows with the number of pixels, its heads do not."""
    known = notebook.looks.get(model)
    return None if known is None else known.reading * (size / known.size) ** 2 + known.fitting


def _measure_size(
    inquiry: Inquiry, notebook: Notebook, job: tuple[str, int], *, interrupt: Interrupt, progress: Progress
) -> None:
    """Read one network's vectors at one size, and try all on them; the network's domain with its first size."""
    model, size = job

    def check() -> None:
        if interrupt.asked:
            raise InterruptedRunError("An end was asked for.")

    joined = inquiry.way("head2toe", strategy="head2toe", model=model, size=size, frozen=True)
    vectors = _read(inquiry, notebook, joined, check=check, progress=progress)
    began = time.monotonic()
    judge = Judge(vectors, notebook.folds, metric=inquiry.metric, seed=seed_of_data(inquiry.base), check=check)
    ways = []
    for name, changes in _heads():
        try:
            way = inquiry.way(name, strategy="head", model=model, size=size, frozen=True, **changes)
        except UnfreezeError as error:  # the user's settings do not allow it
            notebook.note(f"{name} was left out: {error}")
            continue
        if way.options.hidden is None:  # a run's head with a hidden layer goes on as such, and is not linear
            ways.append(way)
    # Of equal figures and costs the first is taken: the plainest.
    notebook.tried += try_frozen_ways(judge, [*ways, joined], work=inquiry.work)
    notebook.probes.append(probe_depths(judge, model=model, size=size))
    notebook.looks[model] = Look(size=size, reading=vectors.seconds, fitting=time.monotonic() - began)
    if model not in {record.model for record in notebook.domain}:
        notebook.domain.append(_domain(inquiry, vectors, model, judge))


def _read(
    inquiry: Inquiry, notebook: Notebook, joined: Way, *, check: Callable[[], None], progress: Progress
) -> DepthVectors:
    """Read the vectors of a way on all depths; where the budget ends in the first pass, note what that needs."""
    began, quiet = time.monotonic(), Quiet(progress)
    try:
        return read_depths(
            inquiry.data, joined.options, plan=joined.plan, cache=inquiry.cache, progress=quiet, check=check
        )
    except InterruptedRunError:
        if not notebook.tried and quiet.share:
            notebook.first_look = HEADS_TOO * (time.monotonic() - began) / quiet.share
        raise


def _domain(inquiry: Inquiry, vectors: DepthVectors, model: str, judge: Judge) -> DomainRecord:
    """Measure how unlike its pretraining pictures some of the training pictures are to a network."""
    split = inquiry.data.split
    indices = np.random.default_rng(judge.seed).permutation(split.train).tolist()
    found = domain_shift(
        vectors.setup.network, inquiry.data.dataset, indices, memory=inquiry.data.memory, check=judge.check
    )
    if isinstance(found, str):
        return DomainRecord(model=model, reason=found)
    record = vectors.setup.network.record
    return DomainRecord(
        model=model,
        shift=found.shift,
        variance_ratio=found.variance_ratio,
        stages=found.stages,
        n_images=found.n_images,
        words=domain_words(found.shift, architecture=record.architecture, size=record.size),
    )


def _heads() -> list[tuple[str, dict[str, object]]]:
    """Return the heads on the final features: by L-BFGS, and by AdamW at each rate."""
    by_rate = [(f"head, rate {lr:g}", {"lr": lr, "solver": "adamw"}) for lr in HEAD_RATES]
    return [("head, L-BFGS", {"solver": "lbfgs"}), *by_rate]
