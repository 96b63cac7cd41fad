"""What there is to be seen of a lesson: what it is doing, what has been learned, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unfreeze.teaching.needs import learnable

if TYPE_CHECKING:
    from unfreeze.teaching.fitting import Judgement, LinearHead
    from unfreeze.teaching.saving import Saving
    from unfreeze.teaching.snapshot import Snapshot

__all__ = ["State", "Taught", "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What a lesson is doing now.

    Attributes:
        doing: "loading" the network, "reading" pictures, "computing" their vectors, "fitting" the head, "judging" it
            by cross-validation, "saving" a run, or "resting".
        n: how much of it is done.
        total: of how much; None where that cannot be told.
    """

    doing: Literal["loading", "reading", "computing", "fitting", "judging", "saving", "resting"]
    n: int = 0
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What has been learned.

    Attributes:
        version: of the album that it was learned from.
        head: from vectors to classes.
        files: the pictures that it was learned from, as numbered in the judgement.
        depth_range: what becomes 0 and 255 in pictures of more than 8 bits.
        judgement: how good it is; a sentence that says why that cannot be told; None while it is being found out.
        seconds: from the vectors to the head, and to its judgement once there is one.
    """

    version: int
    head: LinearHead
    files: tuple[str, ...]
    depth_range: tuple[float, float] | None
    judgement: Judgement | str | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class State:
    """All that there is to be seen of a lesson at one moment."""

    snapshot: Snapshot
    work: Work
    taught: Taught | None
    missing: tuple[str, ...]
    failure: str | None
    notes: tuple[str, ...]
    saving: Saving | None

    @property
    def is_settled(self) -> bool:
        """Whether everything has been learned that can be, and nothing is under way."""
        if self.work.doing != "resting":
            return False
        if self.taught is not None:
            return self.taught.version == self.snapshot.version or self.failure is not None
        return self.failure is not None or not learnable(self.snapshot.counts)
