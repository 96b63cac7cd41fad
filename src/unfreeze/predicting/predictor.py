"""A finished run's network, ready to predict: the whole of it in an engine, pictures decoded on all cores meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from unfreeze.backbones import Network, rebuild
from unfreeze.backbones.saving import MODEL_FILE, TENSORS_FILE
from unfreeze.cache import cache_directory
from unfreeze.data import decode_views, prefetch, read_views
from unfreeze.data.listing import is_text
from unfreeze.engines import EagerEngine, Engine, EngineName, Opened
from unfreeze.errors import CacheError, ConfigError, ImageError
from unfreeze.evaluation import Prediction, interpret_outputs
from unfreeze.evaluation.attribution import Explainer, HeatMaps
from unfreeze.evaluation.inference import LEAST_PICTURES, open_network
from unfreeze.evaluation.mistakes import EVIDENCE
from unfreeze.records import ModelRecord, RunRecord, read_json
from unfreeze.training.device import find_device
from unfreeze.training.directory import read_finished

__all__ = ["Predictor", "check_batch_size"]

N_OF_THE_RUN = 6  # of its own pictures, that an engine is checked on


class Predictor:
    """One network, ready; for one thread at a time, but for `prepare`, and for `predict` as `n_threads` says.

    The engine is opened with the first pictures, or by `warm_up`; before that, fewer than `LEAST_PICTURES` are left to
    PyTorch, which needs no preparation.

    Args:
        network: a fine-tuned network; it is placed on the device, and must not change any more.
        record: of the run that it comes from.
        engine: what computes; see `unfreeze.engines.open_engine`.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        batch_size: pictures that are computed together in `stream`. Memory grows with it; OpenVINO computes them
            two by two, and for it one alone is as much work as two, unless the batch size is 1.
        cache_dir: where the prepared engine is stored for other processes; None: nowhere.

    Attributes:
        network: the network, in evaluation mode.
        record: of the run.
        notes: what the user should know about the engine.

    Raises:
        ConfigError: an unknown device, one that there is not, or a batch size below 1.
    """

    def __init__(
        self,
        network: Network,
        record: RunRecord,
        *,
        engine: Literal["auto"] | EngineName = "auto",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        batch_size: int = 32,
        cache_dir: Path | None = None,
    ) -> None:
        check_batch_size(batch_size)
        self.device = find_device(device)
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self.record = record
        self.notes: tuple[str, ...] = ()
        self.batch_size = batch_size
        self._asked, self._cache_dir, self._own_pictures = engine, cache_dir, tuple[Path, ...]()
        self._opened: Opened | None = None

    @classmethod
    def open(
        cls,
        run: Path | str,
        *,
        engine: Literal["auto"] | EngineName = "auto",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        batch_size: int = 32,
        cache: bool = True,
        cache_dir: Path | None = None,
    ) -> Self:
        """Read a finished run's network.

        Args:
            run: the run directory.
            engine: see the class.
            device: see the class.
            batch_size: see the class.
            cache: store the prepared engine.
            cache_dir: where; None: `UNFREEZE_CACHE_DIR`, else the user's cache directory.

        Raises:
            RunError: the directory is missing, unfinished, or not readable as a run.
            ConfigError: see the class.
        """
        path = Path(run)
        record = read_finished(path)
        network = rebuild(read_json(path / MODEL_FILE, ModelRecord), path / TENSORS_FILE)
        stored = _place(cache_dir) if cache else None
        opened = cls(network, record, engine=engine, device=device, batch_size=batch_size, cache_dir=stored)
        opened._own_pictures = tuple(sorted((path / EVIDENCE).glob("*.jpg")))[:N_OF_THE_RUN]
        return opened

    @property
    def model_record(self) -> ModelRecord:
        """All about the network but its weights."""
        return self.network.record

    @property
    def engine_name(self) -> EngineName:
        """What computes now."""
        return "eager" if self._opened is None else self._opened.engine.name

    @property
    def is_open(self) -> bool:
        """Whether the engine is there."""
        return self._opened is not None

    @property
    def n_threads(self) -> int:
        """How many threads may call `predict` at once, also beside `explain`, and get more done than one.

        1 until the engine is open, and where PyTorch computes: it takes what comes together in one go.
        """
        return 1 if self._opened is None else self._opened.engine.n_threads

    def prepare(self, data: bytes | Path, *, name: str = "the picture") -> Tensor:
        """Return a picture as the network is given it, by the conversion that training used.

        Args:
            data: the bytes of a picture file, or where it is.
            name: what an error calls the picture, where bytes are given.

        Returns:
            uint8 (3, height, width).

        Raises:
            ImageError: it cannot be read, with the reason.
        """
        spec = self.network.spec
        views = read_views(data, spec) if isinstance(data, Path) else decode_views(data, spec, name=name)
        return views.squeeze(0)

    def predict(self, pictures: Sequence[Tensor], *, files: Sequence[str] | None = None) -> list[Prediction]:
        """Predict pictures that are in memory.

        Args:
            pictures: uint8 (3, height, width) each, as `prepare` returns them; any number.
            files: (n,) what they are called in the answer; None: nothing.
        """
        names = [""] * len(pictures) if files is None else list(files)
        if not pictures:
            return []
        images = torch.stack(list(pictures))
        engine = self._engine(images, n_images=len(images), batch_size=self.batch_size)
        parts = (images[i : i + self.batch_size] for i in range(0, len(images), self.batch_size))
        outputs = torch.cat([found for (found,) in engine.run(parts)])
        return interpret_outputs(outputs, self.model_record, files=names)

    def stream(self, files: Iterable[Path], *, batch_size: int | None = None) -> Iterator[Prediction]:
        """Predict picture files one after another, in the order given, while the next are decoded on all cores.

        A few batches are in memory at a time, however many files there are. A file that cannot be read comes out with
        its `error`, in its place. Closing or dropping the iterator stops the threads.

        Args:
            files: picture files, taken as they are needed.
            batch_size: pictures that are computed together; None: the predictor's own. An engine that was compiled for
                another number keeps to that.

        Raises:
            ConfigError: a batch size below 1.
        """
        n_together = self.batch_size if batch_size is None else batch_size
        check_batch_size(n_together)
        remaining = iter(files)
        first = list(islice(remaining, LEAST_PICTURES))
        n_images = len(first) if len(first) < LEAST_PICTURES else None
        with closing(prefetch(self._read, _chunks(chain(first, remaining), n_together))) as read:
            for is_computed, chunks in groupby(read, key=_has_view):
                if is_computed:
                    yield from self._computed(chunks, n_images=n_images, batch_size=n_together)
                else:  # told at once: no engine waits for them, however many there are
                    yield from (each for paths, views in chunks for each in _told(paths, views, iter(())))

    def warm_up(self) -> None:
        """Open the engine now, checked on pictures that the run keeps; without any, the first pictures open it."""
        found = [view for path in self._own_pictures if isinstance(view := self._read(path), Tensor)]
        if found and self._opened is None:
            self._open(torch.stack(found), n_images=None, batch_size=self.batch_size)

    def explain(self, pictures: Sequence[Tensor], outputs: Sequence[int]) -> HeatMaps:
        """Return a heat map of each picture for one output of the network; see `Explainer.explain`.

        Args:
            pictures: uint8 (3, height, width) each; about as many as a training step takes, at most.
            outputs: for each the number of the class, label or target that is explained.
        """
        return self._explainer.explain(torch.stack(list(pictures)), outputs)

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.network, signed=self.model_record.task == "regression")

    def _computed(self, chunks: Iterator[_Chunk], *, n_images: int | None, batch_size: int) -> Iterator[Prediction]:
        """Predict chunks that have a readable picture each."""
        waiting: deque[_Chunk] = deque()

        def batches() -> Iterator[Tensor]:
            for paths, views in chunks:
                waiting.append((paths, views))
                yield torch.stack([view for view in views if isinstance(view, Tensor)])

        images = batches()
        start = next(images)
        engine = self._engine(start, n_images=n_images, batch_size=batch_size)
        for (outputs,) in engine.run(chain((start,), images)):
            paths, views = waiting.popleft()
            files = [str(path) for path, view in zip(paths, views, strict=True) if isinstance(view, Tensor)]
            yield from _told(paths, views, iter(interpret_outputs(outputs, self.model_record, files=files)))

    def _engine(self, images: Tensor, *, n_images: int | None, batch_size: int) -> Engine:
        """Return what computes these pictures, and the others of which they are the first."""
        opened = self._opened or self._open(images, n_images=n_images, batch_size=batch_size)
        if opened.engine.name != "eager":
            return opened.engine
        # Batches are filled up, so that fewer are not computed as many.
        n_together = batch_size if n_images is None else min(batch_size, n_images)
        return EagerEngine(self.network, device=self.device, batch_size=n_together)

    def _open(self, images: Tensor, *, n_images: int | None, batch_size: int) -> Opened:
        opened = open_network(
            self.network,
            images,
            device=self.device,
            engine=self._asked,
            batch_size=batch_size,
            n_images=n_images,
            cache_dir=self._cache_dir,
        )
        if n_images is None or n_images >= LEAST_PICTURES or self._asked != "auto":  # it is as good for any others
            self._opened = opened
            self.notes = (*self.notes, *opened.notes)
        return opened

    def _read(self, path: Path) -> Tensor | str:
        if not is_text(str(path)):
            return "its name is not valid UTF-8, so that no table could hold it; rename it"
        try:
            return self.prepare(path)
        except (ImageError, OSError) as error:
            return str(error)


_Chunk = tuple[Sequence[Path], list[Tensor | str]]  # files, and for each its view or why there is none


def _has_view(chunk: _Chunk) -> bool:
    return any(isinstance(view, Tensor) for view in chunk[1])


def _told(paths: Sequence[Path], views: Sequence[Tensor | str], answers: Iterator[Prediction]) -> Iterator[Prediction]:
    """Iterate over what is known of a chunk's files: the next answer for each view, otherwise why there is none."""
    for path, view in zip(paths, views, strict=True):
        yield Prediction(file=str(path), error=view) if isinstance(view, str) else next(answers)


def _chunks(paths: Iterable[Path], n: int) -> Iterator[list[Path]]:
    remaining = iter(paths)
    while chunk := list(islice(remaining, n)):
        yield chunk


def check_batch_size(batch_size: int) -> None:
    """Raise ConfigError if no batch can have this size."""
    if batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1, but got {batch_size}.")


def _place(cache_dir: Path | None) -> Path | None:
    """Return where engines are stored; None where there is no place and none was asked for."""
    try:
        return cache_directory(cache_dir)
    except CacheError:
        if cache_dir is not None:
            raise
        return None
