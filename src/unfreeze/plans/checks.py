"""Everything that can be wrong with phases, found together and before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import get_args

from unfreeze.errors import SelectorError, did_you_mean
from unfreeze.layers import Layers
from unfreeze.plans.phase import NormMode, Phase, Schedule, Solver
from unfreeze.plans.rates import peak_lrs, trained_leaves

__all__ = ["find_problems"]


def find_problems(layers: Layers, phases: Sequence[Phase]) -> list[str]:
    """Return a sentence for each thing that is wrong, with what was expected and what was got."""
    if not phases:
        return ["A plan needs at least one phase, but got none."]
    found: list[str] = []
    for number, phase in enumerate(phases, start=1):
        where = f'Phase {number} ("{phase.name}")'
        problems = (*_value_problems(phase), *_choice_problems(phase), *_layer_problems(layers, phase))
        found += [f"{where}: {problem}" for problem in problems]
    names = [phase.name for phase in phases]
    found += [f'Two phases are named "{name}": give each a name of its own.' for name in _repeated(names)]
    if len({phase.solver for phase in phases}) > 1:
        solvers = ", ".join(phase.solver for phase in phases)
        found.append(f"The solver must be the same in all phases, which share one optimizer, but got {solvers}.")
    return found


def _value_problems(phase: Phase) -> Iterator[str]:
    if not phase.name.strip():
        yield "name must not be empty."
    if phase.epochs < 1:
        yield f"epochs must be at least 1, but got {phase.epochs}."
    if not (isfinite(phase.lr) and phase.lr > 0):
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
    if not unknown and phase.lr > 0 and phase.layer_decay > 0:
        vanished = [name for name, lr in peak_lrs(layers, phase).items() if lr == 0]
        if vanished and all(rate > 0 for rate in phase.rates.values()):
            yield f'layer_decay {phase.layer_decay} makes the rate of "{vanished[0]}" 0: bring it nearer 1.'


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
