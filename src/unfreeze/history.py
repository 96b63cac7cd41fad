"""history.jsonl: what each finished epoch of a run came to, a line each. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Required, TypedDict

import msgspec

from unfreeze.errors import RunError

__all__ = ["read_history"]


class _Epoch(TypedDict, total=False):
    """What an epoch's line of history.jsonl holds."""

    epoch: Required[int]
    phase: str
    phase_index: int
    train_loss: float | None
    val_loss: float | None
    lr_head: float | None
    lrs: dict[str, float]
    metrics: Required[dict[str, float | None]]
    seconds: float
    best: Required[bool]
    l2: float


def read_history(path: Path, *, required: Collection[str] = ()) -> list[dict[str, Any]]:
    """Read history.jsonl: one object per finished epoch; a line cut off at the end is left out.

    Args:
        path: the file.
        required: what each line must hold, beside `epoch`, `metrics` and `best`.

    Raises:
        RunError: a line is not that of an epoch.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            break
        try:
            msgspec.convert(row, _Epoch)
        except msgspec.ValidationError as error:
            wrong = str(error)
        else:
            wrong = ", ".join(f"no {name}" for name in required if name not in row)
        if wrong:
            raise RunError(f'Line {number} of "{path}" is not that of an epoch ({wrong}): it was edited by hand.')
        rows.append(row)
    return rows
