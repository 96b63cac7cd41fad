"""The prefix through torch.compile: slow to prepare, then faster than eager on a GPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from unfreeze.backbones import keep_freed_memory
from unfreeze.engines.eager import in_parts, run_torch
from unfreeze.engines.engine import Engine, Precision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor, nn

__all__ = ["CompiledEngine"]


class CompiledEngine(Engine):
    """Runs the prefix compiled for one batch size; other batches are divided, and the last part filled up.

    Compiling happens with the first batch, and what cannot be compiled raises there.

    Args:
        prefix: uint8 pictures in, one tensor or several out; on the device, in the modes that it is to compute in.
        device: where to compute.
        batch_size: pictures in a pass.
        precision: "bf16" computes in an autocast context.
        backend: torch.compile's, by name.
    """

    name = "compile"

    def __init__(
        self,
        prefix: nn.Module,
        *,
        device: torch.device,
        batch_size: int,
        precision: Precision = "fp32",
        backend: str = "inductor",
    ) -> None:
        if device.type == "cpu":
            keep_freed_memory()
        self.precision = precision
        self._compiled = torch.compile(prefix, dynamic=False, fullgraph=True, backend=backend)
        self._device = device
        self._batch_size = batch_size

    def run(self, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over what the prefix makes of each batch; see `Engine.run`."""
        forward = partial(in_parts, self._compiled, batch_size=self._batch_size)  # one layout: nothing is recompiled
        return run_torch(forward, batches, device=self._device, precision=self.precision)
