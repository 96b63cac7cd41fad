"""The prefix as PyTorch computes it, layer by layer: what all other engines are checked against."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from unfreeze.backbones import keep_freed_memory
from unfreeze.engines.engine import N_BATCHES_IN_FLIGHT, Engine, Precision, as_tensors, split_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor, nn

__all__ = ["EagerEngine", "in_parts", "run_torch"]


class EagerEngine(Engine):
    """Runs the prefix itself, on a device.

    Args:
        prefix: uint8 pictures in, one tensor or several out; on the device, in the modes that it is to compute in.
        device: where to compute.
        batch_size: pictures in a pass. Batches are divided and filled up to it: a picture's bits would depend on how
            many others it is computed with.
        precision: "bf16" computes in an autocast context.
    """

    name = "eager"

    def __init__(
        self, prefix: nn.Module, *, device: torch.device, batch_size: int, precision: Precision = "fp32"
    ) -> None:
        if device.type == "cpu":
            keep_freed_memory()
        self.precision = precision
        self._prefix = prefix
        self._device, self._batch_size = device, batch_size

    def run(self, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over what the prefix makes of each batch; see `Engine.run`."""
        forward = partial(in_parts, self._prefix, batch_size=self._batch_size)
        return run_torch(forward, batches, device=self._device, precision=self.precision)


def in_parts(forward: Callable[[Tensor], Any], images: Tensor, *, batch_size: int) -> tuple[Tensor, ...]:
    """Compute images `batch_size` at a time, the last part filled up, and put the outputs together."""
    parts = []
    for whole, n_real in split_rows(images, batch_size):
        laid_out = whole.contiguous(memory_format=torch.channels_last)
        parts.append([each[:n_real] for each in as_tensors(forward(laid_out))])
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def run_torch(
    forward: Callable[[Tensor], Tensor | tuple[Tensor, ...]],
    batches: Iterable[Tensor],
    *,
    device: torch.device,
    precision: Precision,
) -> Iterator[tuple[Tensor, ...]]:
    """Iterate over what PyTorch computes of each batch, with neither gradients nor a graph.

    A GPU computes behind the caller's back, so that its results are fetched a batch late; on a CPU there is
    nothing to wait for.
    """
    n_ahead = 0 if device.type == "cpu" else N_BATCHES_IN_FLIGHT - 1
    waiting: deque[tuple[Tensor, ...]] = deque()
    for images in batches:
        placed = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        # Not inference mode: its tensors cannot go into training. No context may be open while the caller has control.
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            waiting.append(as_tensors(forward(placed)))
        if len(waiting) > n_ahead:
            yield _fetched(waiting.popleft())
    while waiting:
        yield _fetched(waiting.popleft())


def _fetched(outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.cpu() for each in outputs)
