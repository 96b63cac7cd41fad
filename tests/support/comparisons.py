"""Comparisons as `unfreeze compare` leaves them, made up in a moment but written by the real writers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from unfreeze.comparison_records import COMPARE_FILE, CellRecord, CompareOptions, CompareRecord, RowRecord, Spread
from unfreeze.metrics import HIGHER_IS_BETTER, PRIMARY
from unfreeze.records import DataRecord, TaskName, TrainOptions, write_json

__all__ = ["SIX_ROWS", "Way", "write_comparison"]


@dataclass(frozen=True)
class Way:
    """One row, told in short: figures in the metric's units, half their intervals, and what came of it."""

    name: str
    value: float | None = None
    room: float = 0.05
    difference: float | None = None
    difference_room: float = 0.04
    verdict: Literal["best", "tied", "worse"] | None = None
    recommended: bool = False
    work: float = 1e12
    n_trained: int = 7686
    seconds: float = 12.0
    status: Literal["done", "failed", "interrupted", "not begun"] = "done"
    error: str | None = None
    size: int = 224
    test: float | None = None

    @property
    def run(self) -> str:
        """The beginning of its runs' directories."""
        return f"runs/{self.name.replace(':', '-')}-net-{self.size}"


# fmt: off
SIX_ROWS = (
    Way("gradual", 0.861, 0.058, 0.0, verdict="best", work=3.1e13, n_trained=2_310_000, seconds=402, test=0.842),
    Way("head2toe", 0.848, 0.06, -0.013, 0.047, "tied", recommended=True, work=9.4e11, n_trained=38_406, seconds=16.4,
        size=320, test=0.851),
    Way("layerwise", 0.841, 0.061, -0.020, 0.052, "tied", work=6.2e13, n_trained=3_380_000, seconds=655, test=0.83),
    Way("head", 0.742, 0.075, -0.119, 0.071, "worse", work=9.1e11, n_trained=7_686, seconds=11.2, size=320, test=0.76),
    Way("full", status="failed", error="The loss became nan in epoch 2 of phase full; try a lower --lr.", work=6.3e13,
        n_trained=3_380_000, seconds=48),
    Way("lp-ft", status="interrupted", work=5.6e13, n_trained=3_380_000, seconds=93),
)
# fmt: on


def write_comparison(
    directory: Path,
    ways: tuple[Way, ...] = SIX_ROWS,
    *,
    task: TaskName = "classification",
    seeds: int = 1,
    folds: int | None = None,
    outputs: tuple[str, ...] = ("cardboard", "glass", "metal", "paper", "plastic", "trash"),
    data: str = "photos",
    config: TrainOptions | None = None,
    **changes: Any,
) -> Path:
    """Write compare.json and every begun training's history.jsonl; return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    metric = PRIMARY[task]
    cells = [
        CellRecord(row=way.name, seed=seed, fold=fold, status=way.status, error=way.error, seconds=way.seconds / seeds,
                   run=f"{way.run}-seed{seed}" + ("" if fold is None else f"-fold{fold}"))
        for way in ways for seed in range(seeds) for fold in ([None] if folds is None else range(folds))
    ]  # fmt: skip
    by_name = {way.name: way for way in ways}
    for k, cell in enumerate(cells):
        if cell.status != "not begun":
            _write_history(directory / cell.run, by_name[cell.row], metric, k)
    record = CompareRecord(
        status="done",
        created="2025-03-02T09:30:00+00:00",
        data=DataRecord(
            path=data, fingerprint="cd" * 32, n_images=793, counts={name: 793 // len(outputs) for name in outputs},
            split_counts={"train": 555, "val": 119, "test": 119}, split_sha256="ef" * 32,
        ),
        options=CompareOptions(strategies=tuple(way.name for way in ways), seeds=seeds, folds=folds),
        config=config or TrainOptions(),
        task=task,
        metric=metric,
        higher_is_better=HIGHER_IS_BETTER[metric],
        n_judging=119 if folds is None else 674,
        n_test=119,
        rows=tuple(_row(way, metric, seeds) for way in ways),
        cells=tuple(cells),
        recommended=next((way.name for way in ways if way.recommended), None),
        seconds=sum(way.seconds for way in ways),
        notes=("12 near-duplicates in 5 clusters were kept on one side of the split.",),
        environment={"python": "3.12.1", "unfreeze": "0.1.0"},
    )  # fmt: skip
    write_json(directory / COMPARE_FILE, msgspec.structs.replace(record, **changes))
    return directory


def _row(way: Way, metric: str, seeds: int) -> RowRecord:
    return RowRecord(
        name=way.name, strategy=way.name, model="tf_efficientnet_lite0", size=way.size, seeds=seeds, metric=metric,
        status=way.status, error=way.error, val=_spread(way.value, way.room), test=_spread(way.test, way.room * 1.05),
        difference=_spread(way.difference, 0.0 if way.verdict == "best" else way.difference_room), seconds=way.seconds,
        work=way.work, n_trained=way.n_trained, verdict=way.verdict, recommended=way.recommended,
        run=f"{way.run}-seed0",
    )  # fmt: skip


def _spread(value: float | None, room: float) -> Spread:
    return Spread() if value is None else Spread(mean=value, low=value - room, high=value + room)


def _write_history(run: Path, way: Way, metric: str, k: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    end = way.value if way.value is not None else 0.7
    n = {"done": 10, "interrupted": 4, "failed": 2}[way.status]
    values = [end * (1 - 0.35 * math.exp(-i / 2.4)) + 0.012 * end * math.sin(1.7 * i + k) for i in range(n)]
    rows = [
        {"epoch": i, "phase": "head", "phase_index": 0, "metrics": {metric: value}, "best": value == max(values)}
        for i, value in enumerate(values)
    ]
    (run / "history.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
