"""How the frozen part of a network is computed ahead, what that has cost, and what all its passes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unfreeze.backbones import Network
from unfreeze.cache import ActivationCache, KeptRows
from unfreeze.engines import EngineName, Precision
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.inputs import StudiedData
from unfreeze.training.progress import Progress

__all__ = ["PassContext", "PrefixSettings", "PrefixUse"]


@dataclass(frozen=True, kw_only=True)
class PrefixSettings:
    """How frozen layers are computed ahead, and where what they give is kept."""

    engine: Literal["auto"] | EngineName
    device: torch.device
    cache: ActivationCache | None  # None: in memory only, for this training
    precision: Precision = "fp32"


@dataclass(frozen=True, kw_only=True)
class PrefixUse:
    """What the frozen part has cost a training so far."""

    engine: str = "eager"
    precision: Precision = "fp32"
    seconds: float = 0.0
    n_rows: int = 0  # asked for, over all phases
    n_hits: int = 0  # of them, in the cache already
    n_bytes: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """The share of rows that were in the cache; None where nothing was asked for."""
        return self.n_hits / self.n_rows if self.n_rows else None

    def plus(self, other: PrefixUse) -> PrefixUse:
        """Return both together; the engine and its precision are the later one's."""
        return PrefixUse(
            engine=other.engine,
            precision=other.precision,
            seconds=self.seconds + other.seconds,
            n_rows=self.n_rows + other.n_rows,
            n_hits=self.n_hits + other.n_hits,
            n_bytes=self.n_bytes + other.n_bytes,
        )


@dataclass(frozen=True, kw_only=True)
class PassContext:
    """What all passes of a training have in common."""

    network: Network
    data: StudiedData
    settings: LoopSettings
    prefix: PrefixSettings
    progress: Progress
    kept: KeptRows  # for later phases, where there is no cache
    example: Tensor  # pictures, uint8 (B, 3, height, width), on the network's device
    note: Callable[[str], None]  # told what the user should know, now and in the record
