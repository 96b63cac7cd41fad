"""The library's `advise`, and `Advice`, what it leaves behind. `unfreeze advise` is this call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.advice_records import AdviceRecord, Reason, read_advice
from unfreeze.api import train
from unfreeze.command_words import parse_budget, split_names
from unfreeze.errors import InterruptedRunError
from unfreeze.keywords import checked_names
from unfreeze.records import TrainOptions
from unfreeze.run import Run

if TYPE_CHECKING:
    from unfreeze.training.progress import Progress

__all__ = ["Advice", "advise"]


class Advice:
    """What to train, and why, read from its directory.

    Args:
        path: the directory.

    Raises:
        RunError: it holds no advice, or one of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record: AdviceRecord = read_advice(self.path)

    def __repr__(self) -> str:
        return f"Advice({str(self.path)!r}, {self.record.strategy} by {self.record.model} at {self.record.size} px)"

    @property
    def plan(self) -> Path:
        """The plan file; `train(data, plan=advice.plan)` follows it."""
        return self.path / self.record.plan

    @property
    def command(self) -> str:
        """The command that trains by the plan."""
        return self.record.command

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, the reasons that decided first."""
        return self.record.reasons

    def report(self) -> Path:
        """Write report.html anew from what the advice left behind; return its path."""
        from unfreeze.reporting import write_advice_report

        return write_advice_report(self.path)

    def train(self, *, out: str | Path | None = None, progress: Progress | None = None) -> Run:
        """Train as advised, on the same pictures with the same settings."""
        from unfreeze.advice import ADVISED

        record = self.record
        kept = {name: getattr(record.config, name) for name in record.given if name not in ADVISED}
        return train(record.data.path, plan=str(self.plan), out=out, progress=progress, **kept)


def advise(
    data: str | Path,
    *,
    models: str | Sequence[str] = (),
    budget: str | float | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Advice:
    """Measure on the user's own pictures which way to train suits them; the same as `unfreeze advise`.

    Args:
        data: a folder of class folders, or a CSV or Parquet table with a `file` column.
        models: networks to choose from, also as one text with commas; the option `model` if left out.
        budget: seconds, or a text such as "2m", for measuring; five minutes if left out.
        out: the directory of the advice; the next free `runs/<data>-advice-<n>` if left out.
        progress: told what happens (`unfreeze.training.progress.Progress`).
        **options: the fields of `unfreeze.records.TrainOptions` that the training is to have.

    Returns:
        The advice; `advice.train()` follows it.

    Raises:
        UnfreezeError: with what is wrong and what to do next.

    Example:
        >>> advice = advise("photos/", budget="2m")  # doctest: +SKIP
        >>> advice.command, advice.reasons[0].text  # doctest: +SKIP
    """
    from unfreeze.advice import DEFAULT_BUDGET, advise_data
    from unfreeze.training import Silent, next_directory

    changes = checked_names(options)
    directory = next_directory(Path(data), "advice") if out is None else Path(out)
    try:
        advise_data(
            Path(data),
            TrainOptions(**changes),
            models=split_names(models) if isinstance(models, str) else tuple(models),
            given=frozenset(changes),
            budget_seconds=DEFAULT_BUDGET if budget is None else parse_budget(budget),
            out=directory,
            progress=progress or Silent(),
        )
    except InterruptedRunError:  # what was known by then has been written
        Advice(directory).report()
        raise
    found = Advice(directory)
    found.report()
    return found
