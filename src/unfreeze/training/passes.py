"""Passes of pictures through a frozen prefix: read from the cache, and computed where they are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from unfreeze.backbones import Network
from unfreeze.cache import (
    ActivationCache,
    Activations,
    Fetched,
    PassDescription,
    activation_key,
    fetch_activations,
    row_key,
)
from unfreeze.data import batches
from unfreeze.data.decoding import decoder_version
from unfreeze.data.spec import Augment
from unfreeze.data.views import RECIPE_VERSION
from unfreeze.engines import Engine, EngineName, choose_engines, open_engine
from unfreeze.frontier import Split
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.inputs import StudiedData
from unfreeze.training.progress import Progress

__all__ = ["PassContext", "Passes", "PrefixSettings", "PrefixUse", "Row"]


Numbers = np.ndarray[Any, np.dtype[np.int64]]
Row = tuple[int, int]  # picture, view
Computed = tuple[Numbers, Mapping[str, np.ndarray]]  # numbers of rows, and their tensors by name
PACKAGES: dict[EngineName, str] = {"openvino": "openvino", "compile": "torch", "eager": "torch"}


@dataclass(frozen=True, kw_only=True)
class PrefixSettings:
    """How frozen layers are computed ahead, and where what they give is kept."""

    engine: Literal["auto"] | EngineName
    device: torch.device
    cache: ActivationCache | None  # None: in memory only, for this training


@dataclass(frozen=True, kw_only=True)
class PrefixUse:
    """What the frozen part has cost a training so far."""

    engine: str = "eager"
    seconds: float = 0.0
    n_rows: int = 0  # asked for, over all phases
    n_hits: int = 0  # of them, in the cache already
    n_bytes: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """The share of rows that were in the cache; None where nothing was asked for."""
        return self.n_hits / self.n_rows if self.n_rows else None

    def plus(self, other: PrefixUse) -> PrefixUse:
        """Return both together; the engine is the later one's."""
        return PrefixUse(
            engine=other.engine,
            seconds=self.seconds + other.seconds,
            n_rows=self.n_rows + other.n_rows,
            n_hits=self.n_hits + other.n_hits,
            n_bytes=self.n_bytes + other.n_bytes,
        )


@dataclass(frozen=True, kw_only=True)
class PassContext:
    """What all passes of a training have in common."""

    network: Network
    data: StudiedData
    settings: LoopSettings
    prefix: PrefixSettings
    progress: Progress
    note: Callable[[str], None]  # told what the user should know, now and in the record


class Passes:
    """The passes of one phase through one prefix; an engine is opened when the first row is missing."""

    def __init__(self, context: PassContext, split: Split, check: Callable[[], None], *, n_rows: int) -> None:
        self.context, self.split, self.check, self.n_rows = context, split, check, n_rows
        self.use = PrefixUse()
        self.engine: Engine | None = None
        self.engine_name: EngineName = choose_engines(
            context.prefix.engine,
            device=context.prefix.device.type,
            has_openvino=find_spec("openvino") is not None,
            n_images=n_rows,
        )[0]

    def fetched(self, augment: Augment, rows: list[Row]) -> tuple[Activations, Mapping[Row, int]]:
        """Return the activations of rows, and where each of them is.

        Raises:
            CacheUnavailableError: the rows fit neither the cache nor the memory.
        """
        found = self._fetched(augment, rows)
        if found is None:  # the engine that was meant could not be used, and another engine has other keys
            found = self._fetched(augment, rows)
        assert found is not None, "the engine is open now"
        if found.note is not None:
            self.context.note(found.note)
        self.use = replace(
            self.use,
            engine=self.engine_name,
            n_rows=self.use.n_rows + len(rows),
            n_hits=self.use.n_hits + found.n_hits,
            n_bytes=self.use.n_bytes + found.activations.n_bytes,
        )
        return found.activations, {row: place for place, row in enumerate(rows)}

    def _fetched(self, augment: Augment, rows: list[Row]) -> Fetched | None:
        """Fetch with the engine that is meant; `None` if that turned out to be another."""
        context, meant = self.context, self.engine_name
        data, settings, network = context.data, context.settings, context.network
        keys = [
            row_key(data.fingerprints[index].sha256, augment=augment, view=view, file=data.dataset.files[index])
            for index, view in rows
        ]
        pass_key = activation_key(
            network.spec,
            augment=augment,
            recipe_version=RECIPE_VERSION,
            seed=settings.seed,
            weights_sha256=self.split.weights_hash,
            graph=self.split.graph_hash,
            engine=f"{meant} {metadata.version(PACKAGES[meant])} on {context.prefix.device.type}",
            precision="fp32",
            decoder=decoder_version(),
        )
        description = PassDescription(
            model=network.record.architecture,
            frontier=", ".join(tensor.name for tensor in self.split.frontier),
            size=network.spec.size,
            views="evaluation" if augment == "none" else f"{augment}, seed {settings.seed}",
            engine=meant,
            precision="fp32",
        )
        try:
            return fetch_activations(
                context.prefix.cache,
                pass_key,
                keys,
                lambda numbers: self._computed(augment, rows, numbers),
                description=description,
            )
        except _OtherEngineError:
            return None

    def _computed(self, augment: Augment, rows: list[Row], numbers: Numbers) -> Iterator[Computed]:
        """Yield the activations of the rows with these numbers; all missing views of a picture by one decode."""
        missing: dict[int, dict[int, int]] = {}
        for number in numbers.tolist():
            index, view = rows[number]
            missing.setdefault(index, {})[view] = number
        alike: dict[tuple[int, ...], list[int]] = {}
        for index, number_of in missing.items():
            alike.setdefault(tuple(number_of), []).append(index)
        n_done = 0
        for views, indices in alike.items():
            for found, tensors in self._computed_views(augment, views, indices, missing):
                yield found, tensors
                n_done += len(found)
                self.context.progress.prefix(n_done, len(numbers))

    def _computed_views(
        self, augment: Augment, views: tuple[int, ...], indices: list[int], numbers: Mapping[int, Mapping[int, int]]
    ) -> Iterator[Computed]:
        context = self.context
        stream = batches(
            context.data.dataset,
            indices,
            context.network.spec,
            batch_size=max(1, context.settings.batch_size // len(views)),
            augment=augment,
            seed=context.settings.seed,
            view=views,
            memory=context.data.memory,
        )
        first = next(stream)
        engine = self._opened(first.images)
        names = [tensor.name for tensor in self.split.frontier]
        places = iter([numbers[index][view] for index in indices for view in views])
        for tensors in engine.run(batch.images for batch in chain((first,), stream)):
            self.check()
            n = len(tensors[0])
            arrays = (tensor.numpy() for tensor in tensors)
            yield np.fromiter(islice(places, n), np.int64, n), dict(zip(names, arrays, strict=True))

    def _opened(self, pictures: Tensor) -> Engine:
        """Open the engine once, checked on real pictures.

        Raises:
            _OtherEngineError: it is not the one that the rows were asked for by.
        """
        if self.engine is None:
            prefix = self.context.prefix
            opened = open_engine(
                self.split.prefix,
                pictures,
                engine=prefix.engine,
                precision="fp32",
                batch_size=self.context.settings.batch_size,
                device=prefix.device,
                cache_dir=None if prefix.cache is None else prefix.cache.directory,
                key=self._engine_key(pictures),
                n_images=self.n_rows,
            )
            for note in opened.notes:
                self.context.note(note)
            self.engine = opened.engine
            if opened.engine.name != self.engine_name:
                self.engine_name = opened.engine.name
                raise _OtherEngineError
        return self.engine

    def _engine_key(self, pictures: Tensor) -> str:
        """Return by what a stored engine is known: the prefix, and the size that it was made for."""
        parts = (self.split.graph_hash, self.split.weights_hash, *pictures.shape[1:])
        return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


class _OtherEngineError(Exception):
    """The engine that was meant could not be used; another one is open."""
