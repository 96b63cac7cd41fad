"""What every engine does: batches of pictures in, batches of frontier tensors out, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

__all__ = ["N_BATCHES_IN_FLIGHT", "Engine", "EngineName", "Precision", "as_tensors", "split_rows"]


EngineName = Literal["openvino", "compile", "eager"]
Precision = Literal["fp32", "bf16"]

N_BATCHES_IN_FLIGHT = 2  # one computes while the next is filled


class Engine(ABC):
    """Computes a prefix: what of a network no trainable weight can change.

    An engine may be used by several threads; every `run` keeps its own batches.

    Attributes:
        name: which engine it is.
        precision: in what it computes; what it returns is float32 all the same.
        n_threads: how many threads with small batches of their own get more done than one.
    """

    name: EngineName
    precision: Precision
    n_threads: int = 1

    @abstractmethod
    def run(self, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over what the prefix makes of each batch, in the order of the batches.

        Batches are taken from the producer only as results are asked for, at most `N_BATCHES_IN_FLIGHT` ahead, or so
        many that all cores have work, and computed while it makes the next one. What it raises comes out here, after
        which the iterator is at its end.
        Closing or dropping the iterator waits for what is being computed and takes no further batch.

        Args:
            batches: uint8 (B, 3, height, width) at the size that the engine was opened for, on the CPU. B may
                differ from batch to batch.

        Returns:
            For each batch the prefix's outputs, (B, …) each, on the CPU; float32 where the prefix's are floating.
        """


def as_tensors(outputs: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, ...]:
    """Return a module's one or several outputs as a tuple, floating ones in float32."""
    several = (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
    return tuple(each.float() if each.is_floating_point() else each for each in several)


def split_rows(images: Tensor, n: int) -> Iterator[tuple[Tensor, int]]:
    """Iterate over (n pictures, how many of them are real): the last is filled up with its last picture.

    Args:
        images: (B, …), contiguous or not.
        n: pictures in each part, for what computes a fixed number only.
    """
    for start in range(0, len(images), n):
        part = images[start : start + n]
        n_missing = n - len(part)
        whole = torch.cat([part, part[-1:].expand(n_missing, *part.shape[1:])]) if n_missing else part
        yield whole.contiguous(), len(part)
