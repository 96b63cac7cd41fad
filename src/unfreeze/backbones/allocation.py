"""How the process gets its memory: freed activations are kept for the next batch."""

from __future__ import annotations

import ctypes
import functools
import sys

__all__ = ["keep_freed_memory"]

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let malloc keep the memory that is freed in this process, and say whether it could be told so.

    By default glibc maps every large tensor anew and gives it back when it is freed, so that every batch pays
    for a page fault on each 4 KB of its activations: on 2 cores more than half of the time of a training step
    (docs/adr/0009). PyTorch has an allocator of its own for GPUs, but not for CPUs. Other C libraries stay as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, LARGEST))
