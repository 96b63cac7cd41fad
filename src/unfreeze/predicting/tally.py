"""What is known of many predictions without keeping them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unfreeze.predicting.rows import Row

__all__ = ["Tally"]

N_ERRORS_TOLD = 5


@dataclass(slots=True)
class Tally:
    """Counts of predictions so far.

    Attributes:
        n: pictures, unreadable ones too.
        n_kept: of them, those that an earlier, interrupted command has predicted.
        n_unreadable: pictures that could not be read.
        errors: why, for the first few; each names its file.
        decided: how often each class or label was predicted; empty for values.
    """

    n: int = 0
    n_kept: int = 0
    n_unreadable: int = 0
    errors: list[str] = field(default_factory=list)
    decided: Counter[str] = field(default_factory=Counter)

    @property
    def n_predicted(self) -> int:
        """Pictures that could be read."""
        return self.n - self.n_unreadable

    def add(self, row: Row, *, kept: bool = False) -> None:
        """Count one more."""
        self.n += 1
        self.n_kept += kept
        error, decision = row["error"], row["prediction"]
        if error is not None:
            self.n_unreadable += 1
            if len(self.errors) < N_ERRORS_TOLD:
                self.errors.append(error if row["file"] in error else f"{row['file']}: {error}")
        elif isinstance(decision, str):
            self.decided[decision] += 1
        elif isinstance(decision, list | tuple):
            self.decided.update(decision)
