"""What an advice leaves behind: frozen values that turn into JSON and back. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from unfreeze.errors import RunError
from unfreeze.records import FORMAT_VERSION, DataRecord, Interval, TaskName, TrainOptions, read_json

__all__ = [
    "ADVICE_FILE",
    "PLAN_FILE",
    "AdviceEvidence",
    "AdviceRecord",
    "DepthRecord",
    "DomainRecord",
    "Expected",
    "Facts",
    "ProbeRecord",
    "Reason",
    "WayRecord",
    "read_advice",
    "recommended_way",
    "standing_of",
]

ADVICE_FILE = "advice.json"
PLAN_FILE = "plan.toml"
JudgedOn = Literal["out of fold", "validation"]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be counted before anything is computed."""

    n_images: int
    n_train: int  # of the whole split, as is n_val
    n_val: int
    n_judging: int  # pictures that judge heads on frozen features: out of fold, or validation
    n_judging_trainings: int  # validation pictures that are looked at, of many a part
    n_classes: int  # or labels, or targets
    smallest: int | None = None  # training pictures of the rarest class or label
    imbalance: float | None = None  # the most frequent over the rarest
    tellable: float | None = None  # a difference of accuracy that n_judging_trainings can just see; see docs


class DepthRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well one depth of a frozen network serves the task."""

    depth: str  # a stage, "features", or "all depths"
    n_features: int
    linear: Interval
    knn: float | None = None
    gain: float | None = None  # of the linear head over one on the final features
    gain_error: float | None = None  # its standard error


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One frozen network at one size."""

    model: str
    size: int
    depths: tuple[DepthRecord, ...]  # input to output, then all at once
    best_depth: str  # of the single ones; "features" where none is better by more than a standard error
    log_me: float | None = None
    h_score: float | None = None
    seconds: float  # of the pass and of what was fitted


class DomainRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How unlike the pretraining pictures these are to a network."""

    model: str
    shift: float | None = None  # stored standard deviations
    variance_ratio: float | None = None
    stages: dict[str, float] = {}
    n_images: int = 0
    words: str | None = None
    reason: str | None = None  # why there is no number


class WayRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way that was tried, or was to be."""

    name: str
    strategy: str
    model: str
    size: int
    epochs: int
    lr: float | None = None
    frozen: bool  # whether nothing but the head trains
    status: Literal["done", "not tried", "cut off", "failed"]
    why: str | None = None  # it has no result
    folds: Interval | None = None  # out of fold
    val: Interval | None = None
    gain: float | None = None  # over the frozen way that is taken, on validation
    gain_error: float | None = None  # its standard error
    verdict: Literal["best", "tied", "worse"] | None = None  # at 95%, of all that were judged on the same pictures
    seconds: float = 0.0
    work: float = 0.0  # multiply-adds of a whole training, estimated


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training by the advice should come to."""

    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    judged_on: JudgedOn | None = None
    n_images: int = 0
    optimistic: bool = True  # because it was chosen on the same pictures
    seconds: float | None = None


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, in plain words, with the numbers and the paper behind it."""

    text: str
    evidence: dict[str, float | int | str | None]
    reference: str | None = None


class AdviceEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was measured."""

    facts: Facts
    probes: tuple[ProbeRecord, ...] = ()
    domain: tuple[DomainRecord, ...] = ()
    ways: tuple[WayRecord, ...] = ()
    learned: bool | None = None  # whether the best way beats chance; None: not measured, or too few pictures to tell


class AdviceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of advice.json.

    `can_tell` says whether the recommended way is better than every way of another kind that was tried, beyond 95%:
    kinds are networks, strategies, and whether more than a head on frozen features trains; sizes and rates of one way
    are not. It is false where nothing was measured, where nothing beats chance, and where nothing of another kind was
    tried.
    """

    version: int = FORMAT_VERSION
    status: Literal["done", "stopped", "interrupted"]  # stopped: by the budget, or a part failed
    created: str  # ISO 8601, UTC
    data: DataRecord
    config: TrainOptions  # the user's settings
    given: tuple[str, ...] = ()  # which of them the user gave
    task: TaskName
    metric: str
    higher_is_better: bool
    budget_seconds: float
    seconds: float
    strategy: str
    way: str  # the strategy, with what tells it from others of its kind
    model: str
    size: int
    epochs: int
    can_tell: bool
    plan: str = PLAN_FILE
    command: str
    expected: Expected
    reasons: tuple[Reason, ...]
    evidence: AdviceEvidence
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = {}


def standing_of(way: WayRecord | None, ways: Sequence[WayRecord]) -> str:
    """Return what a recommended way is among all that were tried, which come as a record has them: the best first."""
    if way is not None and not way.frozen:
        return "the cheapest training within one standard error of the best"
    heads = [each for each in ways if each.frozen and each.status == "done"]
    several = len({each.model for each in heads}) > 1
    if way is not None and _figure(way) != _figure(next((each for each in heads if each.model == way.model), way)):
        of = f" of {way.model}" if several else ""
        return f"what usually does best, within one standard error of the best head on frozen features{of}"
    if several:
        return "the best head of the cheapest network within one standard error of the best"
    return "the best head on frozen features"


def _figure(way: WayRecord) -> float | None:
    return None if way.folds is None else way.folds.value


def recommended_way(record: AdviceRecord) -> WayRecord | None:
    """Return the way to take as it was tried; None where nothing was."""
    wanted = (record.way, record.model, record.size, record.epochs)
    ways = (way for way in record.evidence.ways if way.status == "done")
    return next((way for way in ways if (way.name, way.model, way.size, way.epochs) == wanted), None)


def read_advice(directory: Path) -> AdviceRecord:
    """Read an advice back.

    Raises:
        RunError: there is none, or it was written by another version.
    """
    if not directory.is_dir():
        raise RunError(f'"{directory}" does not exist; give the directory of an advice.')
    if not (directory / ADVICE_FILE).is_file():
        raise RunError(f'"{directory}" holds no advice: it has no {ADVICE_FILE}.')
    return read_json(directory / ADVICE_FILE, AdviceRecord)
