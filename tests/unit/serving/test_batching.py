"""Items that come together are computed together; none is lost, and none waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

import pytest

from unfreeze.serving.batching import Batcher

SECONDS = 30


class Doubling:
    """Doubles numbers, and remembers what it was given; holds still while `gate` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.gate.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.entered.set()
        assert self.gate.wait(SECONDS)
        self.batches.append(list(items))
        if -1 in items:
            raise ValueError("no negative numbers")
        return [2 * item for item in items]


@contextmanager
def batcher(compute: Callable[[Sequence[int]], Sequence[int]], **options: float) -> Iterator[Batcher[int, int]]:
    made = Batcher(
        compute,
        max_items=int(options.get("max_items", 8)),
        wait_seconds=options.get("wait_seconds", 10.0),
        n_threads=int(options.get("n_threads", 1)),
    )
    try:
        yield made
    finally:
        made.close()


def submit(to: Batcher[int, int], item: int) -> Future[int]:
    future: Future[int] = Future()
    to.announce(1)
    to.submit(item, future)
    return future


def test_a_single_item_waits_for_nothing() -> None:
    compute = Doubling()
    with batcher(compute, wait_seconds=SECONDS) as made:
        assert submit(made, 3).result(SECONDS / 2) == 6


def test_items_that_come_meanwhile_go_together_in_their_order() -> None:
    compute = Doubling()
    compute.gate.clear()
    with batcher(compute) as made:
        first = submit(made, 0)
        assert compute.entered.wait(SECONDS)
        others = [submit(made, i) for i in range(1, 12)]
        compute.gate.set()
        assert [each.result(SECONDS) for each in (first, *others)] == [2 * i for i in range(12)]
    assert compute.batches == [[0], list(range(1, 9)), [9, 10, 11]]


def test_what_was_announced_is_waited_for() -> None:
    compute = Doubling()
    with batcher(compute, wait_seconds=SECONDS) as made:
        made.announce(2)
        first, second = Future[int](), Future[int]()
        made.submit(1, first)
        assert not first.done()
        made.submit(2, second)
        assert (first.result(SECONDS), second.result(SECONDS)) == (2, 4)
    assert compute.batches == [[1, 2]]


def test_what_was_announced_and_does_not_come_is_not_waited_for_longer_than_said() -> None:
    compute = Doubling()
    with batcher(compute, wait_seconds=0.01) as made:
        made.announce(1)
        assert submit(made, 1).result(SECONDS) == 2


def test_an_error_reaches_all_that_were_computed_together_and_no_other() -> None:
    compute = Doubling()
    with batcher(compute) as made:
        with pytest.raises(ValueError, match="no negative numbers"):
            submit(made, -1).result(SECONDS)
        assert submit(made, 1).result(SECONDS) == 2


def test_what_was_cancelled_is_not_computed() -> None:
    compute = Doubling()
    compute.gate.clear()
    with batcher(compute) as made:
        first = submit(made, 0)
        assert compute.entered.wait(SECONDS)
        given_up, kept = submit(made, 1), submit(made, 2)
        assert given_up.cancel()
        compute.gate.set()
        assert (first.result(SECONDS), kept.result(SECONDS)) == (0, 4)
        with pytest.raises(CancelledError):
            given_up.result(SECONDS)
    assert compute.batches == [[0], [2]]


def test_other_work_is_done_in_the_same_thread_between_batches() -> None:
    threads: list[int] = []
    with batcher(lambda items: [threads.append(threading.get_ident()) or item for item in items]) as made:
        assert submit(made, 1).result(SECONDS) == 1
        assert made.call(threading.get_ident).result(SECONDS) == threads[0]
        with pytest.raises(ZeroDivisionError):
            made.call(lambda: 1 / 0).result(SECONDS)


def test_closing_finishes_what_was_submitted() -> None:
    compute = Doubling()
    with batcher(compute) as made:
        futures = [submit(made, i) for i in range(20)]
    assert [each.result(0) for each in futures] == [2 * i for i in range(20)]


def test_with_two_threads_an_item_does_not_wait_for_the_end_of_another() -> None:
    compute, gate = Doubling(), threading.Event()

    def slow_for_zero(items: Sequence[int]) -> list[int]:
        assert items[0] != 0 or gate.wait(SECONDS)
        return compute(items)

    with batcher(slow_for_zero, max_items=1, n_threads=2) as made:
        slow = submit(made, 0)
        assert [submit(made, i).result(SECONDS) for i in range(1, 5)] == [2, 4, 6, 8]
        assert not slow.done()
        gate.set()
        assert slow.result(SECONDS) == 0
    assert sorted(compute.batches) == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_closing_ends_all_threads(n_threads: int) -> None:
    def computing() -> int:
        return sum(thread.name.startswith("unfreeze-compute") for thread in threading.enumerate())

    before = computing()
    with batcher(Doubling(), n_threads=n_threads) as made:
        assert submit(made, 1).result(SECONDS) == 2
        assert computing() == before + n_threads
    assert computing() == before
