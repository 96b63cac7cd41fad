"""What a comparison leaves behind: frozen values that turn into JSON and back.

Nothing here loads torch, so that reports and other readers start at once.
"""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from unfreeze.errors import RunError
from unfreeze.records import FORMAT_VERSION, DataRecord, TaskName, TrainOptions, read_json

__all__ = [
    "COMPARE_FILE",
    "CellRecord",
    "CompareOptions",
    "CompareRecord",
    "RowRecord",
    "Spread",
    "network_name",
    "ranked_rows",
    "read_comparison",
    "recommended_row",
    "resume_command",
]

COMPARE_FILE = "compare.json"
Status = Literal["done", "failed", "interrupted", "not begun"]


class CompareOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is compared: every strategy with every model at every size, over seeds and folds."""

    strategies: tuple[str, ...] = ("head", "gradual", "layerwise")
    models: tuple[str, ...] = ()  # empty: the one that the training's options name
    sizes: tuple[int, ...] = ()  # px; empty: each strategy's own
    seeds: int = 1
    folds: int | None = None  # None: one validation side


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric's mean over seeds, or a difference of two, with 95% limits; `None` where the data cannot tell."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None


class CellRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training of the grid."""

    row: str
    seed: int
    fold: int | None = None  # from 0; the pictures that it validates on
    status: Status = "not begun"
    error: str | None = None  # why it failed
    seconds: float = 0.0
    run: str  # its directory, below that of the comparison


class RowRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to train one network at one size.

    `val`, `difference` (to the best row) and `verdict` are of validation pictures, or out of fold. `test` decides
    nothing: it is the only figure that no choice has touched, as long as nobody chooses by it.
    """

    name: str
    strategy: str
    model: str
    size: int
    seeds: int
    metric: str
    status: Status
    error: str | None = None
    val: Spread = Spread()
    test: Spread = Spread()
    difference: Spread = Spread()
    seconds: float = 0.0  # that its trainings took; the first of a kind pays for the passes that others share
    work: float = 0.0  # multiply-adds of one training from scratch, estimated: what "cheapest" means
    n_trained: int  # parameters, in the phase that trains most
    plan_sha256: str = ""  # of the plan as TOML; empty: not known
    weights_sha256: str | None = None  # of the file that the weights are read from, where the user named one
    verdict: Literal["best", "tied", "worse"] | None = None  # None: not finished, or cannot be ranked
    recommended: bool = False
    run: str  # the directory of its first seed's run


class CompareRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of compare.json."""

    version: int = FORMAT_VERSION
    status: Literal["running", "interrupted", "stopped", "done"]  # stopped: by the budget
    created: str  # ISO 8601, UTC
    data: DataRecord
    options: CompareOptions
    config: TrainOptions  # what all rows have in common
    given: tuple[str, ...] = ()  # which of these settings the user gave
    task: TaskName
    metric: str
    higher_is_better: bool
    n_judging: int  # pictures that decide: validation, or all folds
    n_test: int
    n_test_groups: int | None = None  # that these pictures belong to; None: no groups
    rows: tuple[RowRecord, ...]
    cells: tuple[CellRecord, ...]
    recommended: str | None = None  # a row's name
    best: str | None = None  # "best": a copy of the recommended row's run
    seconds: float = 0.0  # of all processes that have worked on it
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = {}


def resume_command(directory: str | Path) -> str:
    """Return the command that goes on with a comparison, to be pasted into a shell."""
    return shlex.join(["unfreeze", "compare", "--resume", "--out", str(directory)])


def network_name(model: str) -> str:
    """Return a network's name as tables have it: of a run, which is named by its path, the directory's.

    >>> network_name("resnet50"), network_name("/home/me/runs/pets-head-1")
    ('resnet50', 'pets-head-1')
    """
    return PurePosixPath(model).name if PurePosixPath(model).is_absolute() else model


def ranked_rows(record: CompareRecord) -> tuple[RowRecord, ...]:
    """Return the rows from the best to the worst, of equal ones the cheaper first, those without a figure last."""
    sign = -1.0 if record.higher_is_better else 1.0
    return tuple(
        sorted(
            record.rows,
            key=lambda row: (row.val.mean is None, sign * (row.val.mean or 0.0), row.verdict != "best", row.work),
        )
    )


def recommended_row(record: CompareRecord) -> RowRecord | None:
    """Return the row to take; None as long as none is ranked."""
    return next((row for row in record.rows if row.recommended), None)


def read_comparison(directory: Path) -> CompareRecord:
    """Read a comparison back.

    Raises:
        RunError: there is none, it was written by another version, or it names runs that are not below it.
    """
    if not directory.is_dir():
        raise RunError(f'"{directory}" does not exist; give the directory of a comparison.')
    if not (directory / COMPARE_FILE).is_file():
        raise RunError(f'"{directory}" holds no comparison: it has no {COMPARE_FILE}.')
    record = read_json(directory / COMPARE_FILE, CompareRecord)
    runs = (*(cell.run for cell in record.cells), *(row.run for row in record.rows), record.best or "best")
    for run in runs:
        if not _is_below(run):
            raise RunError(
                f'"{directory / COMPARE_FILE}" names a run that is not below its directory ("{run}"): it was edited '
                "by hand."
            )
    return record


def _is_below(run: str) -> bool:
    """Say whether a run lies below the comparison: an edited compare.json must not lead anywhere else."""
    path = PurePosixPath(run)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in run
