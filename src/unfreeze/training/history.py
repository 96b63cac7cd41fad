"""history.jsonl: one line per finished epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from unfreeze.training.progress import EpochInfo

if TYPE_CHECKING:
    import torch

    from unfreeze.plans import Plan

__all__ = ["History"]


class History:
    """The only writer of a run's history.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, n_bytes: int) -> None:
        """Forget what was written after a checkpoint: it will be written again."""
        if self.path.is_file():
            with self.path.open("rb+") as file:
                file.truncate(n_bytes)

    def append(self, info: EpochInfo, *, plan: Plan, phase: int, optimizer: torch.optim.Optimizer) -> int:
        """Add an epoch with the rates that the optimizer held at its end; return the file's size in bytes.

        An epoch of a solver without rates has the strength of its L2 penalty instead, as `l2`.
        """
        groups = zip(plan.param_groups, optimizer.param_groups, strict=True)
        held = {spec.name: group["lr"] for spec, group in groups if group["lr"] > 0}
        row = {
            "epoch": info.epoch,
            "phase": info.phase,
            "phase_index": phase,
            "train_loss": _finite(info.train_loss),
            "val_loss": _finite(info.val_loss),
            "lr_head": info.lr,
            "lrs": held if info.l2 is None else {},
            "metrics": {name: _finite(value) for name, value in info.metrics.items()},
            "seconds": round(info.seconds, 3),
            "best": info.best,
        }
        if info.l2 is not None:
            row["l2"] = info.l2
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")
        return self.path.stat().st_size


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
