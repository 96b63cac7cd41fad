"""One phase of a plan, and what a plan may say about everything around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from unfreeze.records import AugmentName, FeatureSource, Share

__all__ = ["NormMode", "Phase", "PhaseOptions", "PlanSettings", "Schedule", "Solver"]

Schedule = Literal["constant", "cosine", "one-cycle"]
NormMode = Literal["eval", "train", "frozen"]
Solver = Literal["adamw", "sgd", "lbfgs"]


@dataclass(frozen=True)
class Phase:
    """What trains for some epochs, and how. A `Plan` checks it; alone it is only written down.

    Attributes:
        name: Shown in progress and reports; unique in a plan.
        epochs: Passes over the training images; with `lbfgs`, strengths of the L2 penalty, from strong to weak.
        train: Selectors; what they mean together trains, everything else is frozen.
        lr: The head's peak rate, and everybody's where `layer_decay` is 1; None with `lbfgs`, which has no rate.
        layer_decay: A layer group's rate is lr x layer_decay ^ (layer groups between it and the head).
        rates: Absolute peak rates by selector, which win over decay; the last match wins.
        schedule: How rates run over the phase, each reaching its peak (see `unfreeze.plans.schedules`).
        warmup: Share of the phase in which rates rise linearly; `one-cycle` has its own rise.
        norm: Norm layers in what trains: `eval` uses the stored statistics and trains scale and shift,
            `train` also updates the statistics, `frozen` trains neither.
        weight_decay: Decoupled in AdamW; biases, norm layers, tokens and tables are left alone.
        solver: `adamw` or `sgd`, the same in all phases that train by steps; or `lbfgs`, which fits a linear head
            to all training pictures at once, by L-BFGS.
        select_features: With `lbfgs`, the share of its features that the head keeps, above 0 and at most 1, those that
            a group lasso ranks first; "auto": the share is chosen on validation; None: all features.
        patience: Epochs without a better validation metric after which the phase ends; None: never.
    """

    name: str
    epochs: int
    train: tuple[str, ...]
    lr: float | None = None
    layer_decay: float = 1.0
    rates: Mapping[str, float] = field(default_factory=dict, hash=False)
    schedule: Schedule = "one-cycle"
    warmup: float = 0.0
    norm: NormMode = "eval"
    weight_decay: float = 0.01
    solver: Solver = "adamw"
    select_features: Share | None = None
    patience: int | None = None

    @property
    def takes_steps(self) -> bool:
        """Whether it trains by the steps of an optimizer, at rates; `lbfgs` does not."""
        return self.solver != "lbfgs"


class PhaseOptions(TypedDict, total=False):
    """What every strategy passes on to all of its phases unchanged."""

    schedule: Schedule
    warmup: float
    norm: NormMode
    weight_decay: float
    solver: Solver
    select_features: Share | None
    patience: int | None


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What a plan file may open with, so that one file holds everything advised; None: not said.

    Attributes:
        model: The network's name.
        size: Height and width of its input, in pixels.
        hidden: Units of the head's hidden layer.
        features: What the head reads: the features of the last layer, or also the pooled outputs of all stages.
        views: Different augmented views of each image.
        augment: The strength of augmentation.
    """

    model: str | None = None
    size: int | None = None
    hidden: int | None = None
    features: FeatureSource | None = None
    views: int | None = None
    augment: AugmentName | None = None
