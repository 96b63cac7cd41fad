"""The grid of a comparison: rows, each a way to train one network at one size, and the cells that they consist of.

Everything that can be wrong with it is found here, together, before any picture is read.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from unfreeze.backbones import model_layers
from unfreeze.backbones.weights import sha256_of
from unfreeze.comparison.work import estimate_work
from unfreeze.comparison_records import CompareOptions, network_name
from unfreeze.data import Dataset
from unfreeze.errors import UnfreezeError, raise_together
from unfreeze.layers import Layers
from unfreeze.options import SAID_BY_PLAN, SMALLEST_SIZE
from unfreeze.plans import Plan, summarise
from unfreeze.records import FeatureSource, TrainOptions
from unfreeze.training.inputs import write_plan
from unfreeze.training.settings import architecture_of, settled, weights_of

__all__ = ["Cell", "Grid", "Row", "cells_of", "grid_problems", "make_grid"]

FEWEST_FOLDS = 2
PLAN = "plan"  # the strategy of a row whose plan is read from a file


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One way to train one network at one size.

    Attributes:
        name: unique; the strategy, and the model and the size where there are several.
        options: the settings of its trainings, but for the seed.
        plan: what trains when.
        size: height of the input, px.
        n_trained: parameters, in the phase that trains most.
        weights_sha256: of the file that the weights are read from, where the user named one.
    """

    name: str
    options: TrainOptions
    plan: Plan
    size: int
    n_trained: int
    weights_sha256: str | None

    @property
    def plan_sha256(self) -> str:
        """The sha256 of the plan as TOML."""
        return hashlib.sha256(self.plan.to_toml().encode()).hexdigest()

    def work(self, *, n_train: int, n_held_out: int) -> float:
        """Return the multiply-adds of one training from scratch; see `estimate_work`."""
        return estimate_work(self.plan, self.options, n_train=n_train, n_held_out=n_held_out)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training: a row with a seed, and with the fold that it validates on.

    Attributes:
        row: its row's name.
        seed: of the new head's weights and what else is random in the network.
        fold: from 0; None where there is one validation side.
        directory: of its run, relative to the comparison's.
    """

    row: str
    seed: int
    fold: int | None
    directory: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All rows, and what was left out or noticed."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def grid_problems(options: CompareOptions) -> tuple[str, ...]:
    """Return everything wrong with what is to be compared, but for the names, one sentence each."""
    return tuple(_grid_problems(options))


def make_grid(options: CompareOptions, base: TrainOptions, *, given: frozenset[str], dataset: Dataset) -> Grid:
    """Make the rows of a comparison; those that come to the same plan are one row, and that is noted.

    Args:
        options: what is compared.
        base: the settings that all rows have in common; `plan`, if it is given, is one strategy more.
        given: the names of those settings that the user gave.
        dataset: the pictures, for the number of classes, labels or targets.

    Raises:
        ConfigError: unknown models, strategies that fit no layers, settings that contradict each other: all of them.
    """
    problems: dict[str, None] = {}  # each once, in order
    rows: dict[tuple[object, ...], Row] = {}
    notes: list[str] = []
    several = (len(options.models) > 1, len(options.sizes) > 1)
    short = [network_name(model) for model in options.models]
    names = dict(zip(options.models, short if len(set(short)) == len(short) else options.models, strict=True))

    @functools.cache
    def layers_of(architecture: str, size: int | None, hidden: int | None, features: FeatureSource) -> Layers:
        return model_layers(architecture, size=size, hidden=hidden, features=features, n_outputs=len(dataset.outputs))

    sha256 = functools.cache(sha256_of)

    for wanted, said in _wanted(options, base, given):
        try:
            settings = settled(wanted, said)
            features = settings.features or "last"
            layers = layers_of(architecture_of(settings), settings.size, settings.hidden, features)
            plan = write_plan(settings, layers, given=said)
            weights = weights_of(settings)
            weights_sha256 = None if weights is None else sha256(weights)
        except UnfreezeError as error:
            problems[str(error)] = None
            continue
        model = names.get(settings.model, settings.model)
        row = _row(settings, plan, several=several, model=model, weights_sha256=weights_sha256)
        key = _what_trains(row)
        if key in rows:
            notes.append(f'"{row.name}" comes to the same plan as "{rows[key].name}" and is not trained again.')
        else:
            rows[key] = row
    raise_together(list(problems))
    return Grid(rows=tuple(rows.values()), notes=tuple(notes))


def cells_of(rows: Sequence[Row], options: CompareOptions, *, first_seed: int, work: Mapping[str, float]) -> list[Cell]:
    """Return all cells, those of the cheapest row first, so that a budget's end finds as many rows finished as can be.

    Args:
        rows: the grid's.
        options: how many seeds and folds.
        first_seed: seeds are this one and those after it.
        work: of one training of each row, by its name.
    """
    names = _directories(rows)
    folds = [None] if options.folds is None else list(range(options.folds))
    cheapest = sorted(rows, key=lambda row: work[row.name])
    return [
        Cell(row=row.name, seed=seed, fold=fold, directory=_directory(names[row.name], seed, fold))
        for row in cheapest
        for seed in range(first_seed, first_seed + options.seeds)
        for fold in folds
    ]


def _grid_problems(options: CompareOptions) -> Iterator[str]:
    if options.seeds < 1:
        yield f"--seeds must be at least 1, but got {options.seeds}."
    if options.folds is not None and options.folds < FEWEST_FOLDS:
        yield f"--folds must be at least {FEWEST_FOLDS}, but got {options.folds}; leave it out for one validation side."
    for name in ("strategies", "models", "sizes"):
        values = getattr(options, name)
        if twice := sorted({str(value) for value in values if values.count(value) > 1}):
            yield f"--{name} names {', '.join(twice)} more than once."
    if not options.strategies:
        yield "--strategies names nothing; give at least one, as head,stages:2."
    for size in options.sizes:
        if size < SMALLEST_SIZE:
            yield f"--sizes must each be at least {SMALLEST_SIZE} px, but got {size}."


def _wanted(
    options: CompareOptions, base: TrainOptions, given: frozenset[str]
) -> Iterator[tuple[TrainOptions, frozenset[str]]]:
    """Yield the settings of each row, and which of them the user gave, before anything is checked."""
    models = options.models or (base.model,)
    sizes = options.sizes or (base.size,)
    named = given | ({"model"} if options.models else set()) | ({"size"} if options.sizes else set())
    strategies = (*options.strategies, *((PLAN,) if base.plan is not None else ()))
    for model in models:
        for size in sizes:
            for strategy in strategies:
                from_file = strategy == PLAN and base.plan is not None
                yield (
                    msgspec.structs.replace(
                        base, model=model, size=size, strategy=strategy, plan=base.plan if from_file else None
                    ),
                    named - set(SAID_BY_PLAN) if from_file else named,
                )


def _row(
    settings: TrainOptions, plan: Plan, *, several: tuple[bool, bool], model: str, weights_sha256: str | None
) -> Row:
    assert plan.layers.size is not None, "a known network is measured at its size"
    size = plan.layers.size[0]
    strategy = settings.strategy if settings.plan is None else f"plan {Path(settings.plan).stem}"
    parts = [strategy]
    if several[0]:
        parts.append(model)
    if several[1]:
        parts.append(f"{size} px")
    n_trained = max(phase.n_trained for phase in summarise(plan))
    return Row(
        name=", ".join(parts),
        options=settings,
        plan=plan,
        size=size,
        n_trained=n_trained,
        weights_sha256=weights_sha256,
    )


def _what_trains(row: Row) -> tuple[object, ...]:
    """Return what tells two rows apart, without the names that they give it."""
    plan = row.plan
    phases = (
        (
            phase.epochs, plan.selected(index), tuple(sorted(plan.peak_lrs(index).items())), phase.schedule,
            phase.warmup, phase.norm, phase.weight_decay, phase.solver, phase.select_features, phase.patience,
        )
        for index, phase in enumerate(plan.phases)
    )  # fmt: skip
    said = {name: getattr(TrainOptions(), name) for name in (*SAID_BY_PLAN, "plan", "size")}
    return (msgspec.structs.replace(row.options, **said), plan.layers.size, *phases)


def _directories(rows: Sequence[Row]) -> dict[str, str]:
    """Return for each row what its runs' directories begin with."""
    found: dict[str, str] = {}
    for row in rows:
        model = Path(row.options.model).name
        plain = re.sub(r"[^\w.]+", "-", f"{row.name.partition(',')[0]}-{model}-{row.size}").strip("-")
        n_alike = sum(other.rpartition("~")[0] == plain or other == plain for other in found.values())
        found[row.name] = f"{plain}~{n_alike + 1}" if n_alike else plain
    return found


def _directory(row: str, seed: int, fold: int | None) -> str:
    return f"runs/{row}-seed{seed}" + ("" if fold is None else f"-fold{fold}")
