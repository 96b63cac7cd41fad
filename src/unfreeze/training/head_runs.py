"""Runs of one linear head with several seeds: trained at once, each left as a training of its own leaves it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from torch import nn

from unfreeze.backbones import Network, make_head, run_of
from unfreeze.cache import ActivationCache
from unfreeze.errors import FailedError, InterruptedRunError
from unfreeze.freezing import apply_plan, apply_rates, layer_hashes
from unfreeze.plans import Plan
from unfreeze.records import PhaseRecord, RunRecord, Timing, TrainOptions, write_json, write_text
from unfreeze.training.caching import CachedFeed, CachedFeeder
from unfreeze.training.checkpoint import Cursor, snapshot
from unfreeze.training.directory import discard_lock, only_one, update
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.executing import Setup, finish, loop_settings, make_feeder, make_loss
from unfreeze.training.history import History
from unfreeze.training.inputs import StudiedData
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.many_heads import HeadStart, TrainedHead, Vectors, train_heads
from unfreeze.training.optimizers import make_optimizer
from unfreeze.training.phases import assert_frozen, layer_records
from unfreeze.training.progress import EpochInfo, Progress
from unfreeze.training.run import prepare
from unfreeze.training.settings import weights_of

__all__ = ["can_train_at_once", "train_head_runs"]


def can_train_at_once(plan: Plan, options: TrainOptions) -> bool:
    """Say whether seeds of a training can share one network and one computation.

    They can where a linear head on a pretrained network is all that trains, in one phase of AdamW that no patience
    ends: then a seed is nothing but the head's first weights. A run that is continued brings its own.
    """
    (phase, *others) = plan.phases
    head = plan.layers.groups[-1].leaf_names
    return (
        not others
        and plan.trained(0) == head
        and len(head) == 1
        and len(set(plan.peak_lrs(0).values())) == 1
        and phase.solver == "adamw"
        and phase.patience is None
        and options.lr != "auto"  # each seed finds its own
        and options.pretrained
        and options.precision != "bf16"
        and run_of(weights_of(options)) is None
    )


def train_head_runs(
    data: StudiedData,
    options: Sequence[TrainOptions],
    *,
    plan: Plan,
    cache: ActivationCache | None,
    outs: Sequence[Path],
    progress: Progress,
    deadline: float | None = None,
) -> bool:
    """Train a head once for each of some settings that differ in the seed only, and leave a run directory of each.

    Args:
        data: the pictures, and the split to train by.
        options: the settings; see `can_train_at_once`.
        plan: what all of them train.
        cache: where activations are kept.
        outs: the run directories, which must not exist.
        progress: who is told.
        deadline: when to interrupt, on the monotonic clock; None: never.

    Returns:
        False where the head does not read one vector for each picture that is computed once; nothing is written then.

    Raises:
        InterruptedRunError: Ctrl-C, SIGTERM, or the deadline; finished runs are kept.
        UnfreezeError: the network cannot be loaded, or a head diverged.
    """
    began = time.monotonic()
    setup, record = prepare(data, options[0], plan=plan, cache=cache, out=outs[0], progress=progress)
    network = setup.device.place(setup.network)
    if [type(layer) for layer in network.head] != [nn.Linear]:
        return False
    settings = loop_settings(setup)
    feeder = make_feeder(setup, settings, progress)
    with Interrupt(deadline=deadline) as interrupt:

        def check() -> None:
            if interrupt.asked:
                raise InterruptedRunError("Interrupted; the heads begin anew.")

        network.train()
        apply_plan(network, plan, step=0, steps_per_epoch=settings.steps_per_epoch)
        feed = feeder.feed(range(plan.epochs), phase=0, head_alone=True, check=check)
        vectors = _vectors(feed, setup, settings)
        if vectors is None:
            return False
        training = time.monotonic()
        starts = [_start(plan, network, seed=each.seed) for each in options]
        phase = plan.phases[0]
        heads = train_heads(
            starts, vectors, settings=settings, record=network.record, loss=make_loss(setup),
            epochs=phase.epochs, schedule=phase.schedule, warmup=phase.warmup, check=check,
        )  # fmt: skip
        seconds = (time.monotonic() - training) / len(heads)
        for number, (start, head, out) in enumerate(zip(starts, heads, outs, strict=True)):
            check()
            if number:  # what all share was spent on the first
                began, feeder.use = time.monotonic(), replace(feeder.use, seconds=0.0)
                record = msgspec.structs.replace(record, timing=Timing())
            one = replace(setup, options=options[number], out=out)
            record = msgspec.structs.replace(record, config=options[number])
            with only_one(out, must_be_new=True):
                _leave_run(
                    one, record, start, head, settings=settings, feeder=feeder, progress=progress, seconds=seconds,
                    began=began,
                )  # fmt: skip
            discard_lock(out)
    return True


def _vectors(feed: object, setup: Setup, settings: LoopSettings) -> Vectors | None:
    """Return what the head reads, if that is one vector for each picture, the same in every epoch."""
    layer = _linear(setup.network)
    if not isinstance(feed, CachedFeed) or settings.augment_head != "none" or setup.device.torch_device.type != "cpu":
        return None
    split, dataset = setup.data.split, setup.data.dataset
    rows = torch.zeros(len(dataset), layer.in_features)
    for batch in feed.evaluation((*split.train, *split.val, *split.test)):
        (vectors, *others) = batch.inputs
        if others or vectors.ndim != 2 or vectors.shape[1] != layer.in_features:  # noqa: PLR2004 - pictures, features
            return None
        rows[batch.indices] = vectors
    return Vectors(rows=rows, targets=dataset.targets)


def _linear(network: Network) -> nn.Linear:
    """Return the head's one layer."""
    (layer,) = network.head
    assert isinstance(layer, nn.Linear)
    return layer


def _start(plan: Plan, network: Network, *, seed: int) -> HeadStart:
    layer = _linear(network)
    (drawn,) = make_head(layer.in_features, n_outputs=layer.out_features, seed=seed)
    assert isinstance(drawn, nn.Linear)
    (lr,) = set(plan.peak_lrs(0).values())
    return HeadStart(
        weight=drawn.weight.detach(), bias=drawn.bias.detach(), lr=lr, weight_decay=plan.phases[0].weight_decay
    )


def _leave_run(
    setup: Setup,
    record: RunRecord,
    start: HeadStart,
    head: TrainedHead,
    *,
    settings: LoopSettings,
    feeder: CachedFeeder,
    progress: Progress,
    seconds: float,
    began: float,
) -> None:
    """Write all that the loop would have written of this head's training, and finish its run."""
    network, plan, out = setup.network, setup.plan, setup.out
    record = update(out, record, status="running")
    write_text(out / "plan.toml", plan.to_toml())
    write_json(out / "model.json", network.record)
    if head.diverged is not None:
        reason = f"The loss was no longer finite in epoch {head.diverged + 1}; a lower rate (--lr) usually helps."
        update(out, record, status="failed", error=reason)
        raise FailedError(reason)
    _write_history(setup, settings, head, progress=progress, seconds=seconds)
    _put(network, start.weight, start.bias)
    before, began_with = layer_hashes(network, plan.layers), snapshot(network)
    _put(network, head.weight, head.bias)
    layers = layer_records(
        plan, 0, before=before, after=layer_hashes(network, plan.layers), start=began_with, end=snapshot(network)
    )
    assert_frozen(layers)
    phase = PhaseRecord(
        name=plan.phases[0].name,
        epochs_planned=plan.epochs,
        epochs_run=plan.epochs,
        best_epoch=head.best.epoch,
        n_trained=sum(layer.n_trained for layer in layers),
        seconds=round(seconds, 3),
    )
    cursor = Cursor(
        phase=1, phase_epochs=(plan.epochs,), best=head.best, seconds=seconds, phases=(phase,), layers=layers
    )
    finish(setup, record, cursor, feeder, progress, began=began)


def _put(network: Network, weight: torch.Tensor, bias: torch.Tensor) -> None:
    layer = _linear(network)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def _write_history(
    setup: Setup, settings: LoopSettings, head: TrainedHead, *, progress: Progress, seconds: float
) -> None:
    """Write history.jsonl with the rates that the plan has at each epoch's end."""
    plan, n_steps = setup.plan, settings.steps_per_epoch
    optimizer, history = make_optimizer(setup.network, plan), History(setup.out / "history.jsonl")
    for number, epoch in enumerate(head.epochs):
        apply_rates(plan, optimizer, step=(number + 1) * n_steps - 1, steps_per_epoch=n_steps)
        info = EpochInfo(
            epoch=number,
            n_epochs=plan.epochs,
            phase=plan.phases[0].name,
            train_loss=epoch.loss,
            val_loss=epoch.validation.loss,
            metric=settings.metric,
            value=epoch.validation.metrics[settings.metric],
            best=epoch.best,
            lr=max(group["lr"] for group in optimizer.param_groups),
            seconds=seconds / plan.epochs,
            metrics=epoch.validation.metrics,
        )
        history.append(info, plan=plan, phase=0, optimizer=optimizer)
        progress.epoch(info)
