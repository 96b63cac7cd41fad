"""A comparison at work: its cells one after another, then the ranking of what is finished, and DIR/best."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from unfreeze.cache import ActivationCache
from unfreeze.comparison.cells import Shared, cell_state, seconds_needed, train_at_once, train_cell
from unfreeze.comparison.grid import Cell
from unfreeze.comparison.progress import CellInfo, CellResult, ComparisonProgress
from unfreeze.comparison.ranking import RowRuns, judge_rows, judge_test
from unfreeze.comparison.state import BEST, State, keep_best, known_cells, plain_rows
from unfreeze.comparison.statistics import RowStatistics
from unfreeze.comparison.study import Study
from unfreeze.comparison.work import estimate_seconds
from unfreeze.comparison_records import RowRecord, Spread, resume_command
from unfreeze.errors import ConfigError, FailedError, InterruptedRunError, reason_of
from unfreeze.options import seed_of_data
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
    _write_rows(study, state)
    try:
        stopped = _train_cells(study, state, shared, progress)
        _rank(study, state)
        if state.record.recommended is not None:
            stopped = _keep_best(study, state, shared, progress) or stopped
        state.write(status="done" if stopped is None else "stopped")
    except (KeyboardInterrupt, InterruptedRunError):
        _rank(study, state)
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
        later = [study.work[each.row] for each in study.cells[number:] if state.cell(each).status != "done"]
        done = [(study.work[each.row], each.seconds) for each in state.record.cells if each.status == "done"]
        info = CellInfo(
            number=number,
            n_cells=len(study.cells),
            row=cell.row,
            seed=cell.seed,
            fold=cell.fold,
            n_folds=study.options.folds,
            seconds_after=estimate_seconds(done, later),
        )
        progress.cell(info)
        if _train_seeds(study, state, shared, cell, info=info, progress=progress):
            continue
        if _is_over(shared) or not _train_one(study, state, shared, cell, info=info, progress=progress):
            return cell
    return None


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
    for each in cells if at_once else ():
        run = read_run(state.directory / each.directory)
        number = study.cells.index(each) + 1
        _finished(state, each, run, info=replace(info, number=number, seed=each.seed), progress=progress)
    return at_once


def _train_one(
    study: Study, state: State, shared: Shared, cell: Cell, *, info: CellInfo, progress: ComparisonProgress
) -> bool:
    """Train one cell and write down how it ended; return False if the budget ended first."""
    began = time.monotonic()
    try:
        run = train_cell(shared, study.row(cell.row), cell, progress=progress)
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
    _finished(state, cell, run, info=info, progress=progress)
    return True


def _finished(state: State, cell: Cell, run: RunRecord, *, info: CellInfo, progress: ComparisonProgress) -> None:
    """Write down and tell that a cell is done."""
    metric, seconds = state.record.metric, run.timing.total_seconds
    state.write_cell(cell, status="done", error=None, seconds=seconds)
    progress.cell_done(CellResult(cell=info, metric=metric, value=run.metrics.val[metric].value, seconds=seconds))


def _write_rows(study: Study, state: State) -> None:
    rows = plain_rows(study.grid.rows, state.record.cells, metric=study.metric, work=study.work)
    state.write(rows=rows, recommended=None, best=None)  # of another row, once one more is finished


def _rank(study: Study, state: State) -> None:
    """Give the finished rows their figures and verdicts, and say which one to take."""
    _write_rows(study, state)
    finished = {row.name: _runs(state, row, study.work[row.name]) for row in state.record.rows if row.status == "done"}
    if not finished:
        return
    dataset, seed = study.data.dataset, seed_of_data(state.record.config)
    try:
        found = judge_rows(list(finished.values()), dataset, study.judging, metric=study.metric, seed=seed)
    except ConfigError as error:
        state.write(notes=tuple(dict.fromkeys((*state.record.notes, f"The rows cannot be ranked: {error}"))))
        return
    test = {name: _test(study, runs, seed=seed) for name, runs in finished.items()}
    rows = [
        row if row.name not in found else _judged(row, found[row.name], test[row.name]) for row in state.record.rows
    ]
    recommended = next(row.name for row in rows if row.recommended)
    state.write(rows=tuple(rows), recommended=recommended)


def _runs(state: State, row: RowRecord, work: float) -> RowRuns:
    """Return the runs of a finished row, by seed, then by fold."""
    cells = [cell for cell in state.record.cells if cell.row == row.name]
    by_seed: dict[int, list[Path]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(state.directory / cell.run)
    return RowRuns(name=row.name, work=work, runs=tuple(map(tuple, by_seed.values())))


def _test(study: Study, runs: RowRuns, *, seed: int) -> Spread:
    try:
        return judge_test(runs, study.data.dataset, study.data.split.test, metric=study.metric, seed=seed)
    except ConfigError:  # not defined on these pictures, as auroc on one class
        return Spread()


def _judged(row: RowRecord, found: RowStatistics, test: Spread) -> RowRecord:
    return msgspec.structs.replace(
        row,
        val=Spread(mean=found.value, low=found.low, high=found.high),
        difference=Spread(mean=found.difference.mean, low=found.difference.low, high=found.difference.high),
        test=test,
        verdict=found.verdict,
        recommended=found.recommended,
    )


def _keep_best(study: Study, state: State, shared: Shared, progress: ComparisonProgress) -> Cell | None:
    """Make DIR/best the recommended row's run with the first seed; return the cell at which the budget ended, if any.

    The first seed's, not the best seed's: another choice on the same validation pictures would flatter its figure, and
    this one is the run that `unfreeze train` with the row's settings repeats. With folds every run has learned from a
    part; the row is then trained once more, on the split that a single training has.
    """
    row = next(row for row in state.record.rows if row.recommended)
    first = next(cell for cell in study.cells if cell.row == row.name)
    whole = replace(first, fold=None, directory=first.directory.removesuffix(f"-fold{first.fold}"))
    if first.fold is not None:
        if _is_over(shared):
            return whole
        progress.stage(f'Training "{row.name}" on train, for {BEST}')
    try:
        train_cell(shared, study.row(row.name), whole, progress=progress)
    except (InterruptedRunError, KeyboardInterrupt):
        if _is_over(shared):
            return whole
        raise
    except Exception as error:  # noqa: BLE001 - whatever ends it, what is finished has been compared
        note = f'{BEST}/ is missing: the training of "{row.name}" for it failed. {reason_of(error)}'
        state.write(notes=(*state.record.notes, note))
        progress.note(note)
        return None
    state.write(best=keep_best(state.directory, whole.directory))
    return None


def _nothing_finished(study: Study, state: State, shared: Shared, stopped: Cell | None) -> str:
    if stopped is None:
        failed = next(cell for cell in state.record.cells if cell.status == "failed")
        return f'No row came to its end. "{failed.row}" failed: {failed.error}'
    seconds = seconds_needed(shared, study.row(stopped.row), stopped)
    left = sum(1 for cell in study.cells if cell.row == stopped.row and state.cell(cell).status != "done")
    needs = (
        "whose frozen layers are not computed yet"
        if seconds is None
        else f"which needs about {max(1, round(seconds))} s more for the training under way"
    )
    more = f", and {left - 1} more of that row" if left > 1 else ""
    return (
        f'The budget ended before any row was finished. The cheapest is "{stopped.row}", {needs}{more}. '
        f"What was done is kept: {resume_command(state.directory)} --budget LONGER"
    )
