"""How many threads read pictures, and what each of them may compute with."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["computing_alone", "n_usable_cores", "one_blas_thread", "one_thread"]


def n_usable_cores() -> int:
    """Return how many cores this process may use, which in a container are fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def computing_alone() -> Callable[[], None]:
    """Return what a thread calls first so that it, and no other, makes views without a team of its own.

    Pictures are shared out over threads already: teams within them would fight over the cores with each other
    and with the training. `torch.set_num_threads` would bind later threads of the whole process too.
    """
    import torch  # also so that its OpenMP is there to be found

    torch.get_num_threads()
    return partial(_compute_alone, ThreadpoolController().select(user_api="openmp"))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this thread, and no other, compute without a team of its own meanwhile.

    A team of threads meets after every operation, and on busy cores waits there for its last member. Where operations
    are small, or pictures are decoded on all cores at the same time, that costs more than the team gains: tracing an
    engine took nine times as long (docs/adr/0011), and a head's training on two cores twice as long.
    """
    import torch

    torch.get_num_threads()  # torch sets a thread's number when it is first used there; ours comes after it
    with ThreadpoolController().select(user_api="openmp").limit(limits=1):
        yield


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let what numpy and scipy compute by OpenBLAS be computed by one thread meanwhile, in the whole process.

    The same holds of its team of threads, which it has even for products of two vectors. Torch has its own.
    """
    import scipy.linalg  # noqa: F401 - so that its OpenBLAS is there to be found

    with ThreadpoolController().select(internal_api="openblas").limit(limits=1):
        yield


def _compute_alone(openmp: ThreadpoolController) -> None:
    import torch

    torch.get_num_threads()  # torch sets a thread's number when it is first used there; ours comes after it
    openmp.limit(limits=1)
