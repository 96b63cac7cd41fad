"""One cell of the grid: an ordinary training in a run directory of its own, begun, continued, or found finished."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from unfreeze.cache import ActivationCache
from unfreeze.comparison.grid import Cell, Row
from unfreeze.data import Split
from unfreeze.errors import RunError
from unfreeze.options import seed_of_data
from unfreeze.records import RunRecord, TrainOptions
from unfreeze.training.checkpoint import load_checkpoint
from unfreeze.training.directory import read_run
from unfreeze.training.epochs import steps_per_epoch_of
from unfreeze.training.head_runs import train_head_runs
from unfreeze.training.inputs import StudiedData
from unfreeze.training.progress import Progress
from unfreeze.training.run import resume_studied, train_studied
from unfreeze.training.standing import seconds_left

__all__ = ["Shared", "cell_options", "cell_state", "seconds_needed", "set_aside", "train_at_once", "train_cell"]

CHECKPOINT = Path("checkpoints") / "last.safetensors"
CellState = Literal["done", "begun", "to do", "unreadable"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shared:
    """What all cells have in common.

    Attributes:
        directory: the comparison's.
        data: the pictures, studied once; its split is that of a comparison without folds.
        splits: of each fold; empty without folds.
        cache: where activations are kept, so that cells share them.
        deadline: when to interrupt a training, on the monotonic clock; None: never.
    """

    directory: Path
    data: StudiedData
    splits: tuple[Split, ...]
    cache: ActivationCache
    deadline: float | None

    def data_of(self, fold: int | None) -> StudiedData:
        """Return the pictures by the split of a fold; what reading them took was spent on all cells together."""
        split = self.data.split if fold is None else self.splits[fold]
        return replace(self.data, split=split, seconds=0.0)


def cell_options(row: Row, seed: int) -> TrainOptions:
    """Return the settings of a cell: its own seed within the network, the comparison's for all about pictures."""
    return msgspec.structs.replace(row.options, seed=seed, data_seed=seed_of_data(row.options))


def cell_state(directory: Path) -> CellState:
    """Return how far the training in a run directory has got.

    What cannot be continued is to be done anew. A record that is there and cannot be read may be that of a finished
    training: it is neither.
    """
    if not (directory / "run.json").exists():
        return "to do"
    try:
        record = read_run(directory)
    except RunError:
        return "unreadable"
    if record.status == "done":
        return "done"
    if record.status == "failed" or not (directory / CHECKPOINT).is_file() or not (directory / "model.json").is_file():
        return "to do"
    return "begun"


def set_aside(directory: Path) -> str | None:
    """Move a run whose record cannot be read out of the way, and say so; None where nothing is to be moved."""
    if not (directory / "run.json").exists():
        return None
    try:
        read_run(directory)
    except RunError as error:
        names = (f"{directory.name}.unreadable-{n}" for n in itertools.count(1))
        aside = next(path for name in names if not (path := directory.with_name(name)).exists())
        directory.rename(aside)
        return f'{error} The run was moved to "{aside}", and is trained again.'
    return None


def train_cell(shared: Shared, row: Row, cell: Cell, *, progress: Progress) -> RunRecord:
    """Train a cell to its end, from its checkpoint if it has one, and return its record.

    What an earlier attempt left that failed, or was killed before its first checkpoint, is deleted.

    Raises:
        RunError: its record is there and cannot be read; see `set_aside`.
        InterruptedRunError: Ctrl-C, SIGTERM, or the deadline; a checkpoint is kept if the training had begun.
        UnfreezeError: it failed.
    """
    out = shared.directory / cell.directory
    data = shared.data_of(cell.fold)
    state = cell_state(out)
    if state == "begun":
        resume_studied(data, read_run(out), cache=shared.cache, out=out, progress=progress, deadline=shared.deadline)
    elif state == "to do":
        shutil.rmtree(out, ignore_errors=True)
        train_studied(
            data,
            cell_options(row, cell.seed),
            plan=row.plan,
            cache=shared.cache,
            out=out,
            progress=progress,
            deadline=shared.deadline,
        )
    return read_run(out)


def train_at_once(shared: Shared, row: Row, cells: Sequence[Cell], *, progress: Progress) -> bool:
    """Train cells that differ in the seed alone as one computation; return whether that could be done.

    Each leaves the run that a training of its own leaves; see `train_head_runs`, and what it raises.
    """
    for cell in cells:
        shutil.rmtree(shared.directory / cell.directory, ignore_errors=True)
    return train_head_runs(
        shared.data_of(cells[0].fold),
        [cell_options(row, cell.seed) for cell in cells],
        plan=row.plan,
        cache=shared.cache,
        outs=[shared.directory / cell.directory for cell in cells],
        progress=progress,
        deadline=shared.deadline,
    )


def seconds_needed(shared: Shared, row: Row, cell: Cell) -> float | None:
    """Return how long a training that was stopped would still train; None if it made too few steps to tell."""
    try:
        cursor, _ = load_checkpoint(shared.directory / cell.directory / CHECKPOINT)
    except RunError:
        return None
    n_steps = steps_per_epoch_of(len(shared.data_of(cell.fold).split.train), batch_size=row.options.batch_size)
    return seconds_left(row.plan, cursor, steps_per_epoch=n_steps)
