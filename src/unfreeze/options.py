"""What settings may be, and which of them contradict each other: checked all at once, before any work begins.

Nothing here loads torch: the command line asks before it imports anything heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Literal, get_args, get_origin

import msgspec

from unfreeze.command_words import flag
from unfreeze.errors import ConfigError, did_you_mean, raise_together
from unfreeze.records import TrainOptions

__all__ = [
    "FROZEN_STRATEGIES",
    "SAID_BY_PLAN",
    "SMALLEST_SIZE",
    "check_options",
    "option_problems",
    "phase_augment",
    "seed_of_data",
    "solver_of",
    "solver_problems",
]

SMALLEST_SIZE = 16  # px: below it the common networks reduce a picture to nothing
FROZEN_STRATEGIES = frozenset({"head", "head2toe"})  # under which nothing but the head ever trains
LEAST_LEVEL = 0.5  # of prediction sets: below, the sets would be wrong more often than right
LARGEST_SEED = 2**32 - 1  # what numpy and torch both take
# What a plan file says itself, phase by phase. Its header (model, size, …) is compared when it is read.
SAID_BY_PLAN = ("strategy", "epochs", "lr", "solver", "select_features", "patience")


def check_options(options: TrainOptions, *, given: frozenset[str] = frozenset()) -> None:
    """Raise one error that names everything wrong with the settings; return if nothing is.

    Args:
        options: The settings of a training.
        given: Names of the settings that the user gave; the others are defaults and contradict nothing.

    Raises:
        ConfigError: Values of the wrong kind or out of range, and settings that contradict each other.

    Example:
        >>> check_options(TrainOptions(epochs=0))
        Traceback (most recent call last):
        unfreeze.errors.ConfigError: --epochs must be at least 1, but got 0.
    """
    raise_together(option_problems(options, given=given), ConfigError)


def option_problems(
    options: TrainOptions, *, given: frozenset[str] = frozenset(), of_strategy: bool = True
) -> tuple[str, ...]:
    """Return everything wrong with the settings, one sentence each, to be reported with other problems.

    Args:
        options: The settings of a training.
        given: Names of the settings that the user gave; the others are defaults and contradict nothing.
        of_strategy: Also what contradicts the strategy; not where others are to take its place.
    """
    wrong_kinds = tuple(_kind_problems(options))
    if wrong_kinds:  # ranges of values that are not even numbers cannot be told
        return wrong_kinds
    by_strategy = _contradictions_of_strategy(options, given) if of_strategy else ()
    return (
        *_range_problems(options),
        *_contradictions(options, given),
        *by_strategy,
        *_contradictions_of_task(options),
    )


def phase_augment(options: TrainOptions, *, head_alone: bool) -> Literal["none", "light", "standard"]:
    """Return how pictures are varied in a phase.

    Unless told otherwise, lightly where pretrained layers train, and not at all where the head alone does: its input is
    then computed once, and varying it gained nothing (docs/adr/0014).
    """
    if options.augment is not None:
        return options.augment
    if options.views is not None:
        return "light" if options.views > 1 else "none"
    return "none" if head_alone else "light"


def solver_problems(
    options: TrainOptions, *, solvers: Sequence[str], given: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield what contradicts `lbfgs`, where a phase is solved by it: it fits a linear head to all pictures at once.

    What the phases of another solver can use, as a limit of the gradient, contradicts only where there are none.

    Args:
        options: The settings of a training, with what a plan file says at its top.
        solvers: Of all phases.
        given: Names of the settings that the user gave; the others are defaults and contradict nothing.
    """
    if "lbfgs" not in solvers:
        return
    alone, why = set(solvers) == {"lbfgs"}, 'contradicts solver "lbfgs", which'
    if options.lr is not None and options.plan is None:
        yield f"--lr {_rate_text(options.lr)} {why} has no rate. Leave it out."
    if options.hidden is not None:
        yield f'--hidden {options.hidden} {why} fits a linear head. Leave it out, or take solver "adamw".'
    if options.balance == "sampling":
        yield f"--balance sampling {why} sees every picture once. Use --balance weights."
    if not alone:
        return
    if "clip" in given and options.clip is not None:
        yield f"--clip {options.clip:g} {why} takes no steps along the gradient. Leave it out."
    if options.augment not in {None, "none"}:
        yield f"--augment {options.augment} {why} sees every picture once, as it is evaluated. Leave it out."
    if options.views is not None and options.views > 1:
        yield f"--views {options.views} {why} sees every picture once, as it is evaluated. Leave it out."
    if options.precision == "bf16":
        yield f"--precision bf16 {why} computes in full precision. Leave it out."


def solver_of(options: TrainOptions) -> str:
    """Return what trains by a strategy, unless told otherwise: L-BFGS where a head reads all depths, else AdamW."""
    return options.solver or ("lbfgs" if options.strategy == "head2toe" else "adamw")


def seed_of_data(options: TrainOptions) -> int:
    """Return the seed of what a training makes of its pictures: their split, their order, their views.

    What is left to `seed` alone is inside the network: the new head's weights, dropout, stochastic depth. Trainings
    that share it learn from the same views in the same order, whatever their seeds, and share what frozen layers give.
    """
    return options.seed if options.data_seed is None else options.data_seed


def _kind_problems(options: TrainOptions) -> Iterator[str]:
    for field in msgspec.structs.fields(TrainOptions):
        value = getattr(options, field.name)
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            choices = _choices(field.type)
            if field.name == "lr":
                yield f'--lr must be a number above 0, or "auto" to find one by a range test, but got {value!r}.'
            elif field.name == "select_features":
                yield f'--select-features must be "auto", or a share above 0 and at most 1, but got {value!r}.'
            elif choices:
                known = ", ".join(choices)
                near = did_you_mean(str(value), choices)
                yield f'{flag(field.name)} must be one of {known}, but got "{value}".{near}'
            else:
                yield f"{flag(field.name)}: {str(error)[0].lower()}{str(error)[1:]} ({value!r})."


def _choices(kind: Any) -> tuple[str, ...]:
    """Return the values of a Literal type, also inside an Optional."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) for choice in _choices(part))


def _range_problems(options: TrainOptions) -> Iterator[str]:
    least = {"epochs": 1, "batch_size": 1, "hidden": 1, "views": 1, "patience": 1, "size": SMALLEST_SIZE}
    for name, smallest in least.items():
        value = getattr(options, name)
        if value is not None and value < smallest:
            unit = " px" if name == "size" else ""
            yield f"{flag(name)} must be at least {smallest}{unit}, but got {value}."
    for name in ("seed", "data_seed"):
        seed = getattr(options, name)
        if seed is not None and not 0 <= seed <= LARGEST_SEED:
            yield f"{flag(name)} must be between 0 and {LARGEST_SEED}, but got {seed}."
    if isinstance(options.lr, float | int) and not (isfinite(options.lr) and options.lr > 0):
        yield (f'--lr must be a number above 0, or "auto", but got {options.lr}; the usual rate of a new head is 1e-3.')
    if options.clip is not None and not (isfinite(options.clip) and options.clip > 0):
        yield f'--clip must be a number above 0, or "none" for no clipping, but got {options.clip}.'
    if options.metric is not None:
        yield from _metric_problem(options.metric, options.task)
    yield from _share_problems(options)


def _share_problems(options: TrainOptions) -> Iterator[str]:
    share = options.select_features
    if isinstance(share, float | int) and not 0 < share <= 1:
        yield f'--select-features must be "auto", or a share above 0 and at most 1, but got {share}.'
    if options.conformal is not None and not LEAST_LEVEL <= options.conformal < 1:
        yield (
            f"--conformal must be at least {LEAST_LEVEL} and below 1, but got {options.conformal}; "
            "0.9 asks for sets that hold the truth nine times in ten."
        )
    if not 0 <= options.label_smoothing < 1:
        yield f"--label-smoothing must be at least 0 and below 1, but got {options.label_smoothing}."


def _rate_text(lr: float | str) -> str:
    return lr if isinstance(lr, str) else f"{lr:g}"


def _metric_problem(metric: str, task: str) -> Iterator[str]:
    from unfreeze.metrics import METRICS

    known = [name for each, names in METRICS.items() if task in {"auto", each} for name in names]
    if metric not in known:
        where = "" if task == "auto" else f" with --task {task}"
        yield f'--metric must be one of {", ".join(known)}{where}, but got "{metric}".{did_you_mean(metric, known)}'


def _contradictions(options: TrainOptions, given: frozenset[str]) -> Iterator[str]:
    if options.plan is not None:
        for name in SAID_BY_PLAN:
            if name in given:
                yield f"{flag(name)} contradicts --plan: the plan file says it itself. Leave one of them out."
    if options.augment == "none" and options.views is not None and options.views > 1:
        yield f"--views {options.views} contradicts --augment none: without augmentation all views are the same."
    if options.augment not in {None, "none"} and options.views == 1:
        yield f"--views 1 contradicts --augment {options.augment}: the first view is the picture as it is evaluated."
    if options.cache_dir is not None and not options.cache:
        yield "--cache-dir contradicts --no-cache: either what is computed is kept, or it is not."
    if options.weights is not None and not options.pretrained:
        yield "--weights contradicts --no-pretrained: pretrained weights are either read or not."


def _contradictions_of_strategy(options: TrainOptions, given: frozenset[str]) -> Iterator[str]:
    if options.strategy == "head2toe" and options.features == "last":
        yield "--features last contradicts --strategy head2toe: its head reads the outputs of all stages."
    if options.plan is None and solver_of(options) == "lbfgs":
        if options.strategy not in FROZEN_STRATEGIES:
            yield (
                f"--strategy {options.strategy} contradicts --solver lbfgs, which fits nothing but the head. "
                'Use --strategy head, or a plan file in which the head\'s phase has solver = "lbfgs".'
            )
        yield from solver_problems(options, solvers=("lbfgs",), given=given)
    if options.select_features is not None and options.plan is None and solver_of(options) != "lbfgs":
        yield (
            f"--select-features {_rate_text(options.select_features)} contradicts --strategy {options.strategy} with "
            f"--solver {solver_of(options)}: features are selected for a head that is fitted at once. "
            "Use --strategy head2toe, or --strategy head --solver lbfgs."
        )


def _contradictions_of_task(options: TrainOptions) -> Iterator[str]:
    if options.task == "regression":
        if options.balance != "none":
            yield f"--balance {options.balance} contradicts --task regression: values have no classes to balance."
        if options.label_smoothing:
            yield "--label-smoothing contradicts --task regression: it is for classes and labels."
    if options.task == "multilabel" and options.balance == "sampling":
        yield (
            "--balance sampling contradicts --task multilabel: a picture with several labels cannot be drawn "
            "for one of them. Use --balance weights."
        )
    if options.task == "multilabel" and options.conformal is not None:
        yield (
            f"--conformal {options.conformal:g} contradicts --task multilabel: prediction sets are for classes, and "
            "intervals for values; the labels of a picture are a set already. Leave it out."
        )
