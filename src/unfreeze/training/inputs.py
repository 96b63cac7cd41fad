"""From a path and options to what a training needs: pictures read and split, a plan that fits the network.

Everything that can be wrong with the user's settings or data is found here, before pretrained weights load.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unfreeze.backbones import model_layers
from unfreeze.cache import FingerprintIndex, cache_directory, scan_new
from unfreeze.cache.hashes import INDEX_NAME
from unfreeze.data import (
    Dataset,
    Fingerprint,
    Split,
    check_trainable,
    dataset_fingerprint,
    depth_range,
    drop_unreadable,
    near_duplicates,
    open_dataset,
    scan,
    split_dataset,
)
from unfreeze.data.memory import ViewMemory
from unfreeze.data.spec import InputSpec
from unfreeze.errors import ConfigError, DataError, raise_together
from unfreeze.layers import Layers
from unfreeze.options import FROZEN_STRATEGIES, seed_of_data, solver_of, solver_problems
from unfreeze.plans import Plan, PlanSettings, make_plan
from unfreeze.records import DataRecord, TrainOptions
from unfreeze.training.progress import Progress

__all__ = ["StudiedData", "default_lr", "open_data", "plan_from_options", "study_data", "write_plan"]


@dataclass(frozen=True, kw_only=True)
class StudiedData:
    """A data set that has been read once: every picture hashed, every picture on one side of the split."""

    path: Path  # as the user gave it
    dataset: Dataset
    split: Split
    fingerprints: tuple[Fingerprint, ...]
    fingerprint: str
    depth_range: tuple[float, float] | None
    memory: ViewMemory  # the evaluation views that were made on the way
    seconds: float

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the user should know about the data and its split."""
        return (*self.dataset.notes, *self.split.notes)

    def target_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return mean and standard deviation of each regression target over the training pictures."""
        if self.dataset.task != "regression":
            return None
        targets = self.dataset.targets[np.asarray(self.split.train)].astype(np.float64)
        std = targets.std(axis=0)
        constant = [name for name, value in zip(self.dataset.outputs, std, strict=True) if value == 0]
        if constant:
            raise DataError(
                f"Every training picture has the same value of {', '.join(constant)}; there is nothing to learn."
            )
        return tuple(map(float, targets.mean(axis=0))), tuple(map(float, std))

    def record(self) -> DataRecord:
        """Return what run.json keeps about the data."""
        dataset, split = self.dataset, self.split
        return DataRecord(
            path=str(self.path.resolve()),
            fingerprint=self.fingerprint,
            n_images=len(dataset.files),
            counts=dataset.counts,
            split_counts={"train": len(split.train), "val": len(split.val), "test": len(split.test)},
            split_sha256=split.sha256,
            split_given=dataset.splits is not None,
            n_test_groups=None if dataset.groups is None else len({dataset.groups[i] for i in split.test}),
            notes=self.notes,
        )


def open_data(path: Path, options: TrainOptions) -> Dataset:
    """Read which pictures there are and what they show.

    Raises:
        DataError: labels or files that cannot be used.
        ConfigError: options that do not fit the data.
    """
    return open_dataset(path, task=options.task, target=options.target, group=options.group, split=options.split)


def study_data(
    path: Path, dataset: Dataset, options: TrainOptions, progress: Progress, *, spec: InputSpec | None = None
) -> StudiedData:
    """Read every picture of a data set once, and split it.

    Files that an earlier training has read, and that have not changed since, are not read again.

    Args:
        path: where the data are, as the user gave it.
        dataset: which pictures there are.
        options: the settings.
        progress: who is told.
        spec: the network's input; with it, evaluation views are made from the same decode.

    Raises:
        DataError: pictures that cannot be read or trained on.
    """
    began = time.monotonic()
    progress.stage("Reading pictures")
    memory = ViewMemory()
    found = _fingerprints(dataset, options, progress, spec=spec, memory=memory)
    readable = {fingerprint.file: fingerprint for fingerprint in found}
    dataset = drop_unreadable(dataset, found, skip=options.skip_unreadable)
    fingerprints = tuple(readable[file] for file in dataset.files)
    check_trainable(dataset)
    split = split_dataset(dataset, clusters=near_duplicates(fingerprints), seed=seed_of_data(options))
    return StudiedData(
        path=path,
        dataset=dataset,
        split=split,
        fingerprints=fingerprints,
        fingerprint=dataset_fingerprint(dataset, fingerprints),
        depth_range=depth_range(fingerprints),
        memory=memory,
        seconds=time.monotonic() - began,
    )


def _fingerprints(
    dataset: Dataset, options: TrainOptions, progress: Progress, *, spec: InputSpec | None, memory: ViewMemory
) -> tuple[Fingerprint, ...]:
    def read(files: Sequence[str]) -> tuple[Fingerprint, ...]:
        kept = None if spec is None else memory
        return scan(dataset.root, files, spec=spec, memory=kept, progress=progress.scanned)

    if not options.cache:
        return read(dataset.files)
    index = FingerprintIndex(cache_directory(options.cache_dir) / INDEX_NAME)
    return scan_new(dataset.root, dataset.files, index=index, scan=read)


def plan_from_options(
    options: TrainOptions, *, n_outputs: int, architecture: str, given: frozenset[str] = frozenset()
) -> Plan:
    """Make the plan that the options ask for, from a TOML file, or by a strategy; see `write_plan`.

    Raises:
        PlanError, SelectorError, ConfigError, ModelError: as the plan, its selectors or the network are wrong.
    """
    layers = model_layers(
        architecture,
        size=options.size,
        hidden=options.hidden,
        features=options.features or "last",
        n_outputs=n_outputs,
    )
    return write_plan(options, layers, given=given)


def write_plan(options: TrainOptions, layers: Layers, *, given: frozenset[str] = frozenset()) -> Plan:
    """Make the plan that the options ask for, on a network's layers.

    With `lr="auto"` it has the default rates: those that were found are known when the training has begun.

    Args:
        options: the settings.
        layers: the network's.
        given: the names of the settings that the user gave.

    Raises:
        PlanError, SelectorError: the plan or its selectors are wrong.
        ConfigError: settings contradict the solver of a phase.
    """
    plan = _plan(options, layers)
    solvers = [phase.solver for phase in plan.phases]
    raise_together(tuple(solver_problems(options, solvers=solvers, given=given)), ConfigError)
    return plan


def _plan(options: TrainOptions, layers: Layers) -> Plan:
    if options.plan is not None:
        return replace(Plan.from_toml(Path(options.plan), layers=layers), settings=_plan_settings(options))
    return make_plan(
        options.strategy,
        layers,
        epochs=options.epochs,
        lr=default_lr(options) if options.lr is None or options.lr == "auto" else options.lr,
        solver=solver_of(options),
        select_features=options.select_features,
        patience=options.patience,
        settings=_plan_settings(options),
    )


def _plan_settings(options: TrainOptions) -> PlanSettings:
    """Return what a plan opens with: the network, and of the rest what is not the default."""
    chosen = {name: getattr(options, name) for name in ("size", "hidden", "features", "views", "augment")}
    said = {name: value for name, value in chosen.items() if value != getattr(TrainOptions(), name)}
    return PlanSettings(model=options.model, **said)


def default_lr(options: TrainOptions) -> float | None:
    """Return the head's rate where none is given, and where a range test finds none.

    None for L-BFGS, which has none; 1e-2 for SGD; for AdamW 3e-3 where the head alone trains (docs/adr/0014), else
    1e-3, the classic recipes' rate.
    """
    match solver_of(options):
        case "lbfgs":
            return None
        case "sgd":
            return 1e-2
    return 3e-3 if options.strategy in FROZEN_STRATEGIES else 1e-3
