"""Random numbers as pure functions of where a training stands, so that resuming needs no generator's state."""

from __future__ import annotations

import hashlib

import torch

__all__ = ["seed_step", "step_seed"]


def step_seed(seed: int, *, epoch: int, step: int) -> int:
    """Return the 63-bit seed of one optimizer step: the same for the same arguments on every machine."""
    digest = hashlib.sha256(f"step/{seed}/{epoch}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_step(seed: int, *, epoch: int, step: int) -> None:
    """Seed torch's generators for one step (dropout, stochastic depth), so that any step can be the first."""
    value = step_seed(seed, epoch=epoch, step=step)
    # torch.manual_seed would note where it was called from for each kind of device that is not in use: a millisecond.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(value)
