"""Everything that can be wrong with phases, found together and before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import isfinite
from typing import get_args

from unfreeze.errors import SelectorError, did_you_mean
from unfreeze.layers import Layers
from unfreeze.plans.phase import NormMode, Phase, Schedule, Solver
from unfreeze.plans.rates import peak_lrs, trained_leaves

__all__ = ["STEP_KEYS", "find_problems", "without_meaning"]

# What says how an optimizer takes its steps, and so means nothing where the solver takes none.
STEP_KEYS = ("lr", "layer_decay", "rates", "schedule", "warmup", "weight_decay")


def find_problems(layers: Layers, phases: Sequence[Phase]) -> list[str]:
    """Return a sentence for each thing that is wrong, with what was expected and what was got."""
    if not phases:
        return ["A plan needs at least one phase, but got none."]
    found: list[str] = []
    for number, phase in enumerate(phases, start=1):
        where = f'Phase {number} ("{phase.name}")'
        problems = (
            *_value_problems(phase),
            *_choice_problems(phase),
            *_selection_problems(phase),
            *_layer_problems(layers, phase),
            *_solver_problems(layers, phase),
        )
        found += [f"{where}: {problem}" for problem in problems]
    names = [phase.name for phase in phases]
    found += [f'Two phases are named "{name}": give each a name of its own.' for name in _repeated(names)]
    solvers = [phase.solver for phase in phases if phase.takes_steps]
    if len(set(solvers)) > 1:
        found.append(
            f"The solver must be the same in all phases that train by steps, which share one optimizer, "
            f"but got {', '.join(solvers)}."
        )
    return found


def _value_problems(phase: Phase) -> Iterator[str]:
    if not phase.name.strip():
        yield "name must not be empty."
    if phase.epochs < 1:
        yield f"epochs must be at least 1, but got {phase.epochs}."
    if phase.lr is None and phase.takes_steps:
        yield f'lr is missing: a number above 0, the rate at which "{phase.solver}" trains the head.'
    if phase.lr is not None and not (isfinite(phase.lr) and phase.lr > 0):
        yield f"lr must be a number above 0, but got {phase.lr}."
    if not 0 < phase.layer_decay <= 1:
        yield f"layer_decay must be above 0 and at most 1 (no decay), but got {phase.layer_decay}."
    if not 0 <= phase.warmup < 1:
        yield f"warmup is a share of the phase, from 0 to below 1, but got {phase.warmup}."
    elif phase.warmup and phase.schedule == "one-cycle":
        yield f'warmup is {phase.warmup}, but "one-cycle" rises by itself: leave it out, or take "cosine".'
    if not (isfinite(phase.weight_decay) and phase.weight_decay >= 0):
        yield f"weight_decay must be a number of at least 0, but got {phase.weight_decay}."
    if phase.patience is not None and phase.patience < 1:
        yield f"patience must be at least 1 epoch, but got {phase.patience}. Leave it out to run to the end."


def _selection_problems(phase: Phase) -> Iterator[str]:
    share = phase.select_features
    if share is None:
        return
    if phase.takes_steps:
        yield f'select_features means nothing to solver "{phase.solver}": leave it out, or take "lbfgs".'
    if share != "auto" and not (isinstance(share, float | int) and 0 < share <= 1):
        yield f'select_features must be "auto", or a share above 0 and at most 1, but got {share!r}.'


def _choice_problems(phase: Phase) -> Iterator[str]:
    for key, known in (("schedule", Schedule), ("norm", NormMode), ("solver", Solver)):
        value = getattr(phase, key)
        if value not in get_args(known):
            near = did_you_mean(str(value), get_args(known))
            yield f'{key} must be one of {", ".join(get_args(known))}, but got "{value}".{near}'


def _layer_problems(layers: Layers, phase: Phase) -> Iterator[str]:
    if not phase.train:
        yield 'it trains nothing: "train" must select at least one layer, as "head" does.'
        return
    try:
        trained = trained_leaves(layers, phase)
    except SelectorError as error:
        yield str(error)
        return
    if not trained:
        yield f'it trains nothing: {", ".join(phase.train)} are norm layers alone, and norm is "frozen".'
    unknown = False
    for selector, rate in phase.rates.items():
        if not (isfinite(rate) and rate > 0):
            yield f'the rate of "{selector}" must be above 0, but got {rate}. To freeze it, do not train it.'
        try:
            if not layers.select(selector) & trained:
                yield f'rates names "{selector}", which does not train here: train it, or leave the rate out.'
        except SelectorError as error:
            unknown = True
            yield f"rates: {error}"
    if not unknown and phase.lr is not None and phase.lr > 0 and phase.layer_decay > 0:
        vanished = [name for name, lr in peak_lrs(layers, phase).items() if lr == 0]
        if vanished and all(rate > 0 for rate in phase.rates.values()):
            yield f'layer_decay {phase.layer_decay} makes the rate of "{vanished[0]}" 0: bring it nearer 1.'


def _solver_problems(layers: Layers, phase: Phase) -> Iterator[str]:
    """Yield what does not fit a solver that takes no steps."""
    if phase.takes_steps:
        return
    defaults = {field.name: field.default for field in fields(Phase)} | {"rates": {}}
    said = [key for key in STEP_KEYS if getattr(phase, key) != defaults[key]]
    if said:
        yield without_meaning(phase.solver, said)
    head = layers.groups[-1].leaves
    if len(head) != 1 or head[0].kind != "linear":
        yield f'solver "{phase.solver}" fits a linear head, but this head has a hidden layer: leave "hidden" out.'
    try:
        trained = trained_leaves(layers, phase) if phase.train else frozenset()
    except SelectorError:
        return  # told already
    more = trained - {leaf.name for leaf in head}
    if more:
        yield (
            f'solver "{phase.solver}" fits nothing but the head, but {", ".join(phase.train)} trains: '
            'write train = "head", or take "adamw".'
        )


def without_meaning(solver: Solver, keys: Sequence[str]) -> str:
    """Say that keys of a phase mean nothing to its solver."""
    verb = "means" if len(keys) == 1 else "mean"
    it = "it" if len(keys) == 1 else "them"
    return f'{", ".join(keys)} {verb} nothing to solver "{solver}", which takes no steps: leave {it} out.'


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
