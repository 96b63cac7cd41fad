"""How figures, times, rates and settings are said in words, the same in the report and the methods paragraph."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from unfreeze.options import flag

if TYPE_CHECKING:
    from unfreeze.records import Interval, RunRecord

__all__ = ["METRIC_NAMES", "METRIC_NOTES", "command", "count", "duration", "figure", "interval", "mark_text", "rate"]

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
PERCENTAGES = frozenset({"accuracy", "balanced_accuracy", "coverage"})
MINUTE, HOUR = 60, 3600


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
    words = ["unfreeze", "train", record.data.path]
    for field in msgspec.structs.fields(type(record.config)):
        value = getattr(record.config, field.name)
        if value != field.default:
            words += _flag_words(field.name, value)
    return shlex.join(words)


def _flag_words(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(name)]  # a switch is named after what differs from the default
    if isinstance(value, tuple):
        return [word for part in value for word in (flag(name), str(part))]
    return [flag(name), "none" if value is None else str(value)]
