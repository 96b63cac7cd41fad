"""What an epoch is made of: which pictures, in which order, in which view; pure functions of the settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unfreeze.data import epoch_order
from unfreeze.data.spec import Augment

__all__ = ["LoopSettings", "n_used_of", "steps_per_epoch_of"]


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """What the loop needs beside the network, the plan and the pictures."""

    train: Sequence[int]  # indices into the dataset
    val: Sequence[int]
    batch_size: int
    augment: Augment  # where pretrained layers train
    augment_head: Augment  # where the head alone does
    views: int | None  # None: a new view in every epoch
    seed: int  # of order and views
    metric: str
    clip: float | None
    sampling: np.ndarray | None = None  # (len(train),) how likely each training picture is drawn
    dropout_seed: int | None = None  # of what is random inside the network; None: seed

    def epoch_indices(self, epoch: int) -> np.ndarray:
        """Return the order of the training pictures in an epoch: a pure function of (seed, epoch).

        A last batch of a single picture is left out, because batch statistics need two.
        """
        order = epoch_order(self.train, seed=self.seed, epoch=epoch, weights=self.sampling)
        return order[: self._n_used]

    def view(self, epoch: int) -> int:
        """Return which view of every picture an epoch trains on."""
        return epoch if self.views is None else epoch % self.views

    def augment_of(self, epoch: int, *, head_alone: bool) -> Augment:
        """Return how an epoch's views vary: of a fixed number of views, the first is the one that is evaluated."""
        if self.views is not None and self.view(epoch) == 0:
            return "none"
        return self.augment_head if head_alone else self.augment

    @property
    def step_seed(self) -> int:
        """The seed of what is random inside the network."""
        return self.seed if self.dropout_seed is None else self.dropout_seed

    @property
    def steps_per_epoch(self) -> int:
        """The number of optimizer steps in an epoch, the same in all."""
        return steps_per_epoch_of(len(self.train), batch_size=self.batch_size)

    @property
    def _n_used(self) -> int:
        return n_used_of(len(self.train), batch_size=self.batch_size)


def n_used_of(n_train: int, *, batch_size: int) -> int:
    """Return how many pictures an epoch uses: a last batch of a single one is left out."""
    return n_train - (n_train > batch_size and n_train % batch_size == 1)


def steps_per_epoch_of(n_train: int, *, batch_size: int) -> int:
    """Return the number of optimizer steps in an epoch of that many training pictures."""
    return math.ceil(n_used_of(n_train, batch_size=batch_size) / batch_size)
