"""Requests that come within a few milliseconds of each other are computed together, or side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class _Entry(Generic[Item, Result]):
    """One item, and where its result goes."""

    item: Item
    future: Future[Result]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """Work of another kind for the same thread."""

    work: Callable[[], Any]
    future: Future[Any]


class _End:
    """The end of one thread."""


class Batcher(Generic[Item, Result]):
    """Threads that compute what others submit, each as much at once as has come.

    It waits only for what was announced: where nothing else is on its way, a single item is computed at once.

    Args:
        compute: from items to as many results, in their order; called in the batcher's threads and no others.
        max_items: at most so many at once.
        wait_seconds: at most so long after the first.
        n_threads: how many compute; with more than one, items are answered in any order.
        initializer: called by each of them first.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_items: int,
        wait_seconds: float,
        n_threads: int = 1,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        self._compute = compute
        self._initializer = initializer
        self._max_items = max_items
        self._wait_seconds = wait_seconds
        self._queue: SimpleQueue[_Entry[Item, Result] | _Call | _End] = SimpleQueue()
        self._coming = 0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"unfreeze-compute-{number}", daemon=True)
            for number in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def announce(self, n_items: int) -> None:
        """Say that so many items are being made ready; each must be submitted, or withdrawn."""
        with self._lock:
            self._coming += n_items

    def withdraw(self, n_items: int = 1) -> None:
        """Say that so many announced items will not come."""
        with self._lock:
            self._coming -= n_items

    def submit(self, item: Item, future: Future[Result]) -> None:
        """Compute an announced item soon; its result, or what `compute` raised, goes into the future.

        A future that was cancelled meanwhile is left out.
        """
        self._queue.put(_Entry(item, future))
        self.withdraw()

    def call(self, work: Callable[[], Value]) -> Future[Value]:
        """Do other work in one of the same threads, between batches."""
        future: Future[Value] = Future()
        self._queue.put(_Call(work, future))
        return future

    def close(self) -> None:
        """Finish what was submitted, then end the threads."""
        for _ in self._threads:
            self._queue.put(_End())
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        if self._initializer is not None:
            self._initializer()
        other: _Call | _End | None = None
        while not isinstance(other, _End):
            batch: list[_Entry[Item, Result]] = []
            other = self._collect(batch)
            self._answer([entry for entry in batch if entry.future.set_running_or_notify_cancel()])
            if isinstance(other, _Call):
                _do(other)

    def _collect(self, batch: list[_Entry[Item, Result]]) -> _Call | _End | None:
        """Wait for an item; put it and those that follow at once into the batch; return what else ended it."""
        found = self._queue.get()
        end = monotonic() + self._wait_seconds
        while isinstance(found, _Entry):
            batch.append(found)
            if len(batch) == self._max_items:
                return None
            wait = max(0.0, end - monotonic()) if self._coming > 0 else 0.0
            try:
                found = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            except Empty:
                return None
        return found

    def _answer(self, batch: Sequence[_Entry[Item, Result]]) -> None:
        if not batch:
            return
        try:
            results = self._compute([entry.item for entry in batch])
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            for entry in batch:
                entry.future.set_exception(error)
        else:
            for entry, result in zip(batch, results, strict=True):
                entry.future.set_result(result)


def _do(call: _Call) -> None:
    if not call.future.set_running_or_notify_cancel():
        return
    try:
        call.future.set_result(call.work())
    except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must learn of it
        call.future.set_exception(error)
