"""A lesson saved: a real training on its folder, which leaves a run directory, and how far it has come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unfreeze.api import train
from unfreeze.errors import UnfreezeError

if TYPE_CHECKING:
    from unfreeze.training import EpochInfo, PhaseInfo, StepInfo

__all__ = ["Saving", "save_run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """How far a run has come that is being saved.

    Attributes:
        status: "waiting" until what is under way is finished, "running", "done", or "failed".
        stage: what is being done.
        n: how much of it is done.
        total: of how much; None where that cannot be told.
        notes: what the training says that the user should know.
        run: where the run is, once it is done.
        error: why there is none, where it failed.
    """

    status: Literal["waiting", "running", "done", "failed"]
    stage: str = ""
    n: int = 0
    total: int | None = None
    notes: tuple[str, ...] = ()
    run: Path | None = None
    error: str | None = None


def save_run(folder: Path, options: dict[str, Any], *, out: Path | None, tell: Callable[[Saving], None]) -> Saving:
    """Train on the folder and leave a run directory; return how it ended, never raising.

    Args:
        folder: of class folders.
        options: of the training, as `unfreeze.train` takes them.
        out: the run directory; None: the next free one below runs/.
        tell: told how far it has come, often.
    """
    progress = _Telling(tell)
    try:
        run = train(folder, out=out, progress=progress, **options)
    except UnfreezeError as error:
        return replace(progress.saving, status="failed", error=str(error))
    except Exception as error:
        logger.exception("A run could not be saved")
        return replace(progress.saving, status="failed", error=f"{type(error).__name__}: {error}")
    return Saving(status="done", stage="Saved", notes=progress.saving.notes, run=run.path)


class _Telling:
    """Turns what a training reports into how far a saving has come."""

    def __init__(self, tell: Callable[[Saving], None]) -> None:
        self.saving = Saving(status="running", stage="Beginning")
        self._tell = tell

    def stage(self, text: str) -> None:
        """Tell which part of the work begins."""
        self._now(stage=text)

    def scanned(self, n: int, total: int) -> None:
        """Tell how many pictures have been read."""
        self._now(stage="Reading pictures", n=n, total=total)

    def phase(self, info: PhaseInfo) -> None:
        """Tell that the head is being trained."""
        self._now(stage="Training the head", total=info.epochs)

    def prefix(self, n: int, total: int) -> None:
        """Tell for how many pictures the frozen layers have been computed."""
        self._now(stage="Computing the frozen layers", n=n, total=total)

    def step(self, info: StepInfo) -> None:
        """Tell nothing: an epoch takes less time than it takes to look."""

    def epoch(self, info: EpochInfo) -> None:
        """Tell how many epochs there have been."""
        self._now(stage="Training the head", n=info.epoch + 1, total=info.n_epochs)

    def note(self, text: str) -> None:
        """Keep what the user should know."""
        self.saving = replace(self.saving, notes=(*self.saving.notes, text))
        self._tell(self.saving)

    def _now(self, *, stage: str, n: int = 0, total: int | None = None) -> None:
        self.saving = replace(self.saving, stage=stage, n=n, total=total)
        self._tell(self.saving)
