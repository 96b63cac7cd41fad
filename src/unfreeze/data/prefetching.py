"""Work of all cores, a few chunks ahead of whoever uses it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from unfreeze.data.threads import computing_alone, n_usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

__all__ = ["N_CHUNKS_AHEAD", "prefetch"]

N_CHUNKS_AHEAD = 3

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result], chunks: Iterable[Sequence[Item]], *, n_threads: int | None = None
) -> Generator[tuple[Sequence[Item], list[Result]]]:
    """Iterate over chunks with what was made of their items, in order; threads work at most three chunks ahead.

    Nothing begins before the first chunk is asked for. Closing or dropping the iterator stops the threads.

    Args:
        work: what is done with an item, in any of the threads; what it raises comes in place of its chunk.
        chunks: taken one after another, as room for them is made.
        n_threads: None takes all usable cores.
    """
    waiting: deque[tuple[Sequence[Item], list[Future[Result]]]] = deque()
    pool = ThreadPoolExecutor(
        n_usable_cores() if n_threads is None else n_threads,
        thread_name_prefix="unfreeze-decode",
        initializer=computing_alone(),
    )
    try:
        for chunk in chunks:
            waiting.append((chunk, [pool.submit(work, item) for item in chunk]))
            if len(waiting) > N_CHUNKS_AHEAD:
                yield _collected(*waiting.popleft())
        while waiting:
            yield _collected(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _collected(chunk: Sequence[Item], futures: list[Future[Result]]) -> tuple[Sequence[Item], list[Result]]:
    return chunk, [future.result() for future in futures]
