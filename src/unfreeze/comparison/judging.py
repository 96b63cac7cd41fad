"""The rows of a comparison, judged as far as they are finished, and which one to take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from unfreeze.comparison.progress import ComparisonProgress
from unfreeze.comparison.ranking import RowRuns, judge_rows, judge_test, read_outputs
from unfreeze.comparison.state import State, plain_rows
from unfreeze.comparison.statistics import RowOutputs, RowStatistics
from unfreeze.comparison.study import Study
from unfreeze.comparison_records import RowRecord, Spread
from unfreeze.errors import ConfigError, RunError
from unfreeze.options import seed_of_data

__all__ = ["rank", "write_rows"]


def write_rows(study: Study, state: State) -> None:
    """Write the rows as their cells have them; what was recommended may not be, once one more is finished."""
    rows = plain_rows(study.grid.rows, state.record.cells, metric=study.metric, work=study.work)
    state.write(rows=rows, recommended=None, best=None)


def rank(study: Study, state: State, progress: ComparisonProgress) -> None:
    """Give the finished rows their figures and verdicts, and say which one to take.

    A row whose predictions cannot be used has failed; the others are ranked.
    """
    write_rows(study, state)
    finished = {row.name: _runs(state, row, study.work[row.name]) for row in state.record.rows if row.status == "done"}
    outputs: dict[str, RowOutputs] = {}
    test: dict[str, Spread] = {}
    failed: dict[str, str] = {}
    for name, runs in finished.items():
        try:
            outputs[name] = read_outputs(runs, study.data.dataset, study.judging, metric=study.metric)
            test[name] = _test(study, runs, seed=seed_of_data(state.record.config))
        except RunError as error:
            failed[name] = str(error)
            progress.note(f'"{name}" cannot be ranked: {error}')
    state.write(rows=tuple(_failed(row, failed) for row in state.record.rows))
    usable = [outputs[name] for name in finished if name not in failed]
    if usable:
        _judge(study, state, usable, test, progress)


def _judge(
    study: Study, state: State, usable: list[RowOutputs], test: Mapping[str, Spread], progress: ComparisonProgress
) -> None:
    dataset, seed = study.data.dataset, seed_of_data(state.record.config)
    try:
        found = judge_rows(usable, dataset, study.judging, metric=study.metric, seed=seed, folds=study.judging_folds)
    except ConfigError as error:
        note = f"The rows cannot be ranked: {error}"
        state.note(note)
        progress.note(note)
        return
    rows = [
        row if row.name not in found else _judged(row, found[row.name], test[row.name]) for row in state.record.rows
    ]
    state.write(rows=tuple(rows), recommended=next(row.name for row in rows if row.recommended))


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


def _failed(row: RowRecord, failed: Mapping[str, str]) -> RowRecord:
    if row.name not in failed:
        return row
    return msgspec.structs.replace(row, status="failed", error=failed[row.name])


def _judged(row: RowRecord, found: RowStatistics, test: Spread) -> RowRecord:
    return msgspec.structs.replace(
        row,
        val=Spread(mean=found.value, low=found.low, high=found.high),
        difference=Spread(mean=found.difference.mean, low=found.difference.low, high=found.difference.high),
        test=test,
        verdict=found.verdict,
        recommended=found.recommended,
    )
