"""How figures, times, rates and settings are said in words, the same in the report and the methods paragraph."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from unfreeze.command_words import flag, flag_words
from unfreeze.metrics import PERCENTAGES
from unfreeze.options import SAID_BY_PLAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.comparison_records import CompareRecord
    from unfreeze.records import Interval, RunRecord

__all__ = [
    "METRIC_NAMES",
    "METRIC_NOTES",
    "OUTPUT_WORDS",
    "TASK_NAMES",
    "amount",
    "command",
    "compare_command",
    "count",
    "difference",
    "difference_mark",
    "difference_size",
    "duration",
    "figure",
    "interval",
    "listed",
    "mark_text",
    "rate",
]

TASK_NAMES = {
    "classification": "classification",
    "multilabel": "multi-label classification",
    "regression": "regression",
}
OUTPUT_WORDS = {"classification": "class", "multilabel": "label", "regression": "target"}
METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "ece": "calibration error",
    "auroc": "AUROC",
    "coverage": "coverage",
    "set_size": "mean set size",
    "map": "mean average precision",
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
}
METRIC_NOTES = {
    "accuracy": "share of pictures that are right",
    "balanced_accuracy": "mean share right per class, so that rare classes count as much as common ones",
    "macro_f1": "mean over classes of the balance between finding all and finding only them",
    "log_loss": "surprise at the truth; lower is better, and being surely wrong costs most",
    "ece": "how far the stated confidence is from the share right; lower is better",
    "auroc": "chance that a picture of a class scores above one of another class",
    "coverage": "how often the prediction set (or interval) holds the truth",
    "set_size": "classes in a prediction set; 1 is best",
    "map": "mean over labels of the precision at every picture found",
    "f1_micro": "balance between finding all labels and finding only true ones",
    "f1_macro": "the same per label, then averaged",
    "mae": "mean distance from the true value, in its units; lower is better",
    "rmse": "the same with large errors counting more; lower is better",
    "r2": "share of the targets' spread that is explained; 0 is what their mean would reach",
}
MINUTE, HOUR = 60, 3600
UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def figure(name: str, value: float | None) -> str:
    """Return a metric's value as text.

    >>> figure("accuracy", 0.8519), figure("mae", 1234.567), figure("r2", None)
    ('85.2%', '1235', 'not defined')
    """
    if value is None:
        return "not defined"
    if name in PERCENTAGES:
        return f"{100 * value:.1f}%"
    return f"{value:.4g}" if name in {"mae", "rmse"} else f"{value:.3f}"


def mark_text(name: str, value: float) -> str:
    """Return a metric's value as a mark on an axis: no digits that say nothing.

    >>> mark_text("accuracy", 0.8), mark_text("accuracy", 0.825), mark_text("mae", 1500.0)
    ('80%', '82.5%', '1500')
    """
    return f"{100 * value:.3g}%" if name in PERCENTAGES else f"{value:.4g}"


def difference(name: str, value: float | None) -> str:
    """Return the difference of a metric between two rows as text, with its sign.

    >>> difference("accuracy", -0.0342), difference("mae", 1.5), difference("map", None)
    ('-3.4 points', '+1.5', '–')
    """
    if value is None:
        return "–"
    return f"{'-' if value < 0 else '+'}{difference_size(name, value)}"


def difference_size(name: str, value: float) -> str:
    """Return how large a difference is, whatever its sign.

    >>> difference_size("accuracy", -0.0342), difference_size("map", 0.0342)
    ('3.4 points', '0.034')
    """
    return f"{abs(100 * value):.1f} points" if name in PERCENTAGES else figure(name, abs(value))


def difference_mark(name: str, value: float) -> str:
    """Return a difference as a mark on an axis.

    >>> difference_mark("accuracy", -0.05), difference_mark("mae", 0.5), difference_mark("map", 0.0)
    ('-5', '+0.5', '0')
    """
    shown = 100 * value if name in PERCENTAGES else value
    return f"{shown:+.4g}" if value else "0"


def interval(name: str, value: Interval) -> str:
    """Return a metric's 95% limits as text, empty if there are none.

    >>> from unfreeze.records import Interval
    >>> interval("accuracy", Interval(value=0.85, low=0.7093, high=0.9294))
    '70.9% to 92.9%'
    """
    if value.low is None or value.high is None:
        return ""
    return f"{figure(name, value.low)} to {figure(name, value.high)}"


def rate(value: float) -> str:
    """Return a learning rate as text.

    >>> rate(1e-3), rate(0.00025)
    ('1e-3', '2.5e-4')
    """
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def count(value: int) -> str:
    """Return a whole number with its thousands parted.

    >>> count(4652008)
    '4,652,008'
    """
    return f"{value:,}"


def amount(value: float) -> str:
    """Return a large amount with a unit, in as few digits as tell it.

    >>> amount(1.234e12), amount(1e12), amount(2.5e10), amount(980)
    ('1.2 T', '1 T', '25 G', '980')
    """
    size, unit = next((each for each in UNITS if value >= each[0]), (1.0, ""))
    digits = f"{value / size:.1f}" if value < 10 * size else f"{value / size:.0f}"
    return f"{digits.removesuffix('.0')} {unit}".rstrip()


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them.

    >>> listed(["head"]), listed(["head", "full", "lp-ft"])
    ('head', 'head, full and lp-ft')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def duration(seconds: float) -> str:
    """Return a time as text.

    >>> duration(4.26), duration(75), duration(7265)
    ('4.3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def command(record: RunRecord) -> str:
    """Return the command that trains the same way again: the settings that differ from their defaults."""
    said = () if record.config.plan is None else SAID_BY_PLAN  # by the file; giving them as well would contradict it
    return shlex.join(["unfreeze", "train", record.data.path, *flag_words(record.config, without=said)])


def compare_command(record: CompareRecord) -> str:
    """Return the command that compares the same ways again: what is compared, and the settings that were given."""
    options, config = record.options, record.config
    words = ["unfreeze", "compare", record.data.path, "--strategies", ",".join(options.strategies)]
    for name in ("models", "sizes"):
        values = getattr(options, name)
        words += [flag(name), ",".join(map(str, values))] if values else []
    words += [flag("seeds"), str(options.seeds)] if options.seeds != 1 else []
    words += [flag("folds"), str(options.folds)] if options.folds is not None else []
    return shlex.join([*words, *flag_words(config, given=record.given, without={"strategy"})])
