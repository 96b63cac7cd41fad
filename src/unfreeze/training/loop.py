"""The training loop: asks the plan at every step, keeps the best epoch of every phase, and can stop anywhere.

The loop owns no schedule and no frozen state. What trains, and at which rate, is `apply_plan`'s answer for the
step at hand; where the training stands is the state's one cursor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from unfreeze.backbones import Network
from unfreeze.data import Batch, Dataset
from unfreeze.data.threads import one_thread
from unfreeze.errors import FailedError
from unfreeze.freezing import apply_plan, apply_rates, layer_hashes
from unfreeze.plans import Phase, Plan, PlanState
from unfreeze.records import write_text
from unfreeze.training.checkpoint import Best, Cursor
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed, Feeder
from unfreeze.training.head_fit import HeadFit
from unfreeze.training.history import History
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loss import Loss
from unfreeze.training.optimizers import make_optimizer, optimize
from unfreeze.training.pausing import Pauses
from unfreeze.training.phases import assert_frozen, layer_records, phase_info, phase_record
from unfreeze.training.progress import EpochInfo, Progress, StepInfo
from unfreeze.training.range_test import AutoRate, range_test, told
from unfreeze.training.seeding import seed_step
from unfreeze.training.selecting import told as told_selection
from unfreeze.training.standing import (
    Where,
    epochs_of_phase,
    last_phase,
    n_epochs_done,
    n_epochs_in_all,
    phase_is_over,
    phase_of,
    seconds_left,
    where,
)
from unfreeze.training.state import TrainingState
from unfreeze.training.validating import validate

__all__ = ["fine_tune"]


OnStep = Callable[[TrainingState], None]


def fine_tune(
    network: Network,
    plan: Plan,
    dataset: Dataset,
    *,
    settings: LoopSettings,
    loss: Loss,
    device: Device,
    directory: Path,
    progress: Progress,
    feeder: Feeder,
    interrupt: Interrupt,
    auto: AutoRate | None = None,
    resume: bool = False,
    on_step: OnStep = lambda _state: None,
) -> Cursor:
    """Train a network by a plan; afterwards it holds the weights of the best epoch on validation.

    Args:
        network: the pretrained network with its new head, on its device; changed in place.
        plan: what trains when, and at which rates.
        dataset: the pictures; `settings` says which of them train and validate.
        settings: the loop's settings.
        loss: the mean loss of a batch.
        device: where to compute, and how precisely.
        directory: the run directory, for history.jsonl and checkpoints/.
        progress: who is told.
        feeder: what each phase trains on.
        interrupt: tells when the user wants an end.
        auto: how to find the head's rate by a range test when the training begins; None: the plan says the rates.
        resume: go on from the directory's checkpoint.
        on_step: called after each optimizer step, before the next begins (for own logging).

    Returns:
        The final cursor: the phases and layers as they were trained.

    Raises:
        InterruptedRunError: SIGINT or SIGTERM came; a checkpoint of this very step has been written.
        FailedError: the loss is no longer finite, or a frozen layer changed.
    """
    optimizer = make_optimizer(network, plan)
    path = directory / "checkpoints" / "last.safetensors"
    state = TrainingState(network, optimizer, path=path, metric=settings.metric)
    history = History(directory / "history.jsonl")
    if resume:
        state.restore()
    else:
        state.save()  # whatever happens from here on, the pretrained weights are there to go on from
    history.cut(state.cursor.n_history_bytes)
    loop = _Loop(
        state=state, plan=plan, dataset=dataset, settings=settings, loss=loss, device=device, history=history,
        progress=progress, feeder=feeder, pauses=Pauses(state, interrupt), auto=auto,
        on_step=on_step,
    )  # fmt: skip
    loop.run()
    return state.cursor


@dataclass(kw_only=True, eq=False)
class _Loop:
    """One training under way: what `fine_tune` was given, and the state that it drives to the plan's end."""

    state: TrainingState
    plan: Plan
    dataset: Dataset
    settings: LoopSettings
    loss: Loss
    device: Device
    history: History
    progress: Progress
    feeder: Feeder
    pauses: Pauses
    auto: AutoRate | None
    on_step: OnStep
    has_fed: bool = False  # whether the last phase has had its feed
    trained: list[nn.Parameter] = field(default_factory=list)  # what apply_plan has found to train
    counted_at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Train from the cursor to the end of the plan."""
        if self.auto is not None and self.state.cursor.range_test is not None:
            self.plan = self.auto.plan_at(self.state.cursor.range_test.lr)
        while self.state.cursor.phase < len(self.plan.phases):
            if not self.state.cursor.hashes_before:
                self.state.advance(hashes_before=layer_hashes(self.network, self.plan.layers))
            finds_rate = self.auto is not None and self.state.cursor.range_test is None
            self.progress.phase(phase_info(self.plan, self.state.cursor.phase, self.settings, finds_rate=finds_rate))
            if not self.phase_is_over:
                self.train_phase()
            self.end_phase()
        if not self.has_fed and self.feeder.remembers:  # it was over on arrival, and what fed it evaluates too
            self.feed_last_phase()
        self.pauses.if_due()
        self.state.go_back_to_best()

    def train_phase(self) -> None:
        """Train what is left of the phase; its activations are let go of at the end."""
        self.apply_plan()
        feed = self.feed_of(self.state.cursor)
        if not self.phase.takes_steps:
            self.fit_phase(feed)
            return
        with one_thread() if feed.is_light else nullcontext():
            if self.auto is not None and self.state.cursor.range_test is None:
                self.find_rate(feed, self.auto)
            while not self.phase_is_over:
                self.train_epoch(feed)

    def feed_last_phase(self) -> None:
        """Ask for the feed of the last phase, as if it were about to begin."""
        began = last_phase(self.state.cursor)
        self.network.train()
        apply_plan(self.network, self.plan, **where(began, steps_per_epoch=self.settings.steps_per_epoch))
        self.feed_of(began)

    def feed_of(self, cursor: Cursor) -> Feed:
        """Return what the phase at a cursor trains on; the network is in the phase's state."""
        self.has_fed = cursor.phase == len(self.plan.phases) - 1
        return self.feeder.feed(
            epochs_of_phase(self.plan, cursor), phase=cursor.phase,
            head_alone=self.plan.trains_head_alone(cursor.phase), check=self.pauses.if_due,
        )  # fmt: skip

    def find_rate(self, feed: Feed, auto: AutoRate) -> None:
        """Find the head's rate, and go on by the plan that it makes; weights are as they were."""
        epochs, given_up = epochs_of_phase(self.plan, self.state.cursor), lambda: self.pauses.asked
        found = range_test(
            self.network, feed, auto, epochs=epochs, settings=self.settings, loss=self.loss, device=self.device,
            stop=given_up,
        )  # fmt: skip
        if found is not None:
            self.plan = auto.plan_at(found.lr)
            write_text(auto.plan_file, self.plan.to_toml())
            self.state.advance(range_test=found)
            self.progress.note(told(found))
        self.pauses.if_due()

    def fit_phase(self, feed: Feed) -> None:
        """Fit the head at what is left of the phase's strengths of the L2 penalty, an epoch each."""
        began, share, known = time.monotonic(), self.phase.select_features, self.state.cursor.selection
        fit = HeadFit(
            self.network, feed, self.settings, loss=self.loss, n_epochs=self.phase.epochs, device=self.device,
            check=self.pauses.if_due, share=share, selection=known,
        )  # fmt: skip
        if fit.selection is not None and known is None:
            spent = time.monotonic() - began
            self.state.advance(
                selection=fit.selection,
                seconds=self.state.cursor.seconds + spent,
                phase_seconds=self.state.cursor.phase_seconds + spent,
            )
            self.progress.note(told_selection(fit.selection))
        while not self.phase_is_over:
            self.fit_epoch(fit, feed)
            self.on_step(self.state)
            self.pauses.if_due()

    def fit_epoch(self, fit: HeadFit, feed: Feed) -> None:
        """Fit the head at the next strength; then validate. The state changes only when both are done."""
        self.counted_at = time.monotonic()
        n_steps = self.settings.steps_per_epoch
        epoch, index = n_epochs_done(self.state.cursor, steps_per_epoch=n_steps), self.state.cursor.step // n_steps
        value = fit.fit(index)
        if not math.isfinite(value):
            raise FailedError(
                f"The loss became {value} in epoch {epoch + 1}, at an L2 penalty of {fit.strengths[index]:.3g}; "
                'solver = "adamw" may do better.'
            )
        self.state.count(steps=n_steps, loss=value, n=fit.n_vectors, seconds=self.seconds_since_counted())
        self.end_epoch(feed, epoch, l2=fit.strengths[index])

    @property
    def network(self) -> Network:
        """The network in training."""
        return self.state.network

    @property
    def phase(self) -> Phase:
        """The phase under way."""
        return phase_of(self.plan, self.state.cursor)

    @property
    def phase_is_over(self) -> bool:
        """Whether the phase has had its epochs, or has stopped improving."""
        return phase_is_over(self.plan, self.state.cursor, steps_per_epoch=self.settings.steps_per_epoch)

    def where(self) -> Where:
        """Return where the training stands, as `apply_plan` asks for it."""
        return where(self.state.cursor, steps_per_epoch=self.settings.steps_per_epoch)

    def apply_plan(self) -> PlanState:
        """Give gradients, modes and rates what the plan says for the next step."""
        self.network.train()  # some networks forget in it what they have remembered in evaluation mode
        optimizer = self.state.optimizer if self.phase.takes_steps else None
        applied = apply_plan(self.network, self.plan, optimizer, **self.where())
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        return applied.state

    def train_epoch(self, feed: Feed) -> None:
        """Train on every picture once, or on those that an interrupted epoch had left; then validate."""
        self.counted_at = time.monotonic()
        n_steps = self.settings.steps_per_epoch
        epoch, first = n_epochs_done(self.state.cursor, steps_per_epoch=n_steps), self.state.cursor.step % n_steps
        self.apply_plan()  # validation has changed the modes
        for number, batch in enumerate(feed.train(epoch, skip=first), start=first):
            self.pauses.if_due()
            self.train_step(feed.model, batch, epoch=epoch, number=number)
            self.on_step(self.state)
        self.end_epoch(feed, epoch)
        self.pauses.if_due()

    def train_step(self, model: nn.Module, batch: Batch, *, epoch: int, number: int) -> None:
        """Take one optimizer step at the plan's rates for it."""
        cursor, n_steps = self.state.cursor, self.settings.steps_per_epoch
        seed_step(self.settings.step_seed, epoch=epoch, step=number)
        if self.plan.trains_head_alone(cursor.phase):  # so short a step that looking at all modules would double it
            applied = apply_rates(self.plan, self.state.optimizer, **self.where())
        else:
            applied = self.apply_plan()
        value = optimize(
            model, batch, loss=self.loss, optimizer=self.state.optimizer, trained=self.trained,
            clip=self.settings.clip, device=self.device,
        )  # fmt: skip
        if not math.isfinite(value):
            raise FailedError(
                f"The loss became {value} in step {number + 1} of epoch {epoch + 1}; "
                "a lower rate (--lr) usually helps, or --clip 1."
            )
        self.state.count(steps=1, loss=value, n=len(batch.indices), seconds=self.seconds_since_counted())
        self.progress.step(
            StepInfo(
                step=cursor.step + 1,
                n_steps=self.phase.epochs * n_steps,
                epoch=epoch,
                loss=value,
                lr=max(applied.lrs),
                seconds_left=seconds_left(self.plan, self.state.cursor, steps_per_epoch=n_steps),
            )
        )

    def end_epoch(self, feed: Feed, epoch: int, *, l2: float | None = None) -> None:
        """Validate, remember the epoch if it is the best, and write it down; `l2` where the head was fitted at it."""
        cursor = self.state.cursor
        found = validate(self.network, feed, self.dataset, self.settings, device=self.device)
        value = found.metrics[self.settings.metric]
        best = self.state.end_epoch(Best(epoch=epoch, value=value, val_loss=found.loss))
        seconds = self.seconds_since_counted()
        info = EpochInfo(
            epoch=epoch,
            n_epochs=n_epochs_in_all(self.plan, cursor),
            phase=self.phase.name,
            train_loss=cursor.loss_sum / max(cursor.n_seen, 1),
            val_loss=found.loss,
            metric=self.settings.metric,
            value=value,
            best=best,
            lr=None if l2 is not None else max(group["lr"] for group in self.state.optimizer.param_groups),
            l2=l2,
            seconds=cursor.epoch_seconds + seconds,
            metrics=found.metrics,
        )
        size = self.history.append(info, plan=self.plan, phase=cursor.phase, optimizer=self.state.optimizer)
        self.state.advance(
            n_history_bytes=size, seconds=cursor.seconds + seconds, phase_seconds=cursor.phase_seconds + seconds
        )
        self.progress.epoch(info)

    def end_phase(self) -> None:
        """Go back to the phase's best epoch, prove that frozen layers are untouched, and begin the next phase."""
        cursor = self.state.cursor
        self.state.go_back_to_phase_best()
        layers = layer_records(
            self.plan,
            cursor.phase,
            before=cursor.hashes_before,
            after=layer_hashes(self.network, self.plan.layers),
            start=self.state.phase_start,
            end=self.state.phase_best,
        )
        assert_frozen(layers)
        record = phase_record(self.phase, cursor, layers, n_epochs=cursor.step // self.settings.steps_per_epoch)
        self.state.begin_next_phase(
            n_epochs=record.epochs_run, phases=(*cursor.phases, record), layers=(*cursor.layers, *layers)
        )
        self.pauses.save()

    def seconds_since_counted(self) -> float:
        """Return the time since this was last asked, waiting for pictures included."""
        now = time.monotonic()
        seconds, self.counted_at = now - self.counted_at, now
        return seconds
