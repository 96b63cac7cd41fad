"""One training, set up and ready: trained, evaluated, and its run directory finished."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import log
from pathlib import Path

import msgspec
import numpy as np

from unfreeze.backbones import Network, save_network
from unfreeze.cache import ActivationCache
from unfreeze.errors import FailedError, InterruptedRunError, RunError, reason_of
from unfreeze.evaluation import Calibration, calibrate_run, evaluate_run, predict_outputs, read_predictions
from unfreeze.metrics import PRIMARY
from unfreeze.options import phase_augment, seed_of_data
from unfreeze.plans import Plan
from unfreeze.records import CacheRecord, RunMetrics, RunRecord, Timing, TrainOptions, write_json, write_text
from unfreeze.training.caching import CachedFeed, CachedFeeder
from unfreeze.training.checkpoint import Cursor
from unfreeze.training.device import Device
from unfreeze.training.directory import discard_lock, only_one, read_run, update
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.evidence import write_data_evidence
from unfreeze.training.feeding import Feed, Feeder
from unfreeze.training.inputs import StudiedData, default_lr, write_plan
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loop import fine_tune
from unfreeze.training.loss import Loss, class_weights, loss_function, sampling_weights
from unfreeze.training.prefixes import PrefixSettings
from unfreeze.training.progress import Progress
from unfreeze.training.range_test import AutoRate, told

__all__ = ["DIVERGED", "Setup", "execute", "finish", "loop_settings", "make_feeder", "make_loss", "train_targets"]

FAR_ABOVE = 10  # times the loss of always saying the same
DIVERGED = "The training diverged: what it gives is not all finite. A lower rate (--lr) usually helps."


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All that one training is made of."""

    options: TrainOptions
    data: StudiedData
    plan: Plan
    network: Network
    device: Device
    cache: ActivationCache | None
    out: Path


def execute(
    setup: Setup, record: RunRecord, progress: Progress, *, resume: bool, began: float, deadline: float | None = None
) -> Path:
    """Train a network by its plan, evaluate it, and finish its run directory; return where that is.

    Args:
        setup: all that the training is made of.
        record: what run.json says now; the directory is this run's.
        progress: who is told.
        resume: go on from the directory's checkpoint.
        began: when the command began, on the monotonic clock.
        deadline: when to interrupt the training, on the same clock.

    Raises:
        InterruptedRunError: Ctrl-C, SIGTERM, or the deadline; the directory keeps a checkpoint and says `interrupted`.
        UnfreezeError: the training failed; the directory says `failed`, and why.
    """
    setup.device.place(setup.network)
    with only_one(setup.out, must_be_new=not resume):
        if resume and read_run(setup.out).status == "done":
            raise RunError(f'The run in "{setup.out}" has been finished by another process meanwhile.')
        out = _execute(setup, record, progress, Interrupt(deadline=deadline), resume=resume, began=began)
    discard_lock(out)
    return out


def _execute(
    setup: Setup, record: RunRecord, progress: Progress, interrupt: Interrupt, *, resume: bool, began: float
) -> Path:
    out, feeder = setup.out, None
    try:
        with interrupt:  # from here on there is something to resume: the wish waits for a checkpoint
            settings = loop_settings(setup)
            feeder = make_feeder(setup, settings, progress)
            record = update(out, record, status="running", error=None)
            if not resume:
                write_text(out / "plan.toml", setup.plan.to_toml())
                write_json(out / "model.json", setup.network.record)
            cursor = _fine_tune(setup, settings, feeder, progress, interrupt, resume=resume)
        finish(setup, record, cursor, feeder, progress, began=began)
    except (InterruptedRunError, KeyboardInterrupt):
        if feeder is not None:
            record = _with_use(record, feeder)
        update(out, record, status="interrupted", timing=_with_total(record.timing, began))
        raise InterruptedRunError(
            f"Interrupted; the checkpoint is kept. Continue with: unfreeze train --resume --out {out}"
        ) from None
    except BaseException as error:
        update(out, record, status="failed", error=reason_of(error), timing=_with_total(record.timing, began))
        raise
    return out


def finish(
    setup: Setup, record: RunRecord, cursor: Cursor, feeder: CachedFeeder, progress: Progress, *, began: float
) -> None:
    """Save and evaluate a trained network, and write down how its training went: the run is done.

    Args:
        setup: all that the training was made of; the network holds the weights to keep.
        record: what run.json says now.
        cursor: where the training ended.
        feeder: what it trained on.
        progress: who is told.
        began: when the command began, on the monotonic clock.
    """
    progress.stage("Evaluating")
    evaluating = time.monotonic()
    write_json(setup.out / "layers.json", cursor.layers)
    metrics, calibration = _evaluate(setup, feeder.final())
    record, test = _with_use(record, feeder), cursor.range_test
    untold = () if test is None or test.outcome == "found" else (told(test),)
    timing = msgspec.structs.replace(
        record.timing,
        train_seconds=round(cursor.seconds + (0.0 if test is None else test.seconds), 3),
        evaluate_seconds=round(time.monotonic() - evaluating, 3),
    )
    timing = _with_total(timing, began)
    diverged = _divergence(setup, cursor)
    notes = (*record.notes, *untold, *diverged, *calibration.notes)
    for note in (*diverged, *calibration.notes):
        progress.note(note)
    update(
        setup.out, record, status="done", notes=notes, range_test=test, phases=cursor.phases, timing=timing,
        metrics=metrics, calibration=calibration.record,
        engine=feeder.use.engine, engine_precision=feeder.use.precision,
        cache=CacheRecord(hit_ratio=feeder.use.hit_ratio, n_bytes=feeder.use.n_bytes),
    )  # fmt: skip


def _with_use(record: RunRecord, feeder: CachedFeeder) -> RunRecord:
    """Add what the feeder has told, each note once, and the time that the frozen part took."""
    seconds = round(record.timing.prefix_seconds + feeder.use.seconds, 3)
    return msgspec.structs.replace(
        record,
        notes=tuple(dict.fromkeys((*record.notes, *feeder.notes))),
        timing=msgspec.structs.replace(record.timing, prefix_seconds=seconds),
    )


def _with_total(timing: Timing, began: float) -> Timing:
    """Add the time since `began` to the total, which no part may exceed: a killed process left none of its own."""
    parts = sum(getattr(timing, name) for name in timing.__struct_fields__ if name != "total_seconds")
    total = max(timing.total_seconds + time.monotonic() - began, parts)
    return msgspec.structs.replace(timing, total_seconds=round(total, 3))


def _divergence(setup: Setup, cursor: Cursor) -> tuple[str, ...]:
    """Say so if even the best epoch's loss is far above that of a network that knows nothing."""
    task, n_outputs = setup.data.dataset.task, len(setup.data.dataset.outputs)
    of_ignorance = {"classification": log(n_outputs), "multilabel": log(2), "regression": 1.0}[task]
    loss = cursor.best.val_loss if cursor.best is not None else 0.0
    if loss < FAR_ABOVE * of_ignorance:
        return ()
    return (f"The training diverged: its best loss on validation is {loss:.3g}. Train again with a lower rate (--lr).",)


def loop_settings(setup: Setup) -> LoopSettings:
    """Return what the loop needs beside network, plan and pictures."""
    options, data = setup.options, setup.data
    task, targets = data.dataset.task, train_targets(data)
    balanced = options.balance == "sampling"
    return LoopSettings(
        train=data.split.train,
        val=data.split.val,
        batch_size=options.batch_size,
        augment=phase_augment(options, head_alone=False),
        augment_head=phase_augment(options, head_alone=True),
        views=options.views,
        seed=seed_of_data(options),
        dropout_seed=options.seed,
        metric=options.metric or PRIMARY[task],
        clip=options.clip,
        sampling=sampling_weights(targets, n_outputs=len(data.dataset.outputs)) if balanced else None,
    )


def make_feeder(setup: Setup, settings: LoopSettings, progress: Progress) -> CachedFeeder:
    """Return what gives each phase of a training its batches."""
    options = setup.options
    prefix = PrefixSettings(
        engine=options.engine,
        device=setup.device.torch_device,
        cache=setup.cache,
        precision=setup.device.precision,
    )
    return CachedFeeder(setup.network, setup.plan, setup.data, settings, prefix=prefix, progress=progress)


def _fine_tune(
    setup: Setup, settings: LoopSettings, feeder: Feeder, progress: Progress, interrupt: Interrupt, *, resume: bool
) -> Cursor:
    return fine_tune(
        setup.network, setup.plan, setup.data.dataset, settings=settings, loss=make_loss(setup), device=setup.device,
        directory=setup.out, progress=progress, feeder=feeder, interrupt=interrupt,
        auto=_auto_rate(setup), resume=resume,
    )  # fmt: skip


def _auto_rate(setup: Setup) -> AutoRate | None:
    """Return how the training finds its rate, where it is asked to."""
    options, layers = setup.options, setup.plan.layers
    if options.lr != "auto" or options.plan is not None:  # in a comparison, one row may be a plan's
        return None
    default = default_lr(options)
    assert default is not None, "a solver without rates contradicts --lr"
    return AutoRate(
        plan_at=lambda lr: write_plan(msgspec.structs.replace(options, lr=lr), layers),
        default=default,
        plan_file=setup.out / "plan.toml",
    )


def make_loss(setup: Setup) -> Loss:
    """Return the mean loss of a batch, with class weights and smoothing as the settings say."""
    options, dataset, model = setup.options, setup.data.dataset, setup.network.record
    weights = None
    if options.balance == "weights":
        weights = class_weights(train_targets(setup.data), task=dataset.task, n_outputs=len(dataset.outputs))
    return loss_function(
        dataset.task,
        weights=weights,
        label_smoothing=options.label_smoothing,
        target_mean=model.target_mean or (0.0,),
        target_std=model.target_std or (1.0,),
        device=setup.device.torch_device,
    )


def _evaluate(setup: Setup, feed: Feed) -> tuple[RunMetrics, Calibration]:
    """Calibrate the finished network, save it, and evaluate it; leave predictions.csv and evidence/."""
    data, network, options = setup.data, setup.network, setup.options
    split, dataset, seed = data.split, data.dataset, options.seed
    outputs = predict_outputs(feed.model, feed.evaluation((*split.val, *split.test)), device=setup.device.torch_device)
    if not np.isfinite(outputs).all():
        raise FailedError(DIVERGED)
    calibration = calibrate_run(outputs, network.record, dataset, split, level=options.conformal, seed=seed)
    network.record = calibration.model
    save_network(network, setup.out)
    metrics = evaluate_run(outputs, network.record, dataset, split, directory=setup.out, seed=seed, network=network)
    predictions = read_predictions(setup.out / "predictions.csv", task=dataset.task, outputs=dataset.outputs)
    features = feed.features(len(dataset)) if isinstance(feed, CachedFeed) else None
    write_data_evidence(setup.out, data, predictions, features, options)
    return metrics, calibration


def train_targets(data: StudiedData) -> np.ndarray:
    """Return the targets of the training pictures, in the order of the split."""
    targets: np.ndarray = data.dataset.targets[np.asarray(data.split.train)]
    return targets
