"""A comparison from a path to compare.json and DIR/best: one split, one cache, every cell an ordinary run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from unfreeze.backbones import input_spec
from unfreeze.comparison.grid import cells_of, grid_problems, make_grid
from unfreeze.comparison.progress import ComparisonProgress
from unfreeze.comparison.splitting import fold_splits
from unfreeze.comparison.state import State, known_cells
from unfreeze.comparison.study import Study
from unfreeze.comparison.working import work_on
from unfreeze.comparison_records import COMPARE_FILE, CompareOptions, CompareRecord, RowRecord, read_comparison
from unfreeze.data import Dataset
from unfreeze.errors import ConfigError, RunError, raise_together
from unfreeze.metrics import HIGHER_IS_BETTER, check_metric, few_test_pictures, score
from unfreeze.options import SAID_BY_PLAN, option_problems, seed_of_data
from unfreeze.records import TrainOptions
from unfreeze.training.directory import discard_lock, environment, next_directory, now, only_one, out_problem
from unfreeze.training.inputs import open_data, study_data
from unfreeze.training.settings import architecture_of

__all__ = ["compare_ways", "resume_comparison"]


def compare_ways(
    path: Path,
    options: CompareOptions,
    base: TrainOptions,
    *,
    given: frozenset[str] = frozenset(),
    out: Path | None,
    budget_seconds: float | None = None,
    progress: ComparisonProgress,
) -> Path:
    """Train every cell of the grid, rank the rows, and return the comparison's directory.

    Args:
        path: a folder of class folders, or a table.
        options: what is compared.
        base: the settings that all trainings have in common.
        given: the names of those that the user gave.
        out: the comparison's directory; None: the next free one below runs/.
        budget_seconds: when to stop, counted from now; None: when all is done.
        progress: who is told.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; everything is kept.
        FailedError: no row came to its end: all failed, or the budget was too small.
        UnfreezeError: settings, names or data are wrong; nothing has been written then.
    """
    began = time.monotonic()
    others = given - set(SAID_BY_PLAN) if base.plan is not None else given  # the plan's row does without them
    problems = [*grid_problems(options), *option_problems(base, given=others, of_strategy=False)]
    if not path.exists():
        problems.append(f'"{path}" does not exist; give a folder of class folders, or a table.')
    if base.weights is not None and len(options.models) > 1:
        problems.append("--weights fits one network, but --models names several; leave one of them out.")
    if out is not None and (problem := _out_problem(out)):
        problems.append(problem)
    raise_together(problems)
    study = _study(path, options, base, given=given, progress=progress)
    out = out or next_directory(path, "compare")
    notes = _notes(study)
    few = few_test_pictures(len(study.data.split.test), n_groups=study.n_test_groups)
    for note in (*notes, *([few] if few else [])):
        progress.note(note)
    record = CompareRecord(
        status="running",
        created=now(),
        data=study.data.record(),
        options=options,
        config=base,
        given=tuple(sorted(given)),
        task=study.data.dataset.task,
        metric=study.metric,
        higher_is_better=HIGHER_IS_BETTER[study.metric],
        n_judging=len(study.judging),
        n_test=len(study.data.split.test),
        n_test_groups=study.n_test_groups,
        rows=(),
        cells=known_cells(out, study.cells),
        notes=notes,
        environment=environment(),
    )
    with only_one(out, must_be_new=True):
        work_on(study, State(out, record, began), budget_seconds=budget_seconds, progress=progress)
    discard_lock(out)
    return out


def resume_comparison(out: Path, *, budget_seconds: float | None = None, progress: ComparisonProgress) -> Path:
    """Go on with a comparison: finished cells stay, interrupted ones are continued, failed ones begin anew.

    Raises:
        RunError: there is none, it is finished, or its pictures, plans or weights have changed since.
        InterruptedRunError, FailedError: see `compare_ways`.
    """
    began = time.monotonic()
    record = read_comparison(out)
    complete = record.best is not None or record.recommended is None
    states = {*(cell.status for cell in record.cells), *(row.status for row in record.rows)}
    if record.status == "done" and complete and states == {"done"}:
        raise RunError(f'The comparison in "{out}" is finished; there is nothing to resume.')
    path = Path(record.data.path)
    study = _study(path, record.options, record.config, given=frozenset(record.given), progress=progress)
    if (study.data.fingerprint, study.data.split.sha256) != (record.data.fingerprint, record.data.split_sha256):
        raise RunError(
            f'The pictures, labels or groups in "{path}" have changed since the comparison began; '
            "compare again with another --out."
        )
    raise_together(list(_changed_rows(study, record.rows)), RunError)
    with only_one(out, must_be_new=False):
        cells = known_cells(out, study.cells, record.cells)
        record = msgspec.structs.replace(record, status="running", cells=cells, notes=_notes(study))
        work_on(study, State(out, record, began), budget_seconds=budget_seconds, progress=progress)
    discard_lock(out)
    return out


def _study(
    path: Path, options: CompareOptions, base: TrainOptions, *, given: frozenset[str], progress: ComparisonProgress
) -> Study:
    """Find everything that is wrong, then read every picture once."""
    dataset = open_data(path, base)
    raise_together(option_problems(msgspec.structs.replace(base, task=dataset.task), of_strategy=False))
    metric = check_metric(base.metric, dataset.task)
    grid = make_grid(options, base, given=given, dataset=dataset)
    first = grid.rows[0].options
    data = study_data(path, dataset, base, progress, spec=input_spec(architecture_of(first), size=first.size))
    data.target_scale()  # constant targets are an error
    split = data.split
    n_held_out = len(split.val) + len(split.test)
    work = {row.name: row.work(n_train=len(split.train), n_held_out=n_held_out) for row in grid.rows}
    cells = cells_of(grid.rows, options, first_seed=base.seed, work=work)
    folds = options.folds
    splits = () if folds is None else fold_splits(data, n_folds=folds, seed=seed_of_data(base))
    study = Study(grid=grid, data=data, splits=splits, metric=metric, cells=tuple(cells), work=work, options=options)
    _check_defined(metric, dataset=data.dataset, indices=study.judging)
    return study


def _check_defined(metric: str, *, dataset: Dataset, indices: Sequence[int]) -> None:
    """Raise before anything trains if the pictures that judge give the metric no value, as auroc on one class."""
    truth = dataset.targets[np.asarray(indices)]
    perfect = np.eye(len(dataset.outputs))[truth] if dataset.task == "classification" else truth.astype(np.float64)
    if np.isnan(score(metric, truth, perfect)):
        raise ConfigError(
            f"{metric} has no value on the {len(indices)} pictures that judge, whoever predicts them: not all classes "
            "or values are among them. Take another --metric, more pictures, or another split."
        )


def _notes(study: Study) -> tuple[str, ...]:
    rows = study.grid.rows
    alone = f'There is nothing to compare "{rows[0].name}" with: it is the only row.'
    return (*study.grid.notes, *([alone] if len(rows) == 1 else []), *study.data.notes)


def _changed_rows(study: Study, before: Sequence[RowRecord]) -> Iterator[str]:
    """Yield what is not as it was when the comparison began: cells of one row would train in two ways."""
    known = {row.name: row for row in before}
    now = {row.name: row for row in study.grid.rows}
    another = "than when the comparison began; put it back as it was, or compare again with another --out."
    if known and known.keys() != now.keys():
        yield f"The rows are now {', '.join(now)}, not {', '.join(known)}: a plan is another {another}"
        return
    for name, row in known.items():
        options = now[name].options
        if row.plan_sha256 and row.plan_sha256 != now[name].plan_sha256:
            where = "" if options.plan is None else f' ("{options.plan}")'
            yield f'The plan of "{name}"{where} is another {another}'
        if row.weights_sha256 != now[name].weights_sha256 and row.plan_sha256:
            yield f'The weights of "{name}" ("{options.weights or options.model}") are others {another}'


def _out_problem(out: Path) -> str | None:
    if (out / COMPARE_FILE).is_file():
        return f'--out "{out}" holds another comparison; name another directory, or continue that one with --resume.'
    return out_problem(out)
