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
from unfreeze.cache import MEMORY_BYTES, Activations, KeptRows
from unfreeze.data import Batch
from unfreeze.data.spec import Augment
from unfreeze.errors import CacheUnavailableError
from unfreeze.frontier import NoSplit, Split, hash_weights
from unfreeze.plans import Plan
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed, PictureFeed
from unfreeze.training.inputs import StudiedData
from unfreeze.training.needs import Need, NeedsOfPhases, Row, rows_of, views_of
from unfreeze.training.passes import Passes
from unfreeze.training.prefixes import PassContext, PrefixSettings, PrefixUse
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
        plan: what trains when.
        data: the pictures, with the hashes of their bytes.
        settings: the loop's.
        prefix: how and where the frozen part is computed and kept.
        progress: who is told.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        data: StudiedData,
        settings: LoopSettings,
        *,
        prefix: PrefixSettings,
        progress: Progress,
    ) -> None:
        self.network, self.plan, self.data, self.settings = network, plan, data, settings
        self.prefix, self.progress = prefix, progress
        self.remembers = prefix.cache is not None
        self.use = PrefixUse()
        self.notes: dict[str, None] = {}  # each once, in order
        self._last: Feed | None = None
        self._held_out = (*data.split.val, *data.split.test)
        self._kept = KeptRows()
        self._needs = NeedsOfPhases(
            network,
            plan,
            settings,
            held_out=self._held_out,
            example=self._example(),
            # What the cache cannot take is held in memory, if it fits there.
            quota_bytes=max(MEMORY_BYTES, 0 if prefix.cache is None else prefix.cache.quota_bytes),
        )

    def note(self, text: str) -> None:
        """Tell the user something, and keep it for the record."""
        if text not in self.notes:
            self.notes[text] = None
            self.progress.note(text)

    def feed(self, epochs: range, *, phase: int, head_alone: bool, check: Callable[[], None]) -> Feed:
        """Return the feed of a phase; see `Feeder.feed`."""
        began = time.monotonic()
        self._last = None  # its activations make room for those of this phase
        self._kept.forget(before=phase)
        steps = self.plan.phases[phase].takes_steps
        views = views_of(self.settings, epochs, head_alone=head_alone, steps=steps)
        rows = rows_of(self.settings, views, held_out=self._held_out)
        n_rows = sum(map(len, rows.values()))
        split = self._needs.split(phase, n_rows=n_rows)
        if isinstance(split, NoSplit):
            self._last = self._pictures(split.reason, head_alone=head_alone)
        else:
            need = Need(split=split, rows=rows, n_rows=n_rows, phase=phase)
            self._last = self._cached(need, epochs, head_alone=head_alone, check=check)
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

    def _cached(self, need: Need, epochs: range, *, head_alone: bool, check: Callable[[], None]) -> Feed:
        context = PassContext(
            network=self.network, data=self.data, settings=self.settings, prefix=self.prefix, progress=self.progress,
            kept=self._kept, example=self._needs.example, note=self.note,
        )  # fmt: skip
        passes = Passes(context, need, lambda: self._needs.after(need.phase, begun=epochs.start), check)
        try:
            found = {augment: passes.fetched(augment, list(wanted)) for augment, wanted in need.rows.items()}
        except CacheUnavailableError as error:
            return self._pictures(str(error), head_alone=head_alone)
        self.use = self.use.plus(passes.use)
        self.data.memory.clear()  # pictures are not looked at again
        return CachedFeed(need.split, self.settings, self.data.dataset.targets, found, head_alone=head_alone)
