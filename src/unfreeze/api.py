"""The library's verbs: train, load, check, plan.

Every command of the command line is a call of one of these, or of a `Run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.advice_records import read_advice
from unfreeze.command_words import flag
from unfreeze.errors import ConfigError, InterruptedRunError, raise_together
from unfreeze.keywords import checked_names
from unfreeze.records import RunRecord, TaskName, TrainOptions
from unfreeze.run import Run

if TYPE_CHECKING:
    from unfreeze.auditing import CachedFeatures, Finding
    from unfreeze.plans import Plan
    from unfreeze.training.progress import Progress

__all__ = ["check", "load", "plan_for", "train"]

AUTO = "auto"  # the strategy that takes advice first
AUTO_SECONDS = 120.0  # for it
CHECK_OPTIONS = ("task", "target", "group", "split", "cache", "cache_dir")


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Run:
    """Fine-tune a pretrained network on labelled pictures; the same as `unfreeze train`.

    Args:
        data: a folder of class folders, or a CSV or Parquet table with a `file` column. Not needed to resume.
        out: the run directory; the next free `runs/<data>-<strategy>-<n>` if left out.
        resume: continue the interrupted run in `out` with its own settings; an option that differs is an error.
        progress: told what happens (`unfreeze.training.progress.Progress`).
        **options: the fields of `unfreeze.records.TrainOptions`.

    Returns:
        The finished run.

    Raises:
        UnfreezeError: with what is wrong and what to do next.

    Example:
        >>> run = train("photos/", model="resnet50", strategy="gradual", epochs=10)  # doctest: +SKIP
        >>> run.metrics.test["accuracy"].value  # doctest: +SKIP
    """
    from unfreeze.training import Silent, resume_run, train_run

    watcher = progress or Silent()
    changes = checked_names(options)
    if resume:
        path = resume_run(_resumed(data, out, changes), progress=watcher)
    else:
        if data is None:
            raise ConfigError("Which pictures? Give a folder of class folders, or a CSV or Parquet table.")
        place = None if out is None else Path(out)
        notes: tuple[str, ...] = ()
        if changes.get("strategy") == AUTO:
            place, changes, notes = _advised(Path(data), place, changes, watcher)
        path = train_run(
            Path(data), TrainOptions(**changes), given=frozenset(changes), out=place, progress=watcher, notes=notes
        )
    run = Run(path)
    run.report()
    return run


def load(path: str | Path) -> Run:
    """Read a finished run from its directory."""
    return Run(path)


def check(data: str | Path, *, progress: Progress | None = None, **options: Any) -> tuple[Finding, ...]:
    """Look for what is wrong with a data set: unreadable, repeated, leaking, imbalanced, mislabelled pictures.

    Where an earlier training has left frozen features of all pictures in the cache, they are looked at too: for
    leaks that hashes miss, and for labels that are probably wrong. Nothing is computed or written for that.

    Returns:
        The findings, the gravest first; empty if nothing was found.

    Raises:
        DataError: there is nothing to check: no pictures, or no labels.
    """
    from unfreeze.auditing import check_dataset, find_features
    from unfreeze.cache import ActivationCache
    from unfreeze.data import open_dataset, scan
    from unfreeze.training import Silent

    settings = TrainOptions(**checked_names(options, CHECK_OPTIONS))
    dataset = open_dataset(data, task=settings.task, target=settings.target, group=settings.group, split=settings.split)
    watcher = progress or Silent()
    for note in dataset.notes:
        watcher.note(note)
    watcher.stage("Reading pictures")
    fingerprints = scan(dataset.root, dataset.files, progress=watcher.scanned)
    found = None
    if settings.cache:
        readable = [each for each in fingerprints if each.error is None]
        found = find_features(ActivationCache(settings.cache_dir), readable)
    watcher.note(_features_note(found, dataset.task) if settings.cache else "The cache was not looked at.")
    return check_dataset(dataset, fingerprints, features=None if found is None else found.values)


def _features_note(found: CachedFeatures | None, task: TaskName) -> str:
    """Say whether a check could look at features, and what it could not do."""
    from unfreeze.auditing import has_cleanlab
    from unfreeze.auditing.probing import MIN_PROBED
    from unfreeze.auditing.suspects import NO_CLEANLAB

    if found is None:
        return (
            "Labels and crops were not checked: that takes frozen features of all pictures, which "
            "`unfreeze train DATA --strategy head` leaves in the cache."
        )
    height, width = found.size
    told = f"Features of {found.model} at {width}×{height} px are in the cache and were looked at."
    if task == "regression":
        return told
    if not has_cleanlab():
        return f"{told} {NO_CLEANLAB}"
    n_pictures = len(found.values)
    if n_pictures < MIN_PROBED:
        return f"{told} Labels were not checked: that takes {MIN_PROBED} readable pictures, but there are {n_pictures}."
    return told


def plan_for(model: str, **options: Any) -> Plan:
    """Return the plan that a training of this network would follow, without loading weights."""
    from unfreeze.training.inputs import plan_from_options
    from unfreeze.training.settings import architecture_of, settled

    changes = {"model": model, **checked_names(options)}
    if changes.get("lr") == "auto":
        raise ConfigError("--lr auto finds the rate on pictures when a training begins; a plan without any has none.")
    settings = settled(TrainOptions(**changes), frozenset(changes))
    return plan_from_options(settings, n_outputs=2, architecture=architecture_of(settings))


def _advised(
    data: Path, out: Path | None, changes: Mapping[str, Any], progress: Progress
) -> tuple[Path, dict[str, Any], tuple[str, ...]]:
    """Take advice; return where the run is to be, the settings that follow the advice, and what its record says of it.

    Raises:
        InterruptedRunError: Ctrl-C; the advice as far as it was known is kept, and nothing is trained.
        UnfreezeError: see `advise_data`, and a run directory that cannot be one.
    """
    from unfreeze.advice import ADVISED, advise_data
    from unfreeze.reporting import write_advice_report
    from unfreeze.training import next_directory
    from unfreeze.training.directory import out_problem

    raise_together([problem for problem in (out and out_problem(out),) if problem])
    said = {name: value for name, value in changes.items() if name != "strategy"}
    directory = next_directory(data, "advice", **({} if out is None else {"parent": out.parent}))
    progress.stage("Taking advice")
    try:
        advise_data(
            data, TrainOptions(**said), given=frozenset(said), budget_seconds=AUTO_SECONDS, out=directory,
            progress=progress,
        )  # fmt: skip
    except InterruptedRunError:  # what was known by then has been written
        write_advice_report(directory)
        raise
    write_advice_report(directory)
    advice = read_advice(directory)
    why = (
        f'Advised in "{directory}": {advice.way} with {advice.model} at {advice.size} px.',
        *(reason.text for reason in advice.reasons),
    )
    progress.note(why[0])
    followed = {name: value for name, value in said.items() if name not in ADVISED}
    return out or next_directory(data, AUTO), {**followed, "plan": str(directory / advice.plan)}, why


def _resumed(data: str | Path | None, out: str | Path | None, changes: Mapping[str, Any]) -> Path:
    """Return the run to resume; raise if the data or an option given differs from the run's own."""
    from unfreeze.training.directory import read_run

    if out is None:
        raise ConfigError("--resume needs --out: the directory of the run to continue.")
    record = read_run(Path(out))
    problems = [
        f"{flag(name)} {value} differs from the run's own {getattr(record.config, name)}; leave it out."
        for name, value in changes.items()
        if value != getattr(record.config, name)
    ]
    problems += _data_problem(data, record)
    if problems:
        raise ConfigError("\n".join(problems))
    return Path(out)


def _data_problem(data: str | Path | None, record: RunRecord) -> Sequence[str]:
    if data is None or Path(data).resolve() == Path(record.data.path).resolve():
        return ()
    return (f'"{data}" differs from the pictures of the run, "{record.data.path}"; leave it out.',)
