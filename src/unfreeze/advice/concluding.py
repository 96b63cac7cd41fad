"""From what was measured to a recommendation: which way, how sure, and what it should come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unfreeze.advice.choosing import beats_chance, cheapest_within_noise, gain_of
from unfreeze.advice.inquiry import Inquiry, Notebook, chosen_head, rows_of
from unfreeze.advice.rivals import others_of, rivals_of
from unfreeze.advice.ways import Tried, Way
from unfreeze.advice_records import Expected, Facts, WayRecord
from unfreeze.comparison.statistics import Verdict, compare_rows
from unfreeze.errors import ConfigError
from unfreeze.metrics import HIGHER_IS_BETTER
from unfreeze.options import seed_of_data

__all__ = ["Conclusion", "conclude", "facts_of"]

DISAGREE = 0.15  # share of pictures that one of two good networks gets right and the other wrong
NORMAL = 1.96  # two-sided 95%
LOADING_SECONDS = 2.0  # and reading what has been read before, evaluating, writing


@dataclass(frozen=True, kw_only=True, eq=False)
class Conclusion:
    """What to do.

    Attributes:
        way: what to train.
        tried: the way with its figures; None where nothing could be measured.
        frozen: the way on frozen features that is taken of them, which the trainings were compared with; None likewise.
        ways: the records of all ways, with verdicts, those not tried last.
        learned: as in `AdviceEvidence`.
        can_tell: as in `AdviceRecord`.
        rivals: see `rivals_of`.
        expected: what it should come to.
        first_look: as in `Notebook`.
    """

    way: Way
    tried: Tried | None
    frozen: Tried | None
    ways: tuple[WayRecord, ...]
    learned: bool | None
    can_tell: bool
    rivals: tuple[str, ...]
    expected: Expected
    first_look: float | None = None


def facts_of(inquiry: Inquiry, notebook: Notebook) -> Facts:
    """Return what can be counted: pictures of the whole split, and apart from them those that judge."""
    dataset, split, n_judging = inquiry.data.dataset, inquiry.split, len(inquiry.data.split.val)
    smallest, imbalance = None, None
    if dataset.task != "regression":
        targets = dataset.targets[list(split.train)]
        by_class = dataset.task == "classification"
        counts = np.bincount(targets, minlength=len(dataset.outputs)) if by_class else targets.sum(axis=0)
        smallest, imbalance = int(counts.min()), float(counts.max() / max(counts.min(), 1))
    tellable = None
    if dataset.task == "classification":
        tellable = float(NORMAL * np.sqrt(DISAGREE / n_judging))
    return Facts(
        n_images=len(dataset.files),
        n_train=inquiry.n_train,
        n_val=len(split.val),
        n_judging=len(notebook.pool) if notebook.probes else n_judging,
        n_judging_trainings=n_judging,
        n_classes=len(dataset.outputs),
        smallest=smallest,
        imbalance=imbalance,
        tellable=tellable,
    )


def conclude(inquiry: Inquiry, notebook: Notebook) -> Conclusion:
    """Recommend a way on frozen features, or the cheapest training that is better by more than one standard error.

    Ways on frozen features are judged out of fold among themselves (`chosen_head`), and the one that is left with the
    trainings on validation. Where nothing beats chance it is the cheapest of them; where nothing was measured, what
    `train` does untold.
    """
    best = chosen_head(inquiry, notebook)
    if best is None:
        model = next(model for model in inquiry.models if model not in notebook.failed)
        way = inquiry.way("head", strategy="head", model=model, size=inquiry.sizes_of(model)[-1], frozen=True)
        return Conclusion(
            way=way, tried=None, frozen=None, ways=tuple(notebook.skipped), learned=None, can_tell=False,
            rivals=(), expected=Expected(metric=inquiry.metric), first_look=notebook.first_look,
        )  # fmt: skip
    frozen, learned = best
    val, groups = inquiry.data.split.val, inquiry.groups(inquiry.data.split.val)
    # Where no frozen network shows anything, an unfrozen one may have found something.
    live = notebook.live if learned else [each for each in notebook.live if _beats_chance(inquiry, each)]
    rows = [frozen, *live] if learned or not live else live
    chosen = rows[
        cheapest_within_noise(rows_of(rows, side="val"), inquiry.truth(val), metric=inquiry.metric, groups=groups)
    ]
    learned = True if chosen is not frozen else learned
    by_folds = _verdicts(inquiry, notebook, notebook.frozen, side="folds")
    by_val = _verdicts(inquiry, notebook, [frozen, *notebook.live], side="val")
    rivals = rivals_of(inquiry, notebook, chosen)
    return Conclusion(
        way=chosen.way,
        tried=chosen,
        frozen=frozen,
        ways=(*_records(inquiry, notebook, frozen, by_folds, by_val), *notebook.skipped),
        learned=learned,
        can_tell=bool(learned) and bool(others_of(notebook, chosen)) and not rivals,
        rivals=rivals,
        expected=_expected(inquiry, notebook, chosen),
    )


def _beats_chance(inquiry: Inquiry, tried: Tried) -> bool:
    assert tried.val is not None, "what was tried was judged"
    truth = inquiry.truth(inquiry.data.split.val)
    groups = inquiry.groups(inquiry.data.split.val)
    return beats_chance(inquiry.metric, truth, tried.val, groups, seed=seed_of_data(inquiry.base))


def _records(
    inquiry: Inquiry,
    notebook: Notebook,
    frozen: Tried,
    by_folds: Sequence[Verdict | None],
    by_val: Sequence[Verdict | None],
) -> tuple[WayRecord, ...]:
    """Return the records of what was tried with verdicts and gains: on frozen features, then trainings, best first."""
    ranked = [each.with_record(verdict=verdict) for each, verdict in zip(notebook.frozen, by_folds, strict=True)]
    ranked += [each.with_record(verdict=verdict) for each, verdict in zip(notebook.live, by_val[1:], strict=True)]
    sign = -1.0 if HIGHER_IS_BETTER[inquiry.metric] else 1.0

    def place(record: WayRecord) -> tuple[bool, float]:
        figure = record.folds or record.val
        value = None if figure is None else figure.value
        return not record.frozen, math.inf if value is None else sign * value

    return tuple(sorted((_with_gain(inquiry, each, frozen).record for each in ranked), key=place))


def _with_gain(inquiry: Inquiry, tried: Tried, frozen: Tried) -> Tried:
    if tried.way is frozen.way or tried.val is None or frozen.val is None:
        return tried
    val = inquiry.data.split.val
    gain, error = gain_of(inquiry.metric, inquiry.truth(val), tried.val, frozen.val, inquiry.groups(val))
    if not math.isfinite(gain):
        return tried
    return tried.with_record(gain=gain, gain_error=error)


def _verdicts(
    inquiry: Inquiry, notebook: Notebook, tried: Sequence[Tried], *, side: Literal["folds", "val"]
) -> list[Verdict | None]:
    indices = notebook.pool if side == "folds" else inquiry.data.split.val
    try:
        found = compare_rows(
            rows_of(tried, side=side),
            inquiry.truth(indices),
            task=inquiry.data.dataset.task,
            metric=inquiry.metric,
            groups=inquiry.groups(indices),
            folds=notebook.held_in if side == "folds" else None,
            seed=seed_of_data(inquiry.base),
        )
    except ConfigError:  # not defined on these pictures
        return [None] * len(tried)
    return [row.verdict for row in found]


def _expected(inquiry: Inquiry, notebook: Notebook, chosen: Tried) -> Expected:
    found = chosen.record.folds or chosen.record.val
    assert found is not None, "what is chosen was judged"
    by_folds = chosen.record.folds is not None and len(notebook.folds) > 1
    n = len(notebook.pool) if by_folds else len(inquiry.data.split.val)
    n_measured = len(inquiry.data.split.train) + len(inquiry.data.split.val)
    scale = (inquiry.n_train + inquiry.n_held_out) / n_measured
    return Expected(
        metric=inquiry.metric,
        value=found.value,
        low=found.low,
        high=found.high,
        judged_on="out of fold" if by_folds else "validation",
        n_images=n,
        seconds=round(LOADING_SECONDS + chosen.record.seconds * scale, 1),
    )
