"""What a run leaves behind and what starts it: frozen values that turn into JSON and back.

Nothing here loads torch, so that reports and other readers start at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from unfreeze.errors import RunError

__all__ = [
    "FORMAT_VERSION",
    "AugmentName",
    "CacheRecord",
    "CalibrationRecord",
    "ConformalRecord",
    "DataRecord",
    "FeatureSelection",
    "FeatureSource",
    "Interval",
    "LayerRecord",
    "Metrics",
    "ModelRecord",
    "PhaseRecord",
    "RangeTest",
    "RunRecord",
    "Share",
    "TaskName",
    "Timing",
    "TrainOptions",
    "WeightsRecord",
    "read_json",
    "to_builtins",
    "write_json",
    "write_text",
]

FORMAT_VERSION = 1
MOST_NAMED = 5  # runs that an error names
TaskName = Literal["classification", "multilabel", "regression"]
FeatureSource = Literal["last", "stages"]
AugmentName = Literal["none", "light", "standard"]
Share = float | Literal["auto"]  # above 0, at most 1; auto: validation chooses
Record = TypeVar("Record")


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all records: keyword-only, immutable, and strict about unknown keys."""


class _Versioned(msgspec.Struct, frozen=True):
    """What of a record is read first."""

    version: int = FORMAT_VERSION


class Interval(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric's value with its 95% interval; `None` where the data cannot tell."""

    value: float | None
    low: float | None
    high: float | None


Metrics = dict[str, Interval]


class TrainOptions(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one training: the flags of `unfreeze train`, with their defaults."""

    model: str = "tf_efficientnet_lite0"
    weights: str | None = None
    pretrained: bool = True
    strategy: str = "head"  # "plan" where a plan file says what trains
    plan: str | None = None
    epochs: int = 10
    hidden: int | None = None
    features: FeatureSource | None = None  # what the head reads; None: as the strategy says, else "last"
    size: int | None = None
    views: int | None = None  # None: a new view in every epoch
    augment: AugmentName | None = None  # None: see options.phase_augment
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto"
    target: tuple[str, ...] = ()
    group: str | None = None
    split: str | None = None
    batch_size: int = 32
    lr: float | Literal["auto"] | None = None  # the head's rate; None: the plan's own, or training.inputs.default_lr
    solver: Literal["adamw", "sgd", "lbfgs"] | None = None
    select_features: Share | None = None  # the share that a fitted head keeps, by a group lasso; None: all
    metric: str | None = None
    balance: Literal["none", "weights", "sampling"] = "none"
    label_smoothing: float = 0.0
    conformal: float | None = None  # the share of truths that prediction sets must hold; None: no sets
    clip: float | None = 1.0  # largest norm of the gradient; None: not clipped
    patience: int | None = None  # epochs without a better metric that end a phase; None: never
    seed: int = 0
    data_seed: int | None = None  # of split, order and views; None: seed
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    engine: Literal["auto", "openvino", "compile", "eager"] = "auto"
    cache: bool = True  # keep what frozen layers give on disk
    cache_dir: str | None = None
    skip_unreadable: bool = False
    check_labels: bool = False  # judge labels when the training ends; see docs/adr/0016


class WeightsRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a network's pretrained weights came from; `sha256` is of the file that was read."""

    kind: Literal["bundled", "timm", "file", "run", "random"]
    source: str
    sha256: str | None = None
    licence: str | None = None


class ConformalRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What turns predictions into sets or intervals that hold the truth at least as often as was asked for."""

    level: float  # the share of truths that they are to hold
    thresholds: tuple[float, ...]  # classes: 1 - the least probability of a member; targets: half a width each
    n_images: int  # validation pictures that it was calibrated on


class ModelRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is needed, beside model.safetensors, to rebuild a network and its exact preprocessing."""

    version: int = FORMAT_VERSION
    architecture: str
    task: TaskName
    outputs: tuple[str, ...]  # class names, label names, or target columns
    hidden: int | None = None
    features: FeatureSource = "last"  # what the head reads: the last layer's, or all stages' beside them
    size: tuple[int, int]  # height, width in pixels
    mean: tuple[float, float, float]  # of values in 0..1
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic", "nearest"]
    crop: Literal["squash", "center"]
    crop_pct: float = 1.0  # "center" only: share of the shorter side that is kept
    depth_range: tuple[float, float] | None = None  # what became 0 and 255, for 16-bit pictures
    target_mean: tuple[float, ...] | None = None  # regression: outputs are standardised inside
    target_std: tuple[float, ...] | None = None
    prior_shift: tuple[float, ...] | None = None  # added to the logits for probabilities, not for decisions
    temperature: float = 1.0  # divides the logits for probabilities, not for decisions; before the prior shift
    conformal: ConformalRecord | None = None
    n_parameters: int
    weights: WeightsRecord


class DataRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which images were learned from."""

    path: str
    fingerprint: str  # sha256 over files, contents and targets
    n_images: int
    counts: dict[str, int]  # pictures per class, label or target column
    split_counts: dict[str, int]  # train, val, test
    split_sha256: str
    split_given: bool = False  # by folders or a column, not by hash
    n_test_groups: int | None = None  # that the test pictures belong to; None: no groups
    notes: tuple[str, ...] = ()


class FeatureSelection(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which share of its features a fitted head kept, ranked by a group lasso."""

    share: float
    n_kept: int
    n_features: int  # that vary from picture to picture
    shares: tuple[float, ...] = ()  # that validation chose from; empty: the share was given
    values: tuple[float | None, ...] = ()  # of each, the metric on validation at its best strength of the L2 penalty


class PhaseRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one phase of the plan went."""

    name: str
    epochs_planned: int
    epochs_run: int
    best_epoch: int | None  # counted from 0 over the whole training
    l2: float | None = None  # the strength of the L2 penalty in that epoch, where L-BFGS fitted the head
    selection: FeatureSelection | None = None  # of its features, where there was one
    n_trained: int
    seconds: float


class RangeTest(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a range test found the head's rate (`--lr auto`), and its curve."""

    lr: float  # the rate that the training took
    outcome: Literal["found", "flat", "diverged"]  # flat, diverged: it told none, and the default was taken
    rates: tuple[float, ...]  # the head's, of each step
    losses: tuple[float, ...]  # of each step's batch, before the step
    smoothed: tuple[float, ...]  # the same, averaged over neighbours
    seconds: float


class LayerRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer group in one phase, as layers.json keeps it."""

    phase: str
    group: str
    stage: str
    trained: bool
    n_parameters: int
    n_trained: int
    lrs: tuple[float, ...]  # the distinct peak rates that the optimizer used in it; empty if frozen or without rates
    norm: Literal["eval", "train", "frozen", "none"]
    sha256_before: str
    sha256_after: str
    distance: float  # of its weights from where the phase found them, as L2 norm over the L2 norm then


class Timing(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the time went, in seconds."""

    total_seconds: float = 0.0
    load_seconds: float = 0.0  # network and weights
    scan_seconds: float = 0.0  # reading, hashing, splitting
    prefix_seconds: float = 0.0  # the frozen part, where it is computed once
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0


class CacheRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of the frozen part came from the cache."""

    hit_ratio: float | None = None
    n_bytes: int = 0


class RunMetrics(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metrics of the chosen weights on validation and on test."""

    val: Metrics = {}
    test: Metrics = {}


class CalibrationRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What calibrating a network's probabilities did to them."""

    temperature: float  # 1: they are the network's own
    reason: Literal["fitted", "few", "no_gain"]  # few: too few validation pictures; no_gain: none beyond chance
    n_images: int  # validation pictures
    before: RunMetrics  # log_loss and ece; of a multi-label task over all (picture, label) pairs
    after: RunMetrics


class RunRecord(_Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of run.json."""

    version: int = FORMAT_VERSION
    status: Literal["running", "interrupted", "failed", "done"]
    error: str | None = None  # why it failed
    created: str  # ISO 8601, UTC
    config: TrainOptions
    data: DataRecord
    classes: tuple[str, ...]
    split: dict[str, tuple[str, ...]]  # train, val, test: file names
    weights: WeightsRecord
    engine: str = "eager"  # of the frozen layers
    engine_precision: str = "fp32"
    cache: CacheRecord = CacheRecord()
    device: str = "cpu"
    precision: str = "fp32"  # of what trained
    primary_metric: str
    range_test: RangeTest | None = None  # where `--lr auto` looked for the head's rate
    phases: tuple[PhaseRecord, ...] = ()
    timing: Timing = Timing()
    metrics: RunMetrics = RunMetrics()
    calibration: CalibrationRecord | None = None  # None: regression, or a run from before there was any
    environment: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def to_builtins(record: Any) -> Any:
    """Turn a record into dicts, lists and numbers, ready for JSON."""
    return msgspec.to_builtins(record)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105 - says that an existing file is replaced, in one step


def write_json(path: Path, record: Any) -> None:
    """Write a record as indented JSON, whole or not at all."""
    write_text(path, msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")


def read_json(path: Path, kind: type[Record]) -> Record:
    """Read a record back.

    Raises:
        RunError: the file is missing, is not JSON, or was written by another version.
    """
    try:
        content = path.read_bytes()
        _check_version(path, content, kind)
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError:
        raise RunError(f'"{path.parent}" is not a run directory: it has no {path.name}.{_hint(path.parent)}') from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunError(
            f'"{path}" cannot be read as {kind.__name__} (version {FORMAT_VERSION}): {error}. '
            "It was written by another version of unfreeze, or edited by hand."
        ) from error


def _hint(directory: Path) -> str:
    """Say where the run is that somebody may mean who names another directory."""
    if (directory / "compare.json").is_file():
        return f' It is a comparison; the run that it recommends is "{directory / "best"}".'
    if (directory / "advice.json").is_file():
        return f' It is an advice; train by it first: unfreeze train PICTURES --plan "{directory / "plan.toml"}".'
    runs = sorted(path.parent.name for path in directory.glob("*/run.json"))
    return f" Runs in it: {', '.join(runs[:MOST_NAMED])}{', …' if len(runs) > MOST_NAMED else ''}." if runs else ""


def _check_version(path: Path, content: bytes, kind: type) -> None:
    """Raise if a record that tells its version was written by another than this."""
    if "version" not in getattr(kind, "__struct_fields__", ()):
        return
    version = msgspec.json.decode(content, type=_Versioned).version
    if version != FORMAT_VERSION:
        raise RunError(
            f'"{path}" is of version {version}, but this unfreeze reads version {FORMAT_VERSION}: it was written by '
            "another one. Read it with that one, or train again."
        )
