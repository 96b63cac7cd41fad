"""PyTorch on one thread for a moment, so that it does not wait for others at every operation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this thread, and no other, compute without a team of its own meanwhile.

    An engine is opened while pictures are decoded on all cores. A team of threads meets after every operation, and on
    busy cores waits there for its last member: tracing took nine times as long (docs/adr/0011).
    """
    torch.get_num_threads()  # torch sets a thread's number when it is first used there; ours comes after it
    with ThreadpoolController().select(user_api="openmp").limit(limits=1):
        yield
