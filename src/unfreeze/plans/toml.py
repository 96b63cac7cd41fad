"""Plans as TOML, both ways: a file can be generated, edited by hand, and run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import tomli_w

from unfreeze.errors import PlanError, did_you_mean, raise_together
from unfreeze.layers import Layers
from unfreeze.plans.checks import STEP_KEYS, find_problems, without_meaning
from unfreeze.plans.phase import Phase, PlanSettings
from unfreeze.plans.plan import Plan
from unfreeze.records import AugmentName, FeatureSource

__all__ = ["PLAN_VERSION", "format_plan", "read_plan", "read_settings"]

PLAN_VERSION = 1
AUGMENTS, FEATURES = get_args(AugmentName), get_args(FeatureSource)
REQUIRED = tuple(field.name for field in fields(Phase) if field.default is MISSING and field.default_factory is MISSING)


def format_plan(plan: Plan) -> str:
    """Return a plan as TOML text, with real names and every value written out."""
    document: dict[str, Any] = {"version": PLAN_VERSION}
    document |= _said(plan.settings)
    document["phase"] = [_format_phase(phase) for phase in plan.phases]
    return tomli_w.dumps(document)


def read_plan(source: str | Path, *, layers: Layers) -> Plan:
    """Read a plan from a path, or from TOML text (a string with a line break or `[[phase]]` in it).

    Raises:
        PlanError: all that is wrong, at once: keys, types, ranges, and selectors that match nothing.
    """
    document = _parse(source)
    problems: list[str] = []
    settings = _read_table(document, SETTINGS, known=[*SETTINGS, "version", "phase"], where="", problems=problems)
    version = document.get("version", PLAN_VERSION)
    if version != PLAN_VERSION:
        problems.append(f"version must be {PLAN_VERSION}, but got {version!r}: the plan is for another unfreeze.")
    phases = list(_read_phases(document.get("phase", []), problems))
    complete = [phase for phase in phases if phase is not None]
    if len(complete) == len(phases):
        problems += find_problems(layers, complete)
    raise_together(problems, PlanError)
    return Plan(layers=layers, phases=tuple(complete), settings=PlanSettings(**settings))


def read_settings(source: str | Path) -> PlanSettings:
    """Read what a plan opens with (its network, size, …), before there are layers to resolve its phases against.

    Raises:
        PlanError: the plan is missing, is not TOML, or its first lines say something unknown or impossible.
    """
    problems: list[str] = []
    known = [*SETTINGS, "version", "phase"]
    settings = _read_table(_parse(source), SETTINGS, known=known, where="", problems=problems)
    raise_together(problems, PlanError)
    return PlanSettings(**settings)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a key takes: how to say it, and how to read it (None where the value does not fit)."""

    words: str
    read: Any


def _parse(source: str | Path) -> dict[str, Any]:
    if isinstance(source, str) and ("\n" in source or "[[" in source):
        text, name = source, "The plan"
    else:
        name = f'The plan "{source}"'
        try:
            text = Path(source).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise PlanError(f"{name} does not exist. `unfreeze plan MODEL --toml` writes one to begin with.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"{name} cannot be read as a text file: {error}.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{name} is not TOML: {error}.") from None


def _read_phases(tables: Any, problems: list[str]) -> Iterator[Phase | None]:
    """Read each phase; None for one whose keys are wrong, which `problems` then tells."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append("Phases are written as [[phase]], with double brackets.")
        return
    for number, table in enumerate(tables, start=1):
        name = table.get("name")
        where = f'Phase {number} ("{name}"): ' if isinstance(name, str) else f"Phase {number}: "
        n_before = len(problems)
        values = _read_table(table, PHASE, known=list(PHASE), where=where, problems=problems)
        needed = REQUIRED if table.get("solver") == "lbfgs" else (*REQUIRED, "lr")
        problems += [f'{where}"{key}" is missing: {PHASE[key].words}.' for key in needed if key not in table]
        said = [key for key in STEP_KEYS if key in table]
        if table.get("solver") == "lbfgs" and said:  # also those that say no more than the default does
            problems.append(where + without_meaning("lbfgs", said))
        yield Phase(**values) if len(problems) == n_before else None


def _read_table(
    table: Mapping[str, Any], kinds: Mapping[str, _Kind], *, known: list[str], where: str, problems: list[str]
) -> dict[str, Any]:
    values = {}
    for key, got in table.items():
        if key not in known:
            problems.append(
                f'{where}the key "{key}" is unknown.{did_you_mean(key, known)} Known are: {", ".join(known)}.'
            )
        elif key in kinds:
            value = kinds[key].read(got)
            if value is None:
                problems.append(f'{where}"{key}" must be {kinds[key].words}, but got {got!r}.')
            else:
                values[key] = value
    return values


def _format_phase(phase: Phase) -> dict[str, Any]:
    table = _said(phase)
    table["train"] = phase.train[0] if len(phase.train) == 1 else list(phase.train)
    rates = table.pop("rates")
    if not phase.takes_steps:
        return {key: value for key, value in table.items() if key not in STEP_KEYS}
    return {**table, "rates": dict(rates)} if rates else table


def _said(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields, in order, that say something; TOML has no null."""
    each: tuple[Field[Any], ...] = fields(value)
    return {field.name: getattr(value, field.name) for field in each if getattr(value, field.name) is not None}


def _text(got: Any) -> str | None:
    return got if isinstance(got, str) else None


def _whole(got: Any) -> int | None:
    return got if isinstance(got, int) and not isinstance(got, bool) else None


def _at_least_one(got: Any) -> int | None:
    number = _whole(got)
    return number if number is not None and number >= 1 else None


def _number(got: Any) -> float | None:
    return float(got) if isinstance(got, int | float) and not isinstance(got, bool) else None


def _share(got: Any) -> float | str | None:
    return "auto" if got == "auto" else _number(got)


def _selectors(got: Any) -> tuple[str, ...] | None:
    each = [got] if isinstance(got, str) else got
    fits = isinstance(each, list) and all(isinstance(part, str) for part in each)
    return tuple(each) if fits else None


def _rates(got: Any) -> dict[str, float] | None:
    fits = isinstance(got, dict) and all(_number(rate) is not None for rate in got.values())
    return {selector: float(rate) for selector, rate in got.items()} if fits else None


def _one_of(got: Any, known: tuple[str, ...]) -> str | None:
    return got if got in known else None


POSITIVE = _Kind("a whole number of at least 1", _at_least_one)
TEXT = _Kind("text in quotes", _text)
NUMBER = _Kind("a number", _number)

SETTINGS: Mapping[str, _Kind] = {
    "model": TEXT,
    "size": POSITIVE,
    "hidden": POSITIVE,
    "features": _Kind(f"one of {', '.join(FEATURES)}", lambda got: _one_of(got, FEATURES)),
    "views": POSITIVE,
    "augment": _Kind(f"one of {', '.join(AUGMENTS)}", lambda got: _one_of(got, AUGMENTS)),
}
PHASE: Mapping[str, _Kind] = {
    "name": TEXT,
    "epochs": _Kind("a whole number", _whole),
    "train": _Kind("a selector, or a list of selectors", _selectors),
    "lr": NUMBER,
    "layer_decay": NUMBER,
    "rates": _Kind('a table of numbers by selector, as { "layer3" = 1e-5 }', _rates),
    "schedule": TEXT,
    "warmup": NUMBER,
    "norm": TEXT,
    "weight_decay": NUMBER,
    "solver": TEXT,
    "select_features": _Kind('"auto", or a share above 0 and at most 1', _share),
    "patience": _Kind("a whole number", _whole),
}
