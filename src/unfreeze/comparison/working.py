"""A comparison at work: its cells one after another, then the ranking of what is finished, and DIR/best."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace

from unfreeze.cache import ActivationCache
from unfreeze.comparison.cells import Shared, cell_state, seconds_needed, set_aside, train_at_once, train_cell
from unfreeze.comparison.grid import Cell
from unfreeze.comparison.judging import rank, write_rows
from unfreeze.comparison.progress import CellInfo, CellResult, ComparisonProgress
from unfreeze.comparison.state import BEST, State, discard_best, keep_best, known_cells
from unfreeze.comparison.study import Study
from unfreeze.comparison.work import estimate_seconds
from unfreeze.comparison_records import resume_command
from unfreeze.errors import FailedError, InterruptedRunError, reason_of
from unfreeze.records import RunRecord
from unfreeze.training.directory import read_run
from unfreeze.training.head_runs import can_train_at_once

__all__ = ["work_on"]

TEMPORARY_CACHE = "activations"  # below the comparison's directory, with --no-cache


def work_on(study: Study, state: State, *, budget_seconds: float | None, progress: ComparisonProgress) -> None:
    """Train what is not finished, rank what is, and write both down.

    Args:
        study: the comparison.
        state: its directory, which is this process's alone.
        budget_seconds: when to stop, counted from when the state began; None: when all is done.
        progress: who is told.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM.
        FailedError: no row came to its end.
    """
    config = state.record.config
    temporary = None if config.cache else state.directory / TEMPORARY_CACHE
    shared = Shared(
        directory=state.directory,
        data=study.data,
        splits=study.splits,
        cache=ActivationCache(config.cache_dir if temporary is None else temporary),
        deadline=None if budget_seconds is None else state.began + budget_seconds,
    )
    write_rows(study, state)
    try:
        stopped = _train_cells(study, state, shared, progress)
        rank(study, state, progress)
        if state.record.recommended is not None:
            stopped = _keep_best(study, state, shared, progress) or stopped
        _settle_best(state)
        state.write(status="done" if stopped is None else "stopped")
    except (KeyboardInterrupt, InterruptedRunError):
        rank(study, state, progress)
        _keep_best_if_trained(study, state)
        _settle_best(state)
        state.write(status="interrupted")
        raise InterruptedRunError(
            f"Interrupted; what is finished is kept. Continue with: {resume_command(state.directory)}"
        ) from None
    if temporary is not None and stopped is None:
        shutil.rmtree(temporary, ignore_errors=True)
    if not any(row.status == "done" for row in state.record.rows):
        raise FailedError(_nothing_finished(study, state, shared, stopped))


def _is_over(shared: Shared) -> bool:
    return shared.deadline is not None and time.monotonic() >= shared.deadline


def _train_cells(study: Study, state: State, shared: Shared, progress: ComparisonProgress) -> Cell | None:
    """Train all cells that are not finished; return the one at which the budget ended, None if it did not."""
    for number, cell in enumerate(study.cells, start=1):
        if state.cell(cell).status == "done":
            continue
        if _is_over(shared):
            return cell
        later = _later(study, state, number)
        info = CellInfo(
            number=number,
            n_cells=len(study.cells),
            n_before=len(study.cells) - len(later) - 1,
            row=cell.row,
            seed=cell.seed,
            fold=cell.fold,
            n_folds=study.options.folds,
            seconds_after=_seconds_of(study, state, later),
        )
        progress.cell(info)
        if _train_seeds(study, state, shared, cell, info=info, progress=progress):
            continue
        if _is_over(shared) or not _train_one(study, state, shared, cell, info=info, progress=progress):
            return cell
    return None


def _later(study: Study, state: State, number: int) -> list[Cell]:
    """Return the cells after one, counted from 1, that are still to be trained."""
    return [each for each in study.cells[number:] if state.cell(each).status != "done"]


def _seconds_of(study: Study, state: State, cells: Sequence[Cell]) -> float | None:
    """Return how long cells will take, by those that are done; None until that can be told."""
    done = [(study.work[each.row], each.seconds) for each in state.record.cells if each.status == "done"]
    return estimate_seconds(done, [study.work[each.row] for each in cells])


def _train_seeds(
    study: Study, state: State, shared: Shared, cell: Cell, *, info: CellInfo, progress: ComparisonProgress
) -> bool:
    """Train a head's cell together with those of its other seeds; return False where it is to be trained alone.

    Whatever goes wrong but an interrupt shows, and is told, when the cell is trained alone.
    """
    row = study.row(cell.row)
    seeds = [each for each in study.cells if (each.row, each.fold) == (cell.row, cell.fold)]
    cells = [each for each in seeds if cell_state(state.directory / each.directory) == "to do"]
    if len(cells) == 1 or cell not in cells or not can_train_at_once(row.plan, row.options):
        return False
    try:
        at_once = train_at_once(shared, row, cells, progress=progress)
    except (InterruptedRunError, KeyboardInterrupt):
        for each in cells:
            (known,) = known_cells(state.directory, [each])
            state.write_cell(each, status=known.status, seconds=known.seconds)
        if _is_over(shared):
            return False
        raise
    except Exception:  # noqa: BLE001 - see above
        return False
    if not at_once:
        return False
    runs = [read_run(state.directory / each.directory) for each in cells]
    for each, run in zip(cells, runs, strict=True):
        state.write_cell(each, status="done", error=None, seconds=run.timing.total_seconds)
    after = _seconds_of(study, state, _later(study, state, info.number))
    for each, run in zip(cells, runs, strict=True):
        number = study.cells.index(each) + 1
        told = replace(info, number=number, seed=each.seed, seconds_after=after)
        progress.cell_done(_result(study, run, info=told))
    return True


def _train_one(
    study: Study, state: State, shared: Shared, cell: Cell, *, info: CellInfo, progress: ComparisonProgress
) -> bool:
    """Train one cell and write down how it ended; return False if the budget ended first."""
    began = time.monotonic()
    try:
        run = _train(study, state, shared, cell, progress)
    except (InterruptedRunError, KeyboardInterrupt):
        (known,) = known_cells(state.directory, [cell])
        state.write_cell(cell, status=known.status)
        if _is_over(shared):
            return False
        raise
    except Exception as error:  # noqa: BLE001 - whatever ends one cell, the others go on
        reason, seconds = reason_of(error), time.monotonic() - began
        state.write_cell(cell, status="failed", error=reason, seconds=round(seconds, 3))
        progress.cell_done(CellResult(cell=info, metric=study.metric, value=None, seconds=seconds, error=reason))
        return True
    state.write_cell(cell, status="done", error=None, seconds=run.timing.total_seconds)
    after = _seconds_of(study, state, _later(study, state, info.number))
    progress.cell_done(_result(study, run, info=replace(info, seconds_after=after)))
    return True


def _train(study: Study, state: State, shared: Shared, cell: Cell, progress: ComparisonProgress) -> RunRecord:
    """Train a cell to its end; a run in its place whose record cannot be read is moved away, and that is noted."""
    if (note := set_aside(state.directory / cell.directory)) is not None:
        state.note(note)
        progress.note(note)
    return train_cell(shared, study.row(cell.row), cell, progress=progress)


def _result(study: Study, run: RunRecord, *, info: CellInfo) -> CellResult:
    value = run.metrics.val[study.metric].value
    return CellResult(cell=info, metric=study.metric, value=value, seconds=run.timing.total_seconds)


def _keep_best(study: Study, state: State, shared: Shared, progress: ComparisonProgress) -> Cell | None:
    """Make DIR/best the recommended row's run with the first seed; return the cell at which the budget ended, if any.

    The first seed's, not the best seed's: another choice on the same validation pictures would flatter its figure, and
    this one is the run that `unfreeze train` with the row's settings repeats. With folds every run has learned from a
    part; the row is then trained once more, on the split that a single training has.
    """
    whole = _whole_cell(study, state)
    if study.options.folds is not None:
        if _is_over(shared) and cell_state(state.directory / whole.directory) != "done":
            return whole
        progress.stage(f'Training "{whole.row}" on train, for {BEST}')
    try:
        _train(study, state, shared, whole, progress)
    except (InterruptedRunError, KeyboardInterrupt):
        if _is_over(shared):
            return whole
        raise
    except Exception as error:  # noqa: BLE001 - whatever ends it, what is finished has been compared
        note = f'{BEST}/ is missing: the training of "{whole.row}" for it failed. {reason_of(error)}'
        state.note(note)
        progress.note(note)
        return None
    state.write(best=keep_best(state.directory, whole.directory))
    return None


def _whole_cell(study: Study, state: State) -> Cell:
    """Return the training behind DIR/best: the recommended row's with the first seed, on the split without folds."""
    first = next(cell for cell in study.cells if cell.row == state.record.recommended)
    return replace(first, fold=None, directory=first.directory.removesuffix(f"-fold{first.fold}"))


def _keep_best_if_trained(study: Study, state: State) -> None:
    """Make DIR/best what it is to be if that needs no training, as an interrupt leaves no time for one."""
    if state.record.recommended is None:
        return
    whole = _whole_cell(study, state)
    if cell_state(state.directory / whole.directory) == "done":
        state.write(best=keep_best(state.directory, whole.directory))


def _settle_best(state: State) -> None:
    """Delete a DIR/best of an earlier stop that is not that of what is recommended now."""
    if state.record.best is None:
        discard_best(state.directory)


def _nothing_finished(study: Study, state: State, shared: Shared, stopped: Cell | None) -> str:
    if stopped is None:
        failed = next(row for row in state.record.rows if row.status == "failed")
        return f'No row came to its end. "{failed.name}" failed: {failed.error}'
    waiting = [cell for cell in study.cells if cell.row == stopped.row and state.cell(cell).status != "done"]
    more = "" if len(waiting) == 1 else f"; after it {len(waiting) - 1} more of that row"
    return (
        f'The budget ended before any row was finished. It stopped at "{stopped.row}", '
        f"{_how_far(study, state, shared, waiting[0])}{more}. "
        f"What was done is kept: {resume_command(state.directory)} --budget LONGER"
    )


def _how_far(study: Study, state: State, shared: Shared, stopped: Cell) -> str:
    """Return how far the training had come at which the budget ended, and what it still needs."""
    if cell_state(state.directory / stopped.directory) != "begun":
        return "which had not come to a checkpoint and begins anew"
    seconds = seconds_needed(shared, study.row(stopped.row), stopped)
    if seconds is None:
        return "which had only just begun to train"
    return f"which needs about {max(1, round(seconds))} s more for the training under way"
