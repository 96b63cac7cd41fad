"""What following an advice costs and falls short of, against the best row of a grid that has tried everything.

The best row is the one whose mean over the splits, on test pictures, is best: known only afterwards, and flattered by
having been chosen so. The interval of the difference is paired over pictures, by the statistics of `unfreeze compare`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np

from unfreeze.comparison.paired import Measured, measure, paired_spread, student_t
from unfreeze.metrics import HIGHER_IS_BETTER, score

__all__ = ["Shortfall", "shortfall_of", "table_lines"]

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """One data set's line.

    Attributes:
        best: name of the grid's best row.
        best_value: its metric, the mean over splits.
        advised: what was advised, in each split.
        value: the metric of what was advised, the mean over splits.
        mean: by how much that is worse than the best row, in points, for regression in percent of the best row's error.
        low: the lower 95% limit of that.
        high: the upper one.
        share: time that advice took, of the grid's.
        whole_share: the same with the training that followed it.
        n_test: pictures that judged.
        n_splits: how many.
    """

    best: str
    best_value: float
    advised: tuple[str, ...]
    value: float
    mean: float
    low: float
    high: float
    share: float
    whole_share: float
    n_test: int
    n_splits: int


def shortfall_of(splits: Sequence[Row]) -> Shortfall:
    """Return by how much advice fell short on one data set.

    Args:
        splits: what `advice.py` recorded of each split; rows that all of them have finished can be best.
    """
    metric = splits[0]["metric"]
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    truths = [np.asarray(split["truth"]) for split in splits]
    names = [row["name"] for row in splits[0]["grid"] if all(_row(split, row["name"]) for split in splits)]
    grid = {name: [_outputs(split, _row(split, name)) for split in splits] for name in names}
    advised = [_outputs(split, split["advice"]) for split in splits]
    values = {name: _mean(metric, truths, outputs) for name, outputs in grid.items()}
    best = max(names, key=lambda name: sign * values[name])
    joined = _join([
        measure(metric, truth, [[one], [other]])
        for truth, one, other in zip(truths, grid[best], advised, strict=True)
    ])  # fmt: skip
    spread = paired_spread(joined, 0, 1)
    apart = sign * float(joined.values[0, 0] - joined.values[1, 0])
    reach = student_t(spread.degrees) * math.sqrt(spread.pictures)
    unit = 100.0 if HIGHER_IS_BETTER[metric] else 100.0 / values[best]
    took, grid_took = (sum(split[part] for split in splits) for part in ("advice_seconds", "grid_seconds"))
    followed = sum(split["advice"]["seconds"] for split in splits)
    return Shortfall(
        best=best,
        best_value=values[best],
        advised=tuple(f"{split['advice']['name']}, {split['advice']['size']} px" for split in splits),
        value=_mean(metric, truths, advised),
        mean=unit * apart,
        low=unit * (apart - reach),
        high=unit * (apart + reach),
        share=took / grid_took,
        whole_share=(took + followed) / grid_took,
        n_test=sum(map(len, truths)),
        n_splits=len(splits),
    )


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the table as Markdown, and below it the mean shortfall."""
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        by_set.setdefault(f"{row['set']} ({row['metric']})", []).append(row)
    header = (
        "set",
        "splits, test pictures",
        "best row",
        "its figure",
        "advised",
        "its figure",
        "shortfall (95%)",
        "time",
    )
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    points = []
    for name, splits in by_set.items():
        found = shortfall_of(sorted(splits, key=lambda split: split["split"]))
        is_share = HIGHER_IS_BETTER[splits[0]["metric"]]
        factor, unit = (100, " points") if is_share else (1, "%")
        points += [found.mean] if is_share else []
        yield (
            f"| {name} | {found.n_splits}, {found.n_test} | {found.best} | {factor * found.best_value:.4g} "
            f"| {'; '.join(found.advised)} | {factor * found.value:.4g} "
            f"| {found.mean:+.1f}{unit} ({found.low:+.1f} to {found.high:+.1f}) "
            f"| {found.share:.0%}, with its training {found.whole_share:.0%} |"
        )
    if points:
        yield ""
        yield f"Mean shortfall over {len(points)} sets, those judged by errors left out: {mean(points):+.2f} points."


def _join(splits: Sequence[Measured]) -> Measured:
    """Return what is measured of the mean over splits with pictures of their own."""
    n = len(splits)
    return Measured(
        values=np.mean([split.values for split in splits], axis=0),
        influences=np.concatenate([split.influences / n for split in splits], axis=2),
        contributions=np.concatenate([split.contributions / n for split in splits], axis=2),
        mistake=max(split.mistake for split in splits) / n,
    )


def _mean(metric: str, truths: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    return mean(score(metric, truth, each) for truth, each in zip(truths, outputs, strict=True))


def _row(split: Row, name: str) -> Row:
    """Return a row of the grid; an empty one if it did not come to its end."""
    return next((row for row in split["grid"] if row["name"] == name and row["said"] is not None), {})


def _outputs(split: Row, row: Row) -> np.ndarray:
    """Return what the metric reads: of classes the decisions, as rows of zeros and a one."""
    said = np.asarray(row["said"])
    return np.eye(split["n_outputs"])[said] if said.ndim == 1 else said.astype(np.float64)
