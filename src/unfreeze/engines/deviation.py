"""How far an engine's outputs are from PyTorch's own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from unfreeze.engines.engine import Precision

__all__ = ["LARGEST_DEVIATION", "deviation"]

# In fp32, other orders of summing moved nine networks by at most 2.6e-6. bf16 keeps 8 bits; what that does to
# predictions is for the caller to measure, so that here only what is broken is kept out.
LARGEST_DEVIATION: dict[Precision, float] = {"fp32": 1e-5, "bf16": 1e-1}


def deviation(got: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return max|got − expected| / max|expected|, the largest over the outputs; infinity where they cannot be compared.

    Relative to the largest value of an output: elementwise ratios say nothing near zero.

    Args:
        got: an engine's outputs.
        expected: the same outputs by PyTorch. Not a number anywhere in either, or other shapes, is infinitely far.
    """
    if len(got) != len(expected):
        return math.inf
    return max((_of_one(one, other) for one, other in zip(got, expected, strict=True)), default=0.0)


def _of_one(got: Tensor, expected: Tensor) -> float:
    if got.shape != expected.shape or got.is_floating_point() != expected.is_floating_point():
        return math.inf
    largest = expected.double().abs().max().item()
    difference = (got.double() - expected.double()).abs().max().item()
    if difference == 0:
        return 0.0
    ratio = difference / largest if largest > 0 else math.inf
    return ratio if math.isfinite(ratio) else math.inf
