"""Which metrics there are, which of two values is better, and which one chooses the best epoch."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from unfreeze.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unfreeze.records import TaskName

__all__ = ["HIGHER_IS_BETTER", "METRICS", "PERCENTAGES", "PRIMARY", "check_metric", "is_better"]

METRICS: Mapping[TaskName, tuple[str, ...]] = MappingProxyType(
    {
        "classification": ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece", "auroc"),
        "multilabel": ("map", "f1_micro", "f1_macro"),
        "regression": ("mae", "rmse", "r2"),
    }
)
PRIMARY: Mapping[TaskName, str] = MappingProxyType(
    {
        "classification": "balanced_accuracy",
        "multilabel": "map",
        "regression": "mae",
    }
)
HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType(
    {name: name not in {"log_loss", "ece", "mae", "rmse"} for names in METRICS.values() for name in names}
)
PERCENTAGES = frozenset({"accuracy", "balanced_accuracy", "coverage"})  # shown as such, and their differences in points


def check_metric(name: str | None, task: TaskName) -> str:
    """Return the metric's name, the task's primary one for None.

    Raises:
        ConfigError: there is no such metric, or not for this task.
    """
    if name is None:
        return PRIMARY[task]
    of_task = METRICS[task]
    if name in of_task:
        return name
    offer = f"The metrics of a {task} task are {', '.join(of_task)}."
    if name in HIGHER_IS_BETTER:
        owner = next(other for other, names in METRICS.items() if name in names)
        raise ConfigError(f'The metric "{name}" is for {owner} tasks, but this task is {task}. {offer}')
    raise ConfigError(f'There is no metric "{name}".{did_you_mean(name, of_task)} {offer}')


def is_better(name: str, value: float, than: float | None) -> bool:
    """Return whether `value` is strictly better; any number is better than None or nan, and nan than nothing.

    >>> is_better("mae", 0.2, 0.3), is_better("map", 0.2, 0.3), is_better("r2", 0.1, None)
    (True, False, True)
    """
    if math.isnan(value):
        return False
    if than is None or math.isnan(than):
        return True
    return value > than if HIGHER_IS_BETTER[name] else value < than
