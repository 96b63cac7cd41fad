"""Batches of views, decoded by threads a few batches ahead of the training."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import ThreadpoolController

from unfreeze.data.decoding import read_image
from unfreeze.data.scanning import n_usable_cores
from unfreeze.data.views import check_augment, make_view
from unfreeze.errors import ConfigError, ImageError, UnfreezeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unfreeze.data.dataset import Dataset
    from unfreeze.data.spec import Augment, InputSpec

__all__ = ["N_BATCHES_AHEAD", "Batch", "ViewMemory", "batches"]

N_BATCHES_AHEAD = 3


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


class ViewMemory:
    """Evaluation views that were made once, kept up to `max_bytes` (1 GiB: 7,000 views of 224 px).

    Pass the same object to every call of `batches`; pictures that fit are then decoded once only. What does not
    fit any more is decoded each time; nothing is thrown out for it, since every epoch asks for every picture.
    The files must not change while it lives.
    """

    def __init__(self, *, max_bytes: int = 1 << 30) -> None:
        self._max_bytes = max_bytes
        self._views: dict[tuple[str, InputSpec], torch.Tensor] = {}
        self._lock = threading.Lock()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """How many bytes are kept now."""
        return self._n_bytes

    def get(self, path: str, spec: InputSpec) -> torch.Tensor | None:
        """Return the kept view of a file, or None."""
        return self._views.get((path, spec))

    def keep(self, path: str, spec: InputSpec, view: torch.Tensor) -> None:
        """Keep a view if there is room for it."""
        with self._lock:
            if (path, spec) not in self._views and self._n_bytes + view.nbytes <= self._max_bytes:
                self._views[path, spec] = view
                self._n_bytes += view.nbytes


def batches(
    dataset: Dataset,
    indices: Sequence[int] | npt.NDArray[np.integer],
    spec: InputSpec,
    *,
    batch_size: int,
    augment: Augment = "none",
    seed: int = 0,
    view: int = 0,
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
        view: which view of every picture, in training usually the epoch.
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
    maker = _ViewMaker(dataset, spec, augment, seed, view, memory)
    return _prefetched(maker, chunks, n_threads)


@dataclass(frozen=True, slots=True, eq=False)
class _ViewMaker:
    """Everything that makes picture number `index` into a view."""

    dataset: Dataset
    spec: InputSpec
    augment: Augment
    seed: int
    view: int
    memory: ViewMemory | None

    def __call__(self, index: int) -> torch.Tensor:
        file = self.dataset.files[index]
        path = str(self.dataset.root / file)
        memory = self.memory if self.augment == "none" else None
        kept = memory.get(path, self.spec) if memory is not None else None
        if kept is not None:
            return kept
        try:
            image = read_image(path, depth_range=self.spec.depth_range)
            made = make_view(image, self.spec, augment=self.augment, seed=self.seed, key=file, index=self.view)
        except UnfreezeError:
            raise
        except Exception as error:
            raise ImageError(f'"{path}" could not be made into a view: {error!r}.') from error
        if memory is not None:
            memory.keep(path, self.spec, made)
        return made


def _prefetched(maker: _ViewMaker, chunks: list[npt.NDArray[np.int64]], n_threads: int) -> Iterator[Batch]:
    waiting: deque[tuple[npt.NDArray[np.int64], list[Future[torch.Tensor]]]] = deque()
    upcoming = iter(chunks)
    alone = partial(_compute_alone, ThreadpoolController().select(user_api="openmp"))
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="unfreeze-decode", initializer=alone)
    try:
        for chunk in upcoming:
            waiting.append((chunk, [pool.submit(maker, int(index)) for index in chunk]))
            if len(waiting) > N_BATCHES_AHEAD:
                yield _collected(maker.dataset, *waiting.popleft())
        while waiting:
            yield _collected(maker.dataset, *waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _compute_alone(openmp: ThreadpoolController) -> None:
    """Let this thread, and no other, compute without a team of its own.

    Pictures are shared out over threads already: teams within them would fight over the cores with each other
    and with the training. `torch.set_num_threads` would bind later threads of the whole process too.
    """
    torch.get_num_threads()  # torch sets a thread's number when it is first used there; ours comes after it
    openmp.limit(limits=1)


def _collected(dataset: Dataset, chunk: npt.NDArray[np.int64], futures: list[Future[torch.Tensor]]) -> Batch:
    images = torch.stack([future.result() for future in futures])
    targets = torch.from_numpy(dataset.targets[chunk])  # fancy indexing copies: the batch owns them
    return Batch((images,), targets, torch.from_numpy(chunk.copy()))
