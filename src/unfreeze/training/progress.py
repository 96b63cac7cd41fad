"""What a training tells whoever watches it. The command line draws it; a library user may pass an own object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from unfreeze.plans import Solver
from unfreeze.records import Share

__all__ = ["EpochInfo", "PhaseInfo", "Progress", "Silent", "StepInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseInfo:
    """A phase that begins (or is taken up again)."""

    index: int
    n_phases: int
    name: str
    epochs: int
    n_steps: int  # optimizer steps in the phase if nothing stops it early
    n_trained: int  # parameters that train
    n_parameters: int
    trained: str  # the trained layer groups in words: "layer4.0 … head"
    lr_min: float  # smallest and largest peak rate among the trained groups; 0 where the solver has none
    lr_max: float
    finds_rate: bool = False  # rates are found by a range test when it begins; these are the defaults
    solver: Solver = "adamw"
    select_features: Share | None = None  # the share of its features that a fitted head keeps; None: all
    norm: str
    metric: str  # name of the metric that picks the best epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """One optimizer step."""

    step: int  # in its phase, from 1
    n_steps: int
    epoch: int  # over the whole training, from 0
    loss: float
    lr: float  # the head's, or the largest
    seconds_left: float | None  # for the whole training; None until it can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochInfo:
    """One finished epoch with its validation."""

    epoch: int  # over the whole training, from 0
    n_epochs: int
    phase: str
    train_loss: float
    val_loss: float
    metric: str
    value: float
    best: bool  # whether it is the best epoch so far
    lr: float | None  # None where the solver has no rate
    seconds: float
    l2: float | None = None  # the strength of the L2 penalty at which a solver without rates fitted the head
    metrics: dict[str, float] = field(default_factory=dict)


class Progress(Protocol):
    """The things a training reports, in the order in which they happen."""

    def stage(self, text: str) -> None:
        """Report that another part of the work begins, as "Reading pictures"."""

    def scanned(self, n: int, total: int) -> None:
        """Report that n of total pictures have been read."""

    def phase(self, info: PhaseInfo) -> None:
        """Report that a phase begins."""

    def prefix(self, n: int, total: int) -> None:
        """Report that the frozen layers have been computed for n of total views."""

    def step(self, info: StepInfo) -> None:
        """Report one optimizer step."""

    def epoch(self, info: EpochInfo) -> None:
        """Report one finished epoch."""

    def note(self, text: str) -> None:
        """Report something the user should know, as a repaired split."""


class Silent:
    """Reports nothing: the default of the library."""

    def stage(self, text: str) -> None:
        """Ignore a stage."""

    def scanned(self, n: int, total: int) -> None:
        """Ignore a count."""

    def phase(self, info: PhaseInfo) -> None:
        """Ignore a phase."""

    def prefix(self, n: int, total: int) -> None:
        """Ignore a count."""

    def step(self, info: StepInfo) -> None:
        """Ignore a step."""

    def epoch(self, info: EpochInfo) -> None:
        """Ignore an epoch."""

    def note(self, text: str) -> None:
        """Ignore a note."""
