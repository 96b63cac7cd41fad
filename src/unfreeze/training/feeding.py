"""What a phase trains on: batches, and the part of the network that they go through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from torch import nn

from unfreeze.backbones import Network
from unfreeze.data import Batch, Dataset, batches
from unfreeze.data.loading import ViewMemory
from unfreeze.training.epochs import LoopSettings

__all__ = ["Feed", "Feeder", "PictureFeed", "PictureFeeder"]


class Feed(Protocol):
    """The batches of one phase, and what they go through."""

    @property
    def model(self) -> nn.Module:
        """What is called with a batch's inputs and gives the network's outputs (B, n_outputs), in its present modes."""

    @property
    def is_light(self) -> bool:
        """Whether a step is so small that a team of threads costs it more than it gains."""

    def train(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Iterate over an epoch's batches, without the first `skip`."""

    def evaluation(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Iterate over validation or test pictures as they are evaluated, in the order given."""


class Feeder(Protocol):
    """Makes the feed of a phase when the phase begins.

    Attributes:
        remembers: whether a feed that was made before, also by another process, costs little to make again.
    """

    remembers: bool

    def feed(self, epochs: range, *, phase: int, head_alone: bool, check: Callable[[], None]) -> Feed:
        """Return the feed of a phase; the network's gradients and modes are already the phase's.

        Args:
            epochs: of the phase, counted over the whole training; all of them also where it is taken up again, so that
                everything is decided as it was.
            phase: its number in the plan.
            head_alone: whether nothing but the head trains in it.
            check: called now and then while the feed is made; it may raise, to interrupt.
        """

    def final(self) -> Feed:
        """Return the feed to evaluate the finished network with."""


class PictureFeed:
    """Pictures through the whole network: nothing is computed ahead.

    Args:
        network: the network, in full.
        dataset: the pictures.
        settings: which of them train and validate, in which views.
        memory: where evaluation views are kept from epoch to epoch.
        head_alone: whether nothing but the head trains.
    """

    def __init__(
        self, network: Network, dataset: Dataset, settings: LoopSettings, *, memory: ViewMemory, head_alone: bool
    ) -> None:
        self.model: nn.Module = network
        self.is_light = False
        self._spec, self._dataset, self._settings, self._memory = network.spec, dataset, settings, memory
        self._head_alone = head_alone

    def train(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Iterate over an epoch's batches of views, without decoding the first `skip`."""
        settings = self._settings
        return batches(
            self._dataset,
            settings.epoch_indices(epoch),
            self._spec,
            batch_size=settings.batch_size,
            augment=settings.augment_of(epoch, head_alone=self._head_alone),
            seed=settings.seed,
            view=settings.view(epoch),
            skip=skip,
            memory=self._memory,
        )

    def evaluation(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Iterate over the pictures' evaluation views."""
        size = self._settings.batch_size
        return batches(self._dataset, indices, self._spec, batch_size=size, memory=self._memory)


class PictureFeeder:
    """Gives every phase the pictures and the whole network.

    Args:
        network: the network.
        dataset: the pictures.
        settings: the loop's.
    """

    def __init__(self, network: Network, dataset: Dataset, settings: LoopSettings) -> None:
        self._network, self._dataset, self._settings, self._memory = network, dataset, settings, ViewMemory()
        self.remembers = True

    def feed(self, epochs: range, *, phase: int, head_alone: bool, check: Callable[[], None]) -> Feed:
        """Return the pictures and the whole network."""
        assert len(epochs)
        assert phase >= 0
        check()
        return PictureFeed(self._network, self._dataset, self._settings, memory=self._memory, head_alone=head_alone)

    def final(self) -> Feed:
        """Return the same again; what varies is not evaluated."""
        return self.feed(range(1), phase=0, head_alone=False, check=lambda: None)
