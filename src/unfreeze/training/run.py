"""One training from a path to a finished run directory, and its resumption."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from unfreeze.backbones import input_spec, load_network, model_layers, native_size
from unfreeze.cache import ActivationCache
from unfreeze.errors import RunError
from unfreeze.metrics import PRIMARY, check_metric
from unfreeze.options import FROZEN_STRATEGIES, check_options
from unfreeze.plans import Plan
from unfreeze.records import ModelRecord, RunRecord, Timing, TrainOptions, read_json
from unfreeze.training.device import Device
from unfreeze.training.directory import environment, next_directory, now, read_run
from unfreeze.training.executing import Setup, execute, train_targets
from unfreeze.training.inputs import StudiedData, open_data, plan_from_options, study_data
from unfreeze.training.loss import prior_shift
from unfreeze.training.progress import Progress
from unfreeze.training.settings import architecture_of, settled, weights_of

__all__ = ["prepare", "resume_run", "resume_studied", "train_run", "train_studied"]


def train_run(
    path: Path,
    options: TrainOptions,
    *,
    given: frozenset[str] = frozenset(),
    out: Path | None,
    progress: Progress,
    notes: tuple[str, ...] = (),
) -> Path:
    """Train on the pictures at `path` and leave a run directory; return where it is.

    Args:
        path: a folder of class folders, or a table.
        options: the settings.
        given: names of the options that the user gave (a plan file must not contradict them).
        out: the run directory; `None`: the next free one below runs/.
        progress: who is told.
        notes: what else the run's record is to say.

    Raises:
        UnfreezeError: settings, data, network or weights are wrong (nothing has been written then), or the
            training failed or was interrupted (the directory keeps a checkpoint).
    """
    began = time.monotonic()
    options = settled(options, given, data=path, out=out)
    cache = ActivationCache(options.cache_dir) if options.cache else None
    architecture = architecture_of(options)
    dataset = open_data(path, options)
    check_options(msgspec.structs.replace(options, task=dataset.task))
    check_metric(options.metric, task=dataset.task)
    plan = plan_from_options(options, n_outputs=len(dataset.outputs), architecture=architecture, given=given)
    for note in _plan_notes(options, plan):
        progress.note(note)
    data = study_data(path, dataset, options, progress, spec=input_spec(architecture, size=options.size))
    data.target_scale()  # before the network loads: constant targets are an error
    for note in data.notes:
        progress.note(note)
    out = out or next_directory(path, options.strategy if options.plan is None else Path(options.plan).stem)
    return train_studied(data, options, plan=plan, cache=cache, out=out, progress=progress, began=began, notes=notes)


def train_studied(
    data: StudiedData,
    options: TrainOptions,
    *,
    plan: Plan,
    cache: ActivationCache | None,
    out: Path,
    progress: Progress,
    began: float | None = None,
    deadline: float | None = None,
    notes: tuple[str, ...] = (),
) -> Path:
    """Train on pictures that have been studied and leave a run directory; return where it is.

    Args:
        data: the pictures, and the split to train by.
        options: the settings, as `settled` returns them.
        plan: what trains when, made from these options.
        cache: where activations are kept.
        out: the run directory; it must not exist, or be empty.
        progress: who is told.
        began: when the work began, on the monotonic clock; None: now.
        deadline: when to interrupt the training, on the same clock; None: never.
        notes: what else the run's record is to say.

    Raises:
        UnfreezeError: see `train_run`.
    """
    began = time.monotonic() if began is None else began
    setup, record = prepare(data, options, plan=plan, cache=cache, out=out, progress=progress)
    record = msgspec.structs.replace(record, notes=(*notes, *record.notes))
    return execute(setup, record, progress, resume=False, began=began, deadline=deadline)


def prepare(
    data: StudiedData,
    options: TrainOptions,
    *,
    plan: Plan,
    cache: ActivationCache | None,
    out: Path,
    progress: Progress,
) -> tuple[Setup, RunRecord]:
    """Load the network of a training, and return all that the training is made of, and its first record.

    The arguments are those of `train_studied`. Nothing is written yet.
    """
    architecture, scale = architecture_of(options), data.target_scale()
    progress.stage(f"Loading {architecture}")
    loading = time.monotonic()
    network = load_network(
        architecture,
        task=data.dataset.task,
        outputs=data.dataset.outputs,
        hidden=options.hidden,
        features=options.features or "last",
        size=options.size,
        weights=weights_of(options),
        pretrained=options.pretrained,
        seed=options.seed,
        target_mean=scale and scale[0],
        target_std=scale and scale[1],
        depth_range=data.depth_range,
        prior_shift=_shift(data, options),
    )
    for note in network.notes:
        progress.note(note)
    timing = Timing(scan_seconds=round(data.seconds, 3), load_seconds=round(time.monotonic() - loading, 3))
    device = Device(options.device, options.precision)
    setup = Setup(options=options, data=data, plan=plan, network=network, device=device, cache=cache, out=out)
    return setup, _first_record(setup, timing)


def resume_run(out: Path, *, progress: Progress) -> Path:
    """Continue an interrupted training from its checkpoint, with the settings it was started with.

    Raises:
        RunError: there is no interrupted run, or its pictures have changed since.
    """
    began = time.monotonic()
    record = read_run(out)
    if record.status == "done":
        raise RunError(f'The run in "{out}" is finished; there is nothing to resume.')
    options = record.config
    cache = ActivationCache(options.cache_dir) if options.cache else None
    path = Path(record.data.path)
    data = study_data(path, open_data(path, options), options, progress)
    return resume_studied(data, record, cache=cache, out=out, progress=progress, began=began)


def resume_studied(
    data: StudiedData,
    record: RunRecord,
    *,
    cache: ActivationCache | None,
    out: Path,
    progress: Progress,
    began: float | None = None,
    deadline: float | None = None,
) -> Path:
    """Continue an interrupted training on pictures that have been studied again; return where its run is.

    Args:
        data: the pictures, and the split.
        record: what run.json says.
        cache: where activations are kept.
        out: the run directory.
        progress: who is told.
        began: when the work began, on the monotonic clock; None: now.
        deadline: when to interrupt the training, on the same clock; None: never.

    Raises:
        RunError: the pictures, labels or split have changed since.
    """
    began = time.monotonic() if began is None else began
    options = record.config
    if data.fingerprint != record.data.fingerprint:
        raise RunError(
            f'The pictures or labels in "{record.data.path}" have changed since the run began '
            f"({record.data.n_images} then, {len(data.dataset.files)} now); train again with another --out."
        )
    if data.split.sha256 != record.data.split_sha256:
        raise RunError(
            f'The split or the groups of "{record.data.path}" have changed since the run began; '
            "train again with another --out."
        )
    model = read_json(out / "model.json", ModelRecord)
    progress.stage(f"Rebuilding {model.architecture}")
    network = load_network(
        model.architecture,
        task=model.task,
        outputs=model.outputs,
        hidden=model.hidden,
        features=model.features,
        size=model.size,
        pretrained=False,
        seed=options.seed,
        target_mean=model.target_mean,
        target_std=model.target_std,
        depth_range=model.depth_range,
    )
    network.record = model
    plan = Plan.from_toml(
        out / "plan.toml",
        layers=model_layers(
            model.architecture,
            size=model.size,
            hidden=model.hidden,
            features=model.features,
            n_outputs=len(model.outputs),
        ),
    )
    device = Device(options.device, options.precision)
    setup = Setup(options=options, data=data, plan=plan, network=network, device=device, cache=cache, out=out)
    return execute(setup, record, progress, resume=True, began=began, deadline=deadline)


def _plan_notes(options: TrainOptions, plan: Plan) -> tuple[str, ...]:
    """Say so where the input is not the network's own, and where a strategy that unfreezes has no time to."""
    notes = []
    own = native_size(architecture_of(options))[0]
    if options.strategy in FROZEN_STRATEGIES and options.size not in {None, own}:
        notes.append(f"Pictures are shown at {options.size} px; the network's own size is {own} px (--size).")
    alone = all(map(plan.trains_head_alone, range(len(plan.phases))))
    if alone and options.strategy not in {*FROZEN_STRATEGIES, "plan"}:
        epochs = "1 epoch is" if options.epochs == 1 else f"{options.epochs} epochs are"
        notes.append(f'{epochs} too short for "{options.strategy}": only the head trains. Give it more.')
    return tuple(notes)


def _shift(data: StudiedData, options: TrainOptions) -> tuple[float, ...] | None:
    return prior_shift(
        train_targets(data),
        task=data.dataset.task,
        n_outputs=len(data.dataset.outputs),
        balance=options.balance,
    )


def _first_record(setup: Setup, timing: Timing) -> RunRecord:
    dataset, split = setup.data.dataset, setup.data.split
    return RunRecord(
        status="running",
        created=now(),
        config=setup.options,
        data=setup.data.record(),
        classes=dataset.outputs,
        split={side: tuple(dataset.files[i] for i in getattr(split, side)) for side in ("train", "val", "test")},
        weights=setup.network.record.weights,
        device=str(setup.device.torch_device),
        precision=setup.device.precision,
        primary_metric=setup.options.metric or PRIMARY[dataset.task],
        timing=timing,
        environment=environment(),
        notes=(*_plan_notes(setup.options, setup.plan), *setup.data.notes, *setup.network.notes),
    )
