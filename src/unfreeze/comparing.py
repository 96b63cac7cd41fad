"""The library's `compare`, and `Comparison`, what it leaves behind. `unfreeze compare` is this call."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from unfreeze.command_words import flag, parse_budget, split_names
from unfreeze.comparison_records import (
    COMPARE_FILE,
    CompareOptions,
    CompareRecord,
    RowRecord,
    read_comparison,
    resume_command,
)
from unfreeze.errors import ConfigError, FailedError, InterruptedRunError, RunError, raise_together
from unfreeze.keywords import checked_names
from unfreeze.records import TrainOptions
from unfreeze.run import Run

if TYPE_CHECKING:
    from unfreeze.comparison import ComparisonProgress

__all__ = ["Comparison", "compare"]

FILES = frozenset({"plan", "weights", "cache_dir"})  # settings that are paths
RUNS = frozenset({"model", "models"})  # settings that are paths where they name a run
MODEL_FILE = "model.json"


class Comparison:
    """A comparison, finished or not, read from its directory.

    Args:
        path: the directory.

    Raises:
        RunError: it is missing, or not readable as a comparison.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record: CompareRecord = read_comparison(self.path)

    def __repr__(self) -> str:
        return f"Comparison({str(self.path)!r}, {len(self.rows)} rows, recommended: {self.record.recommended})"

    @property
    def rows(self) -> tuple[RowRecord, ...]:
        """The ways that were compared, with figures and verdicts where they are finished."""
        return self.record.rows

    @property
    def best(self) -> Run:
        """The run of the recommended row.

        Raises:
            RunError: no row is finished yet.
        """
        if self.record.best is None:
            raise RunError(
                f'The comparison in "{self.path}" has no best run yet; finish it with: {resume_command(self.path)}'
            )
        return Run(self.path / self.record.best)

    def report(self) -> Path:
        """Write report.html anew from what the comparison left behind; return its path.

        The page links to the reports of the finished runs; those that have none get theirs, but for those of a row
        that has failed.
        """
        from unfreeze.reporting import write_comparison_report

        failed = {row.name for row in self.record.rows if row.status == "failed"}
        finished = [cell.run for cell in self.record.cells if cell.status == "done" and cell.row not in failed]
        for run in (*finished, *([self.record.best] if self.record.best is not None else [])):
            if (self.path / run / "run.json").is_file() and not (self.path / run / "report.html").is_file():
                Run(self.path / run).report()
        return write_comparison_report(self.path)


def compare(
    data: str | Path | None = None,
    *,
    strategies: str | Sequence[str] | None = None,
    models: str | Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    seeds: int | None = None,
    folds: int | None = None,
    budget: str | float | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: ComparisonProgress | None = None,
    **options: Any,
) -> Comparison:
    """Train by several ways on the same pictures, and say which can be told apart; the same as `unfreeze compare`.

    Args:
        data: a folder of class folders, or a CSV or Parquet table with a `file` column. Not needed to resume.
        strategies: names or selectors, also as one text with commas; head, gradual and layerwise if left out.
        models: networks, likewise; the option `model` if left out.
        sizes: heights and widths of the input, px; each strategy's own if left out.
        seeds: how many trainings of each row, 1 if left out; they vary what is random in the network, not the pictures.
        folds: judge on that many folds of train and validation instead of on validation.
        budget: seconds, or a text such as "10m", after which it stops with what is known.
        out: the comparison's directory; the next free `runs/<data>-compare-<n>` if left out.
        resume: continue the comparison in `out` with its own settings; one that differs is an error.
        progress: told what happens (`unfreeze.comparison.ComparisonProgress`).
        **options: the fields of `unfreeze.records.TrainOptions`, for all trainings. `strategy` stands for one of
            `strategies`, `plan` for one more.

    Returns:
        The comparison; `best` is a complete run.

    Raises:
        UnfreezeError: with what is wrong and what to do next.

    Example:
        >>> found = compare("photos/", strategies=["head", "stages:2"], seeds=3)  # doctest: +SKIP
        >>> found.record.recommended, found.best.metrics.test["accuracy"]  # doctest: +SKIP
    """
    from unfreeze.comparison import SilentComparison, compare_ways, resume_comparison
    from unfreeze.training import next_directory

    watcher = progress or SilentComparison()
    seconds = None if budget is None else parse_budget(budget)
    changes = checked_names(options)
    wanted = _compared(strategies=strategies, models=models, sizes=sizes, seeds=seeds, folds=folds)
    wanted |= _singular(wanted, changes)
    wanted, changes = _absolute(wanted), _absolute(changes)
    if resume:
        path = _comparison_to_resume(data, out, wanted, changes)
        begin = functools.partial(resume_comparison, path)
    elif data is None:
        raise ConfigError("Which pictures? Give a folder of class folders, or a CSV or Parquet table.")
    else:
        path = next_directory(Path(data), "compare") if out is None else Path(out)
        base = TrainOptions(**changes)
        begin = functools.partial(
            compare_ways, Path(data), CompareOptions(**wanted), base, given=frozenset(changes), out=path
        )
    try:
        begin(budget_seconds=seconds, progress=watcher)
    except (InterruptedRunError, FailedError):
        _write_page(path)
        raise
    found = Comparison(path)
    found.report()
    return found


def _write_page(directory: Path) -> None:
    """Write the page of a comparison that was ended early, at once: runs without a report get theirs another time."""
    from unfreeze.reporting import write_comparison_report

    if (directory / COMPARE_FILE).is_file():
        write_comparison_report(directory)


def _compared(**named: Any) -> dict[str, Any]:
    """Return those of `CompareOptions`' fields that were given, in its types.

    Raises:
        ConfigError: a value of the wrong kind.
    """
    wanted = {
        name: split_names(value) if isinstance(value, str) else value
        for name, value in named.items()
        if value is not None
    }
    try:
        converted = msgspec.convert(wanted, CompareOptions)
    except msgspec.ValidationError as error:
        raise ConfigError(f"What is to be compared cannot be read: {error}.") from None
    return {name: getattr(converted, name) for name in wanted}


def _absolute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the files and runs among them as absolute paths, so that any directory can resume."""

    def of(name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(of(name, each) for each in value)
        names_path = name in FILES or (name in RUNS and isinstance(value, str) and (Path(value) / MODEL_FILE).is_file())
        return str(Path(value).absolute()) if names_path and isinstance(value, str) else value

    return {name: of(name, value) for name, value in values.items()}


def _singular(wanted: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Take `strategy` out of the training's options as one of the strategies; raise where one and several are given.

    Raises:
        ConfigError: an option and the list that stands for it.
    """
    pairs = {"strategy": "strategies", "model": "models", "size": "sizes"}
    raise_together(
        [
            f"{flag(one)} contradicts {flag(several)}; name all in {flag(several)}."
            for one, several in pairs.items()
            if one in changes and several in wanted
        ]
    )
    return {"strategies": (changes.pop("strategy"),)} if "strategy" in changes else {}


def _comparison_to_resume(
    data: str | Path | None, out: str | Path | None, wanted: Mapping[str, Any], changes: Mapping[str, Any]
) -> Path:
    """Return the comparison to resume; raise if the data or an option given differs from its own."""
    if out is None:
        raise ConfigError("--resume needs --out: the directory of the comparison to continue.")
    record = read_comparison(Path(out))
    own_options = _absolute({name: getattr(record.options, name) for name in wanted})
    own_config = _absolute({name: getattr(record.config, name) for name in changes})
    given = {name: (value, own_options[name]) for name, value in wanted.items()}
    given |= {name: (value, own_config[name]) for name, value in changes.items()}
    problems = [
        f"{flag(name)} {_listed(value)} differs from the comparison's own {_listed(own)}; leave it out."
        for name, (value, own) in given.items()
        if value != own
    ]
    if data is not None and Path(data).resolve() != Path(record.data.path).resolve():
        problems.append(f'"{data}" differs from the pictures of the comparison, "{record.data.path}"; leave it out.')
    raise_together(problems)
    return Path(out)


def _listed(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
