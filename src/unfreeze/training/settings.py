"""Settings before anything is read: a plan file's own ones taken over, a run continued, all problems at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from unfreeze.backbones import check_model_name, probe_size
from unfreeze.errors import UnfreezeError, raise_together
from unfreeze.options import FROZEN_STRATEGIES, option_problems, solver_of
from unfreeze.plans import read_settings
from unfreeze.records import ModelRecord, TrainOptions, read_json
from unfreeze.training.device import device_problem
from unfreeze.training.directory import out_problem

__all__ = ["architecture_of", "settled", "weights_of"]


def settled(
    options: TrainOptions, given: frozenset[str], *, data: Path | None = None, out: Path | None = None
) -> TrainOptions:
    """Return the options with what a plan file says at its top, or the run that `model` names, filled in.

    Everything that is wrong with them is raised together, before any picture is read.

    Args:
        options: the settings.
        given: the names of those that the user gave; they must not contradict the plan file.
        data: the folder or table to learn from, where there is to be a training.
        out: the run directory, where the user names one.

    Raises:
        ConfigError: with one line for each problem.
        PlanError: the plan file cannot be read, so that nothing else can be told.
    """
    said = _said_by_plan(options)
    problems = [
        f'--{name} {getattr(options, name)} contradicts {name} = {value} in "{options.plan}"; leave one out.'
        for name, value in said.items()
        if name in given and getattr(options, name) != value
    ]
    filled = msgspec.structs.replace(options, **{n: v for n, v in said.items() if n not in given})
    problems += option_problems(filled, given=given)
    found = (
        _message(lambda: architecture_of(filled)),
        None
        if data is None or data.exists()
        else f'"{data}" does not exist; give a folder of class folders, or a table.',
        _weights_problem(filled),
        device_problem(filled.device, filled.precision),
        _engine_problem(filled.engine),
        None if out is None else out_problem(out),
    )
    raise_together([*problems, *(problem for problem in found if problem)])
    if filled.plan is not None:
        filled = msgspec.structs.replace(filled, strategy="plan")
    if filled.strategy == "head2toe":
        filled = msgspec.structs.replace(filled, features="stages")
    record = _run_model(filled)
    if record is None:
        if filled.size is None and filled.strategy in FROZEN_STRATEGIES:
            return msgspec.structs.replace(filled, size=probe_size(architecture_of(filled)))
        return filled
    return msgspec.structs.replace(
        filled,
        # A head that is fitted at once is linear, and new.
        hidden=record.hidden if filled.hidden is None and solver_of(filled) != "lbfgs" else filled.hidden,
        features=record.features if filled.features is None else filled.features,
        size=record.size[0] if filled.size is None else filled.size,
    )


def architecture_of(options: TrainOptions) -> str:
    """Return the name of the timm network that the options mean, directly or through a run.

    Raises:
        ModelError: there is none of this name; the nearest are offered.
    """
    record = _run_model(options)
    return check_model_name(options.model) if record is None else record.architecture


def weights_of(options: TrainOptions) -> Path | None:
    """Return the file that the weights come from: the one given, or that of the run that `model` names."""
    if _run_model(options) is not None:
        return Path(options.model) / "model.safetensors"
    return None if options.weights is None else Path(options.weights)


def _said_by_plan(options: TrainOptions) -> dict[str, Any]:
    if options.plan is None:
        return {}
    settings = asdict(read_settings(Path(options.plan)))
    return {name: value for name, value in settings.items() if value is not None}


def _run_model(options: TrainOptions) -> ModelRecord | None:
    file = Path(options.model) / "model.json"
    return read_json(file, ModelRecord) if file.is_file() else None


def _engine_problem(engine: str) -> str | None:
    if engine == "openvino" and find_spec("openvino") is None:
        return (
            '--engine openvino: OpenVINO is not installed; run: pip install "openvino>=2025.0", or leave --engine out.'
        )
    return None


def _weights_problem(options: TrainOptions) -> str | None:
    if options.weights is None:
        return None
    if _run_model(options) is not None:
        return f'--weights contradicts --model "{options.model}", a run with weights of its own; leave one out.'
    if not Path(options.weights).is_file():
        return f'--weights "{options.weights}" does not exist.'
    return None


def _message(check: Callable[[], object]) -> str | None:
    try:
        check()
    except UnfreezeError as error:
        return str(error)
    return None
