"""Advice as `unfreeze advise` leaves it, made up in a moment but written by the real writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from unfreeze.advice_records import (
    ADVICE_FILE,
    AdviceEvidence,
    AdviceRecord,
    DepthRecord,
    DomainRecord,
    Expected,
    Facts,
    ProbeRecord,
    Reason,
    WayRecord,
)
from unfreeze.metrics import HIGHER_IS_BETTER, PRIMARY
from unfreeze.records import DataRecord, Interval, TaskName, TrainOptions, write_json

__all__ = ["MODEL", "probe", "way", "write_advice"]

MODEL = "tf_efficientnet_lite0"
STAGES = ("stem", *(f"blocks.{i}" for i in range(7)), "pre_head", "features", "all depths")
CURVE = (0.41, 0.44, 0.52, 0.58, 0.66, 0.71, 0.79, 0.81, 0.80, 0.82, 0.86)


def around(value: float, room: float) -> Interval:
    """A value with its limits."""
    return Interval(value=value, low=value - room, high=value + room)


def probe(
    model: str = MODEL, size: int = 224, *, more: float = 0.0, room: float = 0.03, scale: float = 1.0,
    best_depth: str = "features",
) -> ProbeRecord:  # fmt: skip
    """One network at one size; `more` lifts its whole curve."""
    depths = tuple(
        DepthRecord(
            depth=name, n_features=320, linear=around(scale * (value + more), scale * room), knn=scale * (value - 0.08),
            gain=value - 0.82, gain_error=0.01,
        )
        for name, value in zip(STAGES, CURVE, strict=True)
    )  # fmt: skip
    return ProbeRecord(
        model=model, size=size, depths=depths, best_depth=best_depth, log_me=-0.112, h_score=3.41, seconds=14.2
    )


def way(name: str, value: float | None = None, **changes: Any) -> WayRecord:
    """A training, or with `frozen` a head on frozen features."""
    frozen = changes.get("frozen", False)
    figure = None if value is None else around(value, 0.07)
    plain = WayRecord(
        name=name, strategy=name.partition(",")[0], model=MODEL, size=320, epochs=10, lr=1e-3, frozen=frozen,
        status="done" if value is not None else "not tried", val=figure,
        folds=None if value is None or not frozen else around(value, 0.03), seconds=12.0, work=4e11,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


WAYS = (
    way("head2toe", 0.86, frozen=True, verdict="best", work=7.8e11),
    way("head, L-BFGS", 0.82, frozen=True, verdict="worse", work=7.8e11),
    way("head2toe", 0.84, frozen=True, size=224, verdict="tied", work=3.9e11),
    way("layerwise", 0.88, gain=0.012, gain_error=0.031, verdict="tied", work=4.1e13, seconds=212.0),
    way("stages:1", 0.85, epochs=4, gain=-0.011, gain_error=0.024, verdict="tied", work=9e12),
    way("stages:2", None, why="it takes about 61 s, and 12 s were left"),
)


def write_advice(directory: Path, *, task: TaskName = "classification", **changes: Any) -> Path:
    """Write advice.json; return the directory. `evidence` and all other fields of the record can be given."""
    metric = PRIMARY[task]
    evidence = AdviceEvidence(
        facts=Facts(n_images=793, n_train=555, n_val=119, n_judging=674, n_judging_trainings=119, n_classes=6,
                    smallest=40, imbalance=3.0, tellable=0.07),
        probes=(probe(), probe(size=320, more=0.02)),
        domain=(DomainRecord(model=MODEL, shift=0.22, variance_ratio=0.96, n_images=256, words="near"),),
        ways=WAYS,
        learned=True,
    )  # fmt: skip
    record = AdviceRecord(
        status="done",
        created="2025-03-02T09:30:00+00:00",
        data=DataRecord(
            path="photos", fingerprint="cd" * 32, n_images=793, counts={"glass": 400, "metal": 393},
            split_counts={"train": 555, "val": 119, "test": 119}, split_sha256="ef" * 32,
        ),
        config=TrainOptions(),
        task=task,
        metric=metric,
        higher_is_better=HIGHER_IS_BETTER[metric],
        budget_seconds=300.0,
        seconds=287.4,
        strategy="head2toe",
        way="head2toe",
        model=MODEL,
        size=320,
        epochs=10,
        can_tell=True,
        command="unfreeze train photos --plan runs/photos-advice-1/plan.toml",
        expected=Expected(metric=metric, value=0.86, low=0.83, high=0.89, judged_on="out of fold", n_images=674,
                          seconds=21.0),
        reasons=(
            Reason(text="head2toe is the best head on frozen features.",
                   evidence={"balanced_accuracy": 0.86123, "n_images": 674}, reference="Breiman et al. 1984"),
            Reason(text="555 pictures train.", evidence={"n_train": 555, "smallest": None}),
        ),
        evidence=evidence,
        notes=("Of 4,100 training pictures 4,000 were looked at.",),
        environment={"python": "3.12.1"},
    )  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / ADVICE_FILE, msgspec.structs.replace(record, **changes))
    return directory
