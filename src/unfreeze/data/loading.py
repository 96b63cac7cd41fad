"""Batches of views, decoded by threads a few batches ahead of the training."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from unfreeze.data.memory import ViewMemory
from unfreeze.data.prefetching import prefetch
from unfreeze.data.reading import read_views
from unfreeze.data.threads import n_usable_cores
from unfreeze.data.views import check_augment
from unfreeze.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unfreeze.data.dataset import Dataset
    from unfreeze.data.spec import Augment, InputSpec

__all__ = ["Batch", "ViewMemory", "batches"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some pictures as a network is given them, in the order asked for.

    Attributes:
        inputs: the network's arguments: views, uint8 (B, 3, height, width); or what its frozen part gave for them.
        targets: int64 (B,) class indices, or float32 (B, k) labels or units.
        indices: int64 (B,), which pictures of the data set they are.
    """

    inputs: tuple[torch.Tensor, ...]
    targets: torch.Tensor
    indices: torch.Tensor

    @property
    def images(self) -> torch.Tensor:
        """The views, where there is nothing else."""
        (images,) = self.inputs
        return images


def batches(
    dataset: Dataset,
    indices: Sequence[int] | npt.NDArray[np.integer],
    spec: InputSpec,
    *,
    batch_size: int,
    augment: Augment = "none",
    seed: int = 0,
    view: int | Sequence[int] = 0,
    n_threads: int | None = None,
    skip: int = 0,
    memory: ViewMemory | None = None,
) -> Iterator[Batch]:
    """Iterate over pictures in the given order, the last batch perhaps smaller.

    Files are read and decoded by threads, at most three batches ahead. The batches are the same for any number
    of threads. Closing or dropping the iterator stops the threads.

    Args:
        dataset: where files and targets are.
        indices: which pictures, in which order; one may occur several times.
        spec: the network's input.
        batch_size: pictures in a batch.
        augment: see `make_view`.
        seed: see `make_view`.
        view: which view of every picture, in training usually the epoch; of several each picture gives a row, one
            after another, and is decoded once.
        n_threads: None takes all usable cores.
        skip: leave out that many first batches without decoding them, to resume within an epoch.
        memory: where evaluation views are kept for the next epoch.

    Raises:
        ConfigError: a setting is out of range; at once, not with the first batch.
        ImageError: a picture cannot be read; it names the file, and comes in place of its batch.
    """
    check_augment(augment)
    n_threads = n_usable_cores() if n_threads is None else n_threads
    for name, value, least in (("batch_size", batch_size, 1), ("n_threads", n_threads, 1), ("skip", skip, 0)):
        if value < least:
            raise ConfigError(f"{name} must be at least {least}, but got {value}.")
    order = np.asarray(indices, dtype=np.int64)[skip * batch_size :]
    chunks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    views = (view,) if isinstance(view, int) else tuple(view)
    maker = _ViewMaker(dataset, spec, augment, seed, views, memory)
    return _prefetched(maker, chunks, n_threads)


@dataclass(frozen=True, slots=True, eq=False)
class _ViewMaker:
    """Everything that makes picture number `index` into views, uint8 (K, 3, height, width)."""

    dataset: Dataset
    spec: InputSpec
    augment: Augment
    seed: int
    views: tuple[int, ...]
    memory: ViewMemory | None

    def __call__(self, index: int) -> torch.Tensor:
        file = self.dataset.files[index]
        path = str(self.dataset.root / file)
        memory = self.memory if self.augment == "none" else None
        kept = memory.get(path, self.spec) if memory is not None else None
        if kept is not None:
            return kept[None].expand(len(self.views), *kept.shape)
        made = read_views(path, self.spec, augment=self.augment, seed=self.seed, key=file, indices=self.views)
        if memory is not None:
            memory.keep(path, self.spec, made[0])
        return made


def _prefetched(maker: _ViewMaker, chunks: list[npt.NDArray[np.int64]], n_threads: int) -> Iterator[Batch]:
    with closing(prefetch(maker, (chunk.tolist() for chunk in chunks), n_threads=n_threads)) as made:
        for indices, views in made:
            yield _collected(maker.dataset, np.asarray(indices, dtype=np.int64), views)


def _collected(dataset: Dataset, chunk: npt.NDArray[np.int64], views: list[torch.Tensor]) -> Batch:
    rows = np.repeat(chunk, len(views[0]))
    targets = torch.from_numpy(dataset.targets[rows])  # fancy indexing copies: the batch owns them
    return Batch((torch.cat(views),), targets, torch.from_numpy(rows))
