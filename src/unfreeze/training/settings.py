"""Settings before anything is read: a plan file's own ones taken over, a run continued, all problems at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import msgspec

from unfreeze.backbones import check_model_name
from unfreeze.errors import UnfreezeError, raise_together
from unfreeze.options import option_problems
from unfreeze.plans import read_settings
from unfreeze.records import ModelRecord, TrainOptions, read_json
from unfreeze.training.device import device_problem
from unfreeze.training.directory import out_problem

__all__ = ["architecture_of", "check_settings", "settled", "weights_of"]


def settled(options: TrainOptions, given: frozenset[str]) -> TrainOptions:
    """Return the options with what a plan file says at its top, or the run that `model` names, filled in.

    Args:
        options: the settings.
        given: the names of those that the user gave; they must not contradict the plan file.

    Raises:
        ConfigError: flags and plan file contradict each other.
        PlanError: the plan file cannot be read.
    """
    if options.plan is not None:
        settings = asdict(read_settings(Path(options.plan)))
        said = {name: value for name, value in settings.items() if value is not None}
        problems = [
            f'--{name} {getattr(options, name)} contradicts {name} = {value} in "{options.plan}"; leave one out.'
            for name, value in said.items()
            if name in given and getattr(options, name) != value
        ]
        raise_together(problems)
        options = msgspec.structs.replace(options, **said)
    record = _run_model(options)
    if record is None:
        return options
    return msgspec.structs.replace(
        options,
        hidden=record.hidden if options.hidden is None else options.hidden,
        size=record.size[0] if options.size is None else options.size,
    )


def check_settings(path: Path, options: TrainOptions, *, given: frozenset[str], out: Path | None) -> None:
    """Raise all problems with the settings together, before any picture is read.

    Raises:
        ConfigError: with one line for each problem.
    """
    problems = [
        *option_problems(options, given=given),
        *(
            problem
            for problem in (
                _message(lambda: architecture_of(options)),
                None if path.exists() else f'"{path}" does not exist; give a folder of class folders, or a table.',
                _weights_problem(options),
                device_problem(options.device, options.precision),
                None if out is None else out_problem(out),
            )
            if problem
        ),
    ]
    raise_together(problems)


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


def _run_model(options: TrainOptions) -> ModelRecord | None:
    file = Path(options.model) / "model.json"
    return read_json(file, ModelRecord) if file.is_file() else None


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
