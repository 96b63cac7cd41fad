"""Passes of pictures through a frozen prefix: read from the cache, and computed where they are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
from torch import Tensor, nn

from unfreeze.cache import (
    MEMORY_BYTES,
    Activations,
    Fetched,
    PassDescription,
    fetch_activations,
    row_key,
)
from unfreeze.data import batches
from unfreeze.data.spec import Augment
from unfreeze.engines import Engine, EngineName, Opened, Precision, open_engine, possible_engines, possible_precision
from unfreeze.frontier import Split, merge_prefixes
from unfreeze.frontier.keys import engine_key
from unfreeze.training.needs import Need, Row
from unfreeze.training.pass_keys import describe_pass, pass_key
from unfreeze.training.prefixes import PassContext, PrefixUse
from unfreeze.training.sharing import Keeper, grouped, within_budget

__all__ = ["Passes"]

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Tensors = Mapping[str, np.ndarray]  # by name
Computed = tuple[Numbers, Tensors]  # numbers of rows, and their tensors


class Passes:
    """The passes of one phase through one prefix; an engine is opened when the first row is missing.

    Where rows are missing that later phases need from deeper in the network, these are computed on the way and kept.

    Args:
        context: what all passes have in common.
        need: the phase's.
        later: asked, once and only if something is missing, for what later phases need.
        check: called now and then; it may raise, to interrupt.
    """

    def __init__(
        self, context: PassContext, need: Need, later: Callable[[], Sequence[Need]], check: Callable[[], None]
    ) -> None:
        self.context, self.need, self.split, self.check = context, need, need.split, check
        self.use = PrefixUse()
        self.engine: Engine | None = None
        self.engine_name = self._engine_for(need)
        self.precision: Precision = possible_precision(context.prefix.precision, device=context.prefix.device)
        self._later, self._shared = later, tuple[Need, ...]()

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
            precision=self.precision,
            n_rows=self.use.n_rows + len(rows),
            n_hits=self.use.n_hits + found.n_hits,
            n_bytes=self.use.n_bytes + found.activations.n_bytes,
        )
        return found.activations, {row: place for place, row in enumerate(rows)}

    def _fetched(self, augment: Augment, rows: list[Row]) -> Fetched | None:
        """Fetch with the engine that is meant; `None` if that turned out to be another."""
        context = self.context
        keys = self._row_keys(augment, rows)
        try:
            return fetch_activations(
                context.prefix.cache,
                self._pass_key(self.split, augment),
                keys,
                lambda numbers: self._computed(augment, rows, keys, numbers),
                description=self._description(self.split, augment),
                kept=context.kept,
            )
        except _OtherEngineError:
            return None

    def _row_keys(self, augment: Augment, rows: Sequence[Row]) -> list[str]:
        data = self.context.data
        return [
            row_key(data.fingerprints[index].sha256, augment=augment, view=view, file=data.dataset.files[index])
            for index, view in rows
        ]

    def _pass_key(self, split: Split, augment: Augment) -> str:
        context = self.context
        return pass_key(
            split,
            context.network.spec,
            augment=augment,
            seed=context.settings.seed,
            engine=self.engine_name,
            precision=self.precision,
            device=context.prefix.device,
        )

    def _description(self, split: Split, augment: Augment) -> PassDescription:
        network, settings = self.context.network, self.context.settings
        return describe_pass(
            split, network, augment=augment, seed=settings.seed, engine=self.engine_name, precision=self.precision
        )

    def _engine_for(self, need: Need) -> EngineName:
        prefix = self.context.prefix
        return possible_engines(prefix.engine, device=prefix.device, n_images=need.n_rows)[0]

    def _computed(self, augment: Augment, rows: list[Row], keys: list[str], numbers: Numbers) -> Iterator[Computed]:
        """Yield the activations of the rows with these numbers; all missing views of a picture by one decode."""
        missing: dict[int, dict[int, int]] = {}
        for number in numbers.tolist():
            index, view = rows[number]
            missing.setdefault(index, {})[view] = number
        alike: dict[tuple[int, ...], list[int]] = {}
        for index, number_of in missing.items():
            alike.setdefault(tuple(number_of), []).append(index)
        n_done, keepers = 0, list[Keeper]()
        with ExitStack() as stack:
            for views, indices in alike.items():
                for found, several in self._computed_views(augment, views, indices, missing):
                    if self._shared and not keepers:
                        keepers = self._keepers(augment, {keys[number] for number in numbers.tolist()}, stack)
                    for keeper, tensors in zip(keepers, several[1:], strict=True):
                        keeper.add([keys[number] for number in found.tolist()], tensors)
                    yield found, several[0]
                    n_done += len(found)
                    self.context.progress.prefix(n_done, len(numbers))
        for failure in dict.fromkeys(keeper.failure for keeper in keepers if keeper.failure is not None):
            self.context.note(f"What later phases need is computed when they begin. {failure}")

    def _keepers(self, augment: Augment, computed: set[str], stack: ExitStack) -> list[Keeper]:
        """Open a keeper for each later need: of the rows that are being computed, those that it has not got yet."""
        context, cache = self.context, self.context.prefix.cache
        keepers = []
        for need in self._shared:
            pass_key = self._pass_key(need.split, augment)
            wanted = [key for key in self._row_keys(augment, need.rows.get(augment, ())) if key in computed]
            there = (context.kept if cache is None else cache).lookup(pass_key, wanted)
            keeper = Keeper(
                pass_key,
                {key for key, is_there in zip(wanted, there.tolist(), strict=True) if not is_there},
                description=self._description(need.split, augment),
                cache=cache,
                kept=context.kept,
                until=need.phase,
            )
            keepers.append(stack.enter_context(keeper))
        return keepers

    def _computed_views(
        self, augment: Augment, views: tuple[int, ...], indices: list[int], numbers: Mapping[int, Mapping[int, int]]
    ) -> Iterator[tuple[Numbers, list[Tensors]]]:
        """Yield numbers of rows, and their tensors at the phase's frontier and at those of later needs."""
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
        splits = (self.split, *(need.split for need in self._shared))
        places = iter([numbers[index][view] for index in indices for view in views])
        for tensors in engine.run(batch.images for batch in chain((first,), stream)):
            self.check()
            n = len(tensors[0])
            arrays = iter([tensor.numpy() for tensor in tensors])
            several: list[Tensors] = [{tensor.name: next(arrays) for tensor in split.frontier} for split in splits]
            yield np.fromiter(islice(places, n), np.int64, n), several

    def _opened(self, pictures: Tensor) -> Engine:
        """Open the engine once, checked on real pictures.

        Raises:
            _OtherEngineError: it is not the one that the rows were asked for by.
        """
        if self.engine is None:
            opened = self._open_shared(pictures) or self._open(self.split.prefix, (self.split,), pictures)
            for note in opened.notes:
                self.context.note(note)
            self.engine = opened.engine
            if not self._is_meant(opened.engine):
                self.engine_name, self.precision = opened.engine.name, opened.engine.precision
                raise _OtherEngineError
        return self.engine

    def _is_meant(self, engine: Engine) -> bool:
        return (engine.name, engine.precision) == (self.engine_name, self.precision)

    def _open_shared(self, pictures: Tensor) -> Opened | None:
        """Open the engine that was meant for what later phases need as well; None if nothing is to be shared."""
        chosen = self._to_share()
        splits = (self.split, *(need.split for need in chosen))
        merged = merge_prefixes([split.prefix for split in splits], self.context.example) if chosen else None
        opened = None if merged is None else self._open(merged, splits, pictures)
        if opened is None or not self._is_meant(opened.engine):
            return None
        self._shared = chosen
        return opened

    def _to_share(self) -> tuple[Need, ...]:
        """Return what later phases need of the rows of this one, as far as there is room for it."""
        cache = self.context.prefix.cache
        own = {augment: set(rows) for augment, rows in self.need.rows.items()}
        wanted = [
            need
            for need in grouped(self._later())
            if self._engine_for(need) == self.engine_name
            and any(not own.get(augment, set()).isdisjoint(rows) for augment, rows in need.rows.items())
            and (cache is None or not self._is_own(need))  # with a cache, those are kept anyway
        ]
        n_bytes = MEMORY_BYTES if cache is None else cache.available_bytes(self._pass_key(self.split, "none"))
        chosen = within_budget(self.need, wanted, n_bytes=n_bytes)
        if len(chosen) < len(wanted):
            place = "memory" if cache is None else "the cache (UNFREEZE_CACHE_QUOTA)"
            self.context.note(  # the same in every phase, so that it is said once
                "Not every phase finds its frozen layers computed by the first: what all phases need of them does not "
                f"fit into {place} together."
            )
        return chosen

    def _is_own(self, need: Need) -> bool:
        mine = self.split
        return (need.split.graph_hash, need.split.weights_hash) == (mine.graph_hash, mine.weights_hash)

    def _open(self, prefix: nn.Module, splits: tuple[Split, ...], pictures: Tensor) -> Opened:
        settings = self.context.prefix
        return open_engine(
            prefix,
            pictures,
            engine=settings.engine,
            precision=settings.precision,
            batch_size=self.context.settings.batch_size,
            device=settings.device,
            cache_dir=None if settings.cache is None else settings.cache.directory,
            key=engine_key(((split.graph_hash, split.weights_hash) for split in splits), pictures),
            n_images=self.need.n_rows,
        )


class _OtherEngineError(Exception):
    """The engine that was meant could not be used; another one is open."""
