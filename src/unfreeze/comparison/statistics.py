"""Which rows of a comparison are best, tied with the best, or worse, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.comparison.paired import crossed_spread, differences_to, measure, student_t
from unfreeze.errors import ConfigError, raise_together
from unfreeze.metrics import HIGHER_IS_BETTER, check_metric, evaluate_metric, number_groups
from unfreeze.records import Interval, TaskName

__all__ = ["Difference", "RowOutputs", "RowStatistics", "Verdict", "compare_rows"]

Array = NDArray[Any]
Verdict = Literal["best", "tied", "worse"]
SAME_COST = 1.1  # times the least: nobody would give up a better figure for a tenth of the work
RANGES = {"log_loss": (0.0, math.inf), "mae": (0.0, math.inf), "rmse": (0.0, math.inf), "r2": (-math.inf, 1.0)}


@dataclass(frozen=True, kw_only=True, eq=False)
class RowOutputs:
    """What the networks of one row gave: a way to train, of one model, at one size.

    Attributes:
        name: unique among the rows.
        outputs: per seed, in one order of seeds for all rows, what the metric reads: (n, c) probabilities by class,
            (n, k) by label, or (n,) or (n, k) values; for metrics that count decisions of a network that decides by
            other scores than its probabilities, those scores. In one order of pictures for all rows.
        cost: at least 0, in any unit that all rows share (`unfreeze compare` gives multiply-adds). Of the rows that
            cannot be told from the best, the cheapest is recommended; of those that cost nearly as little, the best.
    """

    name: str
    outputs: tuple[Array, ...]
    cost: float


class Difference(NamedTuple):
    """A row's metric minus the best row's; `low` and `high` are None where the data cannot tell."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class RowStatistics:
    """What can be said of one row.

    Attributes:
        name: the row's.
        value: the metric's mean over seeds.
        low: its lower 95% limit, for this row alone; None where the data cannot tell.
        high: its upper one.
        difference: to the best row; its limits hold for all rows at once in 95% of data sets. Zeros for the best.
        verdict: "best" for one row; "worse" if the difference's interval leaves out 0, else "tied".
        recommended: true for one row: the cheapest that is not worse; see `SAME_COST`.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    difference: Difference
    verdict: Verdict
    recommended: bool


def compare_rows(
    rows: Sequence[RowOutputs],
    truth: Array,
    *,
    task: TaskName,
    metric: str | None = None,
    groups: Sequence[str] | None = None,
    folds: Sequence[int] | NDArray[np.intp] | None = None,
    seed: int = 0,
) -> tuple[RowStatistics, ...]:
    """Compare rows on the same pictures and seeds, and say which are best, tied or worse.

    With several seeds, intervals cover other pictures and other seeds. **With one seed they cover other pictures
    only**: they are about these very networks, and a row that is "worse" may be so by an unlucky initialisation.
    Out-of-fold outputs are compared in the same way; that the folds share training pictures is left out of account,
    as no unbiased estimate of it exists (Bengio and Grandvalet 2004). How it works, and how well it holds:
    docs/reference/comparing.md.

    Args:
        rows: at least one; each with the outputs of as many seeds as the others.
        truth: (n,) class numbers, (n, k) zeros and ones, or (n,) or (n, k) target values in their units.
        task: the task.
        metric: what ranks; the task's primary one for None.
        groups: (n,) what each picture belongs to (patient, item): a group counts as one observation.
        folds: (n,) the number of the fold in which each picture was held out, the same for all rows; None without
            folds. What ranks pictures (`map`, `auroc`) ranks each among those of its own fold.
        seed: of the draws behind the limits.

    Returns:
        In the order of `rows`.

    Raises:
        ConfigError: the metric is not the task's, or is not defined on these pictures; no rows, names that occur
            twice, seeds or pictures that differ in number, outputs or a cost that are not finite.
    """
    name = check_metric(metric, task)
    real = np.asarray(truth)
    _check_rows(rows, len(real), groups, folds)
    clusters, strata = number_groups(groups), None if folds is None else np.asarray(folds, dtype=np.intp)
    intervals = [
        [evaluate_metric(name, real, o, clusters=clusters, strata=strata, seed=seed) for o in row.outputs]
        for row in rows
    ]
    if any(each.value is None for of_row in intervals for each in of_row):
        raise ConfigError(
            f"{name} is not defined on these {len(real)} pictures (one class, no positive label or constant targets), "
            "so it cannot rank. Compare by another metric, or on more pictures."
        )
    measured = measure(name, real, [row.outputs for row in rows], clusters, strata=strata)
    means = measured.values.mean(axis=1)
    rank = _ranks(name, rows, means)
    best = rank[0]
    differences = [_difference(name, row) for row in differences_to(measured, best, seed=seed)]
    verdicts = [_verdict(name, index == best, difference) for index, difference in enumerate(differences)]
    not_worse = [i for i in rank if verdicts[i] != "worse"]
    least = min(rows[i].cost for i in not_worse)
    recommended = next(i for i in not_worse if rows[i].cost <= SAME_COST * least)
    return tuple(
        RowStatistics(
            name=row.name,
            value=float(means[i]),
            **_limits(intervals[i], measured.values[i], measured.influences[i], within=_range(name)),
            difference=differences[i],
            verdict=verdicts[i],
            recommended=i == recommended,
        )
        for i, row in enumerate(rows)
    )


def _check_rows(
    rows: Sequence[RowOutputs],
    n_pictures: int,
    groups: Sequence[str] | None,
    folds: Sequence[int] | NDArray[np.intp] | None,
) -> None:
    if not rows or not n_pictures:
        raise ConfigError(f"A comparison needs rows and pictures, but got {len(rows)} rows and {n_pictures} pictures.")
    problems = []
    names = [row.name for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"Each row needs a name of its own, but these occur twice: {', '.join(twice)}.")
    counts = {row.name: len(row.outputs) for row in rows}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        listed = ", ".join(f"{name}: {n}" for name, n in counts.items())
        problems.append(f"Each row needs the same seeds, at least one, but has {listed}. Compare those that all have.")
    problems += _missing(n_pictures, group=groups, fold=folds)
    for row in rows:
        if not 0 <= row.cost < math.inf:
            problems.append(f'The cost of "{row.name}" is {row.cost}, but must be a finite number, at least 0.')
        for number, outputs in enumerate(row.outputs):
            if len(outputs) != n_pictures:
                problems.append(
                    f'"{row.name}" has outputs for {len(outputs)} pictures (seed {number}), not for {n_pictures}.'
                )
            elif not np.isfinite(np.asarray(outputs, dtype=np.float64)).all():
                problems.append(
                    f'The outputs of "{row.name}" (seed {number}) are not all finite: the training diverged. '
                    "Leave the row out, or lower its rate."
                )
    raise_together(problems)


def _missing(n_pictures: int, **given: Sequence[Any] | NDArray[np.intp] | None) -> list[str]:
    """Say which of what was given is not one of each picture."""
    return [
        f"Each of the {n_pictures} pictures needs a {what}, but {len(each)} {what}s were given."
        for what, each in given.items()
        if each is not None and len(each) != n_pictures
    ]


def _ranks(name: str, rows: Sequence[RowOutputs], means: NDArray[np.float64]) -> list[int]:
    """Return the rows from the best to the worst mean; of equal ones the cheapest first."""
    sign = -1.0 if HIGHER_IS_BETTER[name] else 1.0
    return sorted(range(len(rows)), key=lambda i: (sign * means[i], rows[i].cost))


def _range(name: str) -> tuple[float, float]:
    """Return where a metric must lie."""
    return RANGES.get(name, (0.0, 1.0))


def _difference(name: str, found: NDArray[np.float64]) -> Difference:
    least, most = _range(name)
    mean, low, high = map(float, np.clip(found, least - most, most - least))
    return Difference(mean, None if math.isnan(low) else low, None if math.isnan(high) else high)


def _verdict(name: str, is_best: bool, difference: Difference) -> Verdict:
    if is_best:
        return "best"
    if difference.low is None or difference.high is None:
        return "tied"
    return "worse" if (difference.high < 0 if HIGHER_IS_BETTER[name] else difference.low > 0) else "tied"


def _limits(
    intervals: Sequence[Interval],
    values: NDArray[np.float64],
    influences: NDArray[np.float64],
    *,
    within: tuple[float, float],
) -> dict[str, float | None]:
    """Return the limits of a mean over seeds, from those of each seed.

    The distances of the limits are averaged, as if all seeds erred on the same pictures; shortened by how far they
    do not; and lengthened by what seeds add, in squares (MOVER, as for components: Zou and Donner 2008).
    """
    lows, highs = [each.low for each in intervals], [each.high for each in intervals]
    if None in lows or None in highs:
        return {"low": None, "high": None}
    value = float(values.mean())
    spread = crossed_spread(values, influences)
    alone = float(np.mean(np.sum(influences**2, axis=1)))
    shared = spread.pictures / alone if alone > 0 else 1.0
    longer = 1.0
    if spread.seeds > 0:
        whole = spread.pictures + spread.seeds
        longer = student_t((len(values) - 1) * (whole / spread.seeds) ** 2) / student_t(math.inf)
    added = (student_t(math.inf) * longer) ** 2 * spread.seeds

    def reach(distance: float) -> float:
        return math.sqrt(shared * (longer * distance) ** 2 + added)

    low = value - reach(value - float(np.mean(np.array(lows, dtype=np.float64))))
    high = value + reach(float(np.mean(np.array(highs, dtype=np.float64))) - value)
    return {"low": max(within[0], low), "high": min(within[1], high)}
