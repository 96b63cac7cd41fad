"""The training loop: asks the plan at every step, keeps the best epoch of every phase, and can stop anywhere.

The loop owns no schedule and no frozen state. What trains, and at which rate, is `apply_plan`'s answer for the
step at hand; where the training stands is the state's one cursor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypedDict

from torch import nn

from unfreeze.backbones import Network
from unfreeze.data import Batch, Dataset
from unfreeze.data.threads import one_thread
from unfreeze.errors import FailedError, InterruptedRunError
from unfreeze.freezing import apply_plan, apply_rates, layer_hashes
from unfreeze.plans import Plan, PlanState
from unfreeze.records import PhaseRecord
from unfreeze.training.checkpoint import Best, Cursor
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed, Feeder
from unfreeze.training.history import History
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loss import Loss
from unfreeze.training.optimizers import make_optimizer
from unfreeze.training.phases import assert_frozen, layer_records, phase_info
from unfreeze.training.progress import EpochInfo, Progress, StepInfo
from unfreeze.training.seeding import seed_step
from unfreeze.training.state import TrainingState
from unfreeze.training.validating import validate

__all__ = ["fine_tune"]

SECONDS_BETWEEN_CHECKPOINTS = 30.0  # what a killed process loses at most
STEPS_BEFORE_ESTIMATE = 5

OnStep = Callable[[TrainingState], None]


class _Where(TypedDict):
    step: int
    steps_per_epoch: int
    phase_epochs: tuple[int, ...]


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
    resume: bool = False,
    on_step: OnStep | None = None,
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
        state, plan, dataset, settings=settings, loss=loss, device=device, history=history, progress=progress,
        feeder=feeder,
    )  # fmt: skip
    loop.run(interrupt, on_step)
    return state.cursor


class _Loop:
    """One training under way: what `fine_tune` was given, and the state that it drives to the plan's end."""

    def __init__(
        self,
        state: TrainingState,
        plan: Plan,
        dataset: Dataset,
        *,
        settings: LoopSettings,
        loss: Loss,
        device: Device,
        history: History,
        progress: Progress,
        feeder: Feeder,
    ) -> None:
        self.state, self.plan, self.dataset, self.settings = state, plan, dataset, settings
        self.loss, self.device, self.history, self.progress = loss, device, history, progress
        self.network, self.feeder = state.network, feeder
        self.trained: list[nn.Parameter] = []  # what apply_plan has found to train, for those who go over it
        self.saved_at = self.counted_at = time.monotonic()

    def run(self, interrupt: Interrupt, on_step: OnStep | None) -> None:
        """Train from the cursor to the end of the plan."""
        while self.state.cursor.phase < len(self.plan.phases):
            if not self.state.cursor.hashes_before:
                self.state.advance(hashes_before=layer_hashes(self.network, self.plan.layers))
            self.progress.phase(phase_info(self.plan, self.state.cursor.phase, self.settings))
            if not self.phase_is_over():
                self.train_phase(interrupt, on_step)
            self.end_phase()
        self.pause_if_due(interrupt)
        self.state.go_back_to_best()

    def train_phase(self, interrupt: Interrupt, on_step: OnStep | None) -> None:
        """Train what is left of the phase; its activations are let go of at the end."""
        self.apply_plan()
        feed = self.feeder.feed(
            self.epochs_of_phase(),
            phase=self.state.cursor.phase,
            head_alone=self.trains_head_alone,
            check=lambda: self.pause_if_due(interrupt),
        )
        with one_thread() if feed.is_light else nullcontext():
            while not self.phase_is_over():
                self.train_epoch(feed, interrupt, on_step)

    def apply_plan(self) -> PlanState:
        """Give gradients, modes and rates what the plan says for the next step."""
        self.network.train()  # some networks forget in it what they have remembered in evaluation mode
        applied = apply_plan(self.network, self.plan, self.state.optimizer, **self.where())
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        return applied.state

    @property
    def trains_head_alone(self) -> bool:
        """Whether a step changes nothing but the head, and is so short that looking at all modules would double it."""
        head = self.plan.layers.groups[-1].leaf_names
        return self.plan.trained(self.state.cursor.phase) <= head

    def train_epoch(self, feed: Feed, interrupt: Interrupt, on_step: OnStep | None) -> None:
        """Train on every picture once, or on those that an interrupted epoch had left; then validate."""
        self.counted_at = time.monotonic()
        epoch, first = self.n_epochs_done(), self.state.cursor.step % self.settings.steps_per_epoch
        self.apply_plan()  # validation has changed the modes
        for number, batch in enumerate(feed.train(epoch, skip=first), start=first):
            self.pause_if_due(interrupt)
            self.train_step(feed.model, batch, epoch=epoch, number=number)
            if on_step is not None:
                on_step(self.state)
        self.end_epoch(feed, epoch)
        self.pause_if_due(interrupt)

    def train_step(self, model: nn.Module, batch: Batch, *, epoch: int, number: int) -> None:
        """Take one optimizer step at the plan's rates for it."""
        cursor, n_steps = self.state.cursor, self.settings.steps_per_epoch
        seed_step(self.settings.seed, epoch=epoch, step=number)
        if self.trains_head_alone:
            applied = apply_rates(self.plan, self.state.optimizer, **self.where())
        else:
            applied = self.apply_plan()
        value = self.optimize(model, batch)
        if not math.isfinite(value):
            raise FailedError(
                f"The loss became {value} in step {number + 1} of epoch {epoch + 1}; "
                "a lower rate (--lr) usually helps, or --clip 1."
            )
        seconds, n = self.seconds_since_counted(), len(batch.indices)
        self.state.advance(
            step=cursor.step + 1,
            loss_sum=cursor.loss_sum + value * n,
            n_seen=cursor.n_seen + n,
            seconds=cursor.seconds + seconds,
            phase_seconds=cursor.phase_seconds + seconds,
            epoch_seconds=cursor.epoch_seconds + seconds,
        )
        n_steps_of_phase = self.plan.phases[cursor.phase].epochs * n_steps
        self.progress.step(
            StepInfo(
                step=cursor.step + 1,
                n_steps=n_steps_of_phase,
                epoch=epoch,
                loss=value,
                lr=max(applied.lrs),
                seconds_left=self.seconds_left(),
            )
        )

    def optimize(self, model: nn.Module, batch: Batch) -> float:
        """Compute the batch's loss and gradients and move the weights; return the loss."""
        inputs, targets = map(self.device.send, batch.inputs), self.device.send(batch.targets)
        with self.device.autocast():
            loss = self.loss(model(*inputs), targets)
        value = float(loss.detach())
        if math.isfinite(value):
            for parameter in self.trained:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            if self.settings.clip is not None:
                nn.utils.clip_grad_norm_(self.trained, self.settings.clip)
            self.state.optimizer.step()
        return value

    def end_epoch(self, feed: Feed, epoch: int) -> None:
        """Validate, remember the epoch if it is the best, and write it down."""
        cursor = self.state.cursor
        found = validate(self.network, feed, self.dataset, self.settings, device=self.device)
        metrics, val_loss = found.metrics, found.loss
        value = metrics[self.settings.metric]
        best = self.state.end_epoch(Best(epoch=epoch, value=value, val_loss=val_loss))
        seconds = self.seconds_since_counted()
        info = EpochInfo(
            epoch=epoch,
            n_epochs=sum(cursor.phase_epochs) + sum(phase.epochs for phase in self.plan.phases[cursor.phase :]),
            phase=self.plan.phases[cursor.phase].name,
            train_loss=cursor.loss_sum / max(cursor.n_seen, 1),
            val_loss=val_loss,
            metric=self.settings.metric,
            value=value,
            best=best,
            lr=max(group["lr"] for group in self.state.optimizer.param_groups),
            seconds=cursor.epoch_seconds + seconds,
            metrics=metrics,
        )
        size = self.history.append(info, plan=self.plan, phase=cursor.phase, optimizer=self.state.optimizer)
        self.state.advance(
            n_history_bytes=size,
            seconds=cursor.seconds + seconds,
            phase_seconds=cursor.phase_seconds + seconds,
        )
        self.progress.epoch(info)

    def phase_is_over(self) -> bool:
        """Say whether the phase has had its epochs, or has stopped improving."""
        phase, cursor = self.plan.phases[self.state.cursor.phase], self.state.cursor
        n_epochs, within = divmod(cursor.step, self.settings.steps_per_epoch)
        stopped = phase.patience is not None and cursor.n_bad_epochs >= phase.patience
        return within == 0 and (n_epochs >= phase.epochs or stopped)

    def end_phase(self) -> None:
        """Go back to the phase's best epoch, prove that frozen layers are untouched, and begin the next phase."""
        cursor, phase = self.state.cursor, self.plan.phases[self.state.cursor.phase]
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
        n_epochs = cursor.step // self.settings.steps_per_epoch
        record = PhaseRecord(
            name=phase.name,
            epochs_planned=phase.epochs,
            epochs_run=n_epochs,
            best_epoch=None if cursor.phase_best is None else cursor.phase_best.epoch,
            n_trained=sum(layer.n_trained for layer in layers),
            seconds=round(cursor.phase_seconds, 3),
        )
        self.state.begin_next_phase(
            n_epochs=n_epochs, phases=(*cursor.phases, record), layers=(*cursor.layers, *layers)
        )
        self.save()

    def pause_if_due(self, interrupt: Interrupt) -> None:
        """Save a checkpoint now and then, and when an interrupt asks for an end."""
        if interrupt.asked or time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self.save()
        if interrupt.asked:
            raise InterruptedRunError("Interrupted; the checkpoint is kept.")

    def save(self) -> None:
        """Write the checkpoint, and note when."""
        self.state.save()
        self.saved_at = time.monotonic()

    def seconds_since_counted(self) -> float:
        """Return the time since this was last asked, waiting for pictures included."""
        now = time.monotonic()
        seconds, self.counted_at = now - self.counted_at, now
        return seconds

    def where(self) -> _Where:
        """Return where the training stands, as `apply_plan` asks for it."""
        cursor, n_steps = self.state.cursor, self.settings.steps_per_epoch
        return {
            "step": sum(cursor.phase_epochs) * n_steps + cursor.step,
            "steps_per_epoch": n_steps,
            "phase_epochs": cursor.phase_epochs,
        }

    def epochs_of_phase(self) -> range:
        """Return all epochs planned for the phase, also those that a resumed training has behind it."""
        begun = sum(self.state.cursor.phase_epochs)
        return range(begun, begun + self.plan.phases[self.state.cursor.phase].epochs)

    def n_epochs_done(self) -> int:
        """Return the number of finished epochs, over all phases."""
        return sum(self.state.cursor.phase_epochs) + self.state.cursor.step // self.settings.steps_per_epoch

    def seconds_left(self) -> float | None:
        """Estimate the time to the plan's end from the steps so far."""
        cursor, n_steps = self.state.cursor, self.settings.steps_per_epoch
        done = sum(cursor.phase_epochs) * n_steps + cursor.step
        left = sum(phase.epochs for phase in self.plan.phases[cursor.phase :]) * n_steps - cursor.step
        return cursor.seconds / done * left if done >= STEPS_BEFORE_ESTIMATE else None
