"""The feed of a phase whose lower layers are frozen: what they give is computed once, and the rest trains on that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unfreeze.backbones import Network
from unfreeze.cache import MEMORY_BYTES, Activations
from unfreeze.data import Batch
from unfreeze.data.spec import Augment
from unfreeze.errors import CacheUnavailableError
from unfreeze.frontier import NoSplit, Split, hash_weights, split_network
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed, PictureFeed
from unfreeze.training.inputs import StudiedData
from unfreeze.training.passes import PassContext, Passes, PrefixSettings, PrefixUse, Row
from unfreeze.training.progress import Progress

__all__ = ["CachedFeed", "CachedFeeder"]

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class CachedFeed:
    """Activations through the part of a network that trains.

    Args:
        split: the network in two parts.
        settings: which pictures train, in which views.
        head_alone: whether nothing but the head trains.
        targets: (n, ...) of all pictures of the data set.
        passes: by how views vary, the activations and the place of each (picture, view) in them.
    """

    def __init__(
        self,
        split: Split,
        settings: LoopSettings,
        targets: np.ndarray,
        passes: Mapping[Augment, tuple[Activations, Mapping[Row, int]]],
        *,
        head_alone: bool,
    ) -> None:
        self.split = split
        self.model: nn.Module = split.suffix
        self.is_light = head_alone
        self._settings, self._targets, self._passes, self._head_alone = settings, targets, passes, head_alone

    def train(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Iterate over an epoch's batches, without reading the first `skip`."""
        order = self._settings.epoch_indices(epoch)
        augment = self._settings.augment_of(epoch, head_alone=self._head_alone)
        return self._batches(order, augment, self._settings.view(epoch), skip=skip)

    def evaluation(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Iterate over pictures as they are evaluated."""
        return self._batches(np.asarray(indices, dtype=np.int64), "none", 0)

    def features(self, n: int) -> np.ndarray | None:
        """Return the frozen features of pictures 0 to n - 1, (n, d), if each has one vector unvaried, else None."""
        activations, places = self._passes["none"]
        rows = [places.get((index, 0)) for index in range(n)]
        if len(activations.specs) != 1 or len(activations.specs[0].shape) != 1 or None in rows:
            return None
        found: np.ndarray = activations.rows(np.array(rows, dtype=np.int64))[0]
        return found

    def _batches(self, order: Numbers, augment: Augment, view: int, *, skip: int = 0) -> Iterator[Batch]:
        activations, places = self._passes[augment]
        view = 0 if augment == "none" else view
        numbers = np.array([places[int(index), view] for index in order], dtype=np.int64)
        size = self._settings.batch_size
        for start in range(skip * size, len(order), size):
            chunk = order[start : start + size]
            yield Batch(
                inputs=tuple(torch.from_numpy(array) for array in activations.rows(numbers[start : start + size])),
                targets=torch.from_numpy(self._targets[chunk]),
                indices=torch.from_numpy(chunk),
            )


class CachedFeeder:
    """Splits the network where each phase's training begins, and computes what is frozen once.

    Args:
        network: the network, on its device.
        data: the pictures, with the hashes of their bytes.
        settings: the loop's.
        prefix: how and where the frozen part is computed and kept.
        progress: who is told.
    """

    def __init__(
        self, network: Network, data: StudiedData, settings: LoopSettings, *, prefix: PrefixSettings, progress: Progress
    ) -> None:
        self.network, self.data, self.settings, self.prefix, self.progress = network, data, settings, prefix, progress
        self.use = PrefixUse()
        self.notes: dict[str, None] = {}  # each once, in order
        self._last: Feed | None = None

    def note(self, text: str) -> None:
        """Tell the user something, and keep it for the record."""
        if text not in self.notes:
            self.notes[text] = None
            self.progress.note(text)

    def feed(self, epochs: range, *, head_alone: bool, check: Callable[[], None], at_once: bool = False) -> Feed:
        """Return the feed of a phase; see `Feeder.feed`."""
        began = time.monotonic()
        self._last = None  # its activations make room for those of this phase
        rows = self._rows(epochs, head_alone=head_alone, at_once=at_once)
        split = split_network(
            self.network,
            self._example(),
            n_rows=sum(map(len, rows.values())),
            # What the cache cannot take is held in memory, if it fits there.
            quota_bytes=max(MEMORY_BYTES, 0 if self.prefix.cache is None else self.prefix.cache.quota_bytes),
        )
        if isinstance(split, NoSplit):
            self._last = self._pictures(split.reason, head_alone=head_alone)
        else:
            self._last = self._cached(split, rows, head_alone=head_alone, check=check)
        self.use = replace(self.use, seconds=self.use.seconds + time.monotonic() - began)
        return self._last

    def _example(self) -> Tensor:
        """Return pictures that differ: on equal ones a graph that mixes rows up would look right."""
        generator = torch.Generator().manual_seed(0)
        shape = (3, 3, *self.network.spec.size)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(self.prefix.device)

    def final(self) -> Feed:
        """Return the last phase's feed, if what it was computed with is still what the network has, else pictures."""
        last = self._last
        if isinstance(last, CachedFeed) and hash_weights(last.split.prefix) == last.split.weights_hash:
            return last
        return self._picture_feed(head_alone=False)

    def _pictures(self, reason: str, *, head_alone: bool) -> Feed:
        if not all(parameter.requires_grad for parameter in self.network.parameters()):  # else it goes without saying
            self.note(f"The whole network is computed in every step: {reason}.")
        return self._picture_feed(head_alone=head_alone)

    def _picture_feed(self, *, head_alone: bool) -> Feed:
        dataset, memory = self.data.dataset, self.data.memory
        return PictureFeed(self.network, dataset, self.settings, memory=memory, head_alone=head_alone)

    def _rows(self, epochs: range, *, head_alone: bool, at_once: bool) -> dict[Augment, list[Row]]:
        """Return which (picture, view) a phase needs, by how views vary."""
        train, held_out = self.settings.train, (*self.data.split.val, *self.data.split.test)
        wanted: dict[Augment, dict[Row, None]] = {"none": dict.fromkeys((index, 0) for index in held_out)}
        if at_once:
            wanted["none"].update(dict.fromkeys((index, 0) for index in train))
            return {"none": list(wanted["none"])}
        for epoch in epochs:
            augment = self.settings.augment_of(epoch, head_alone=head_alone)
            view = 0 if augment == "none" else self.settings.view(epoch)
            wanted.setdefault(augment, {}).update(dict.fromkeys((index, view) for index in train))
        return {augment: list(rows) for augment, rows in wanted.items()}

    def _cached(
        self, split: Split, rows: Mapping[Augment, list[Row]], *, head_alone: bool, check: Callable[[], None]
    ) -> Feed:
        context = PassContext(
            network=self.network, data=self.data, settings=self.settings, prefix=self.prefix, progress=self.progress,
            note=self.note,
        )  # fmt: skip
        passes = Passes(context, split, check, n_rows=sum(map(len, rows.values())))
        try:
            found = {augment: passes.fetched(augment, wanted) for augment, wanted in rows.items()}
        except CacheUnavailableError as error:
            return self._pictures(str(error), head_alone=head_alone)
        self.use = self.use.plus(passes.use)
        self.data.memory.clear()  # pictures are not looked at again
        return CachedFeed(split, self.settings, self.data.dataset.targets, found, head_alone=head_alone)
