"""How far pictures lie from those that a network was pretrained on, by the statistics that its BatchNorm layers hold.

Every BatchNorm layer stores mean and variance of each channel of its input over the pretraining pictures. The same
statistics of other pictures, in units of the stored ones, say how unusual what the network sees is, depth by depth.
That these statistics are what characterises a domain is Li et al. 2016 (AdaBN, "Revisiting batch normalization for
practical domain adaptation"); that they describe the training pictures well enough to paint such pictures is Yin et
al. 2020 (DeepInversion).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unfreeze.backbones import Network
from unfreeze.data import Dataset, ViewMemory, batches

__all__ = ["N_PICTURES", "DomainShift", "domain_shift", "domain_words"]

N_PICTURES = 256
BATCH = 32
# Of the mean shift, in stored standard deviations; what real sets give stands in docs/reference/advice.md, for the one
# network and size that it was measured with. Others have other numbers, and no words.
NEAR, FAR = 0.23, 0.3
MEASURED_WITH = "tf_efficientnet_lite0", (224, 224)


@dataclass(frozen=True, kw_only=True)
class DomainShift:
    """How unlike the pretraining pictures some pictures are to a network.

    Attributes:
        shift: how far a channel's mean lies from the stored one, in stored standard deviations; the mean over all
            channels of a layer and over layers.
        variance_ratio: a channel's variance over the stored one; the geometric mean.
        stages: the shift by stage, input to output.
        n_images: how many pictures it was measured on.
    """

    shift: float
    variance_ratio: float
    stages: dict[str, float]
    n_images: int


def domain_words(shift: float, *, architecture: str, size: tuple[int, int]) -> str | None:
    """Say a shift in words; None for networks and sizes for which it was not measured what is near.

    >>> domain_words(0.2, architecture="tf_efficientnet_lite0", size=(224, 224))
    'near'
    >>> domain_words(0.2, architecture="resnet50", size=(224, 224))
    """
    if (architecture, size) != MEASURED_WITH:
        return None
    return "near" if shift < NEAR else "far from" if shift >= FAR else "neither near nor far from"


def domain_shift(
    network: Network,
    dataset: Dataset,
    indices: Sequence[int],
    *,
    memory: ViewMemory | None = None,
    check: Callable[[], None] = lambda: None,
) -> DomainShift | str:
    """Measure how unlike its pretraining pictures some pictures are to a network.

    Args:
        network: pretrained, in evaluation mode, with nothing trained yet.
        dataset: the pictures.
        indices: which of them; the first `N_PICTURES` are looked at.
        memory: where evaluation views may be kept already.
        check: called for each batch; it may raise, to interrupt.

    Returns:
        The shift; or why there is none, as a clause.
    """
    if network.record.weights.kind == "random":
        return "its weights are random, so that it was pretrained on nothing"
    if network.record.weights.kind == "run":
        return "its weights are a run's, whose pictures its BatchNorm layers may remember instead"
    layers = {name: module for name, module in network.backbone.named_modules() if _has_statistics(module)}
    if not layers:
        return f"{network.record.architecture} has no BatchNorm layers, which alone keep such statistics"
    device = next(network.parameters()).device
    chosen = list(indices)[:N_PICTURES]
    with _watched(layers) as sums, torch.no_grad():
        for batch in batches(dataset, chosen, network.spec, batch_size=BATCH, memory=memory):
            check()
            network(batch.images.to(device))
    measured = {name: _shift_of(layers[name], found) for name, found in sums.items() if found.n}
    stage_of = _stages_of(network)
    by_stage: dict[str, list[float]] = {}
    for name, (shift, _) in measured.items():
        by_stage.setdefault(stage_of.get(name, "?"), []).append(shift)
    return DomainShift(
        shift=_mean([shift for shift, _ in measured.values()]),
        variance_ratio=math.exp(_mean([ratio for _, ratio in measured.values()])),
        stages={stage: _mean(shifts) for stage, shifts in by_stage.items()},
        n_images=len(chosen),
    )


@dataclass
class _Sums:
    """Sums over places and pictures, by channel, float64."""

    n: int = 0
    first: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))
    second: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))

    def add(self, values: Tensor) -> None:
        """Add an input (B, C, …): its mean and variance in its own precision, which are summed in double."""
        others = [dim for dim in range(values.ndim) if dim != 1]
        variance, mean = torch.var_mean(values.detach(), dim=others, correction=0)
        n, mean = values.numel() // values.shape[1], mean.double()
        self.n += n
        self.first = self.first.to(mean.device) + n * mean
        self.second = self.second.to(mean.device) + n * (variance.double() + mean.square())


@contextmanager
def _watched(layers: dict[str, nn.Module]) -> Iterator[dict[str, _Sums]]:
    sums = {name: _Sums() for name in layers}

    def watcher(found: _Sums) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _module, inputs: found.add(inputs[0])

    handles = [module.register_forward_pre_hook(watcher(sums[name])) for name, module in layers.items()]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _shift_of(layer: nn.Module, sums: _Sums) -> tuple[float, float]:
    """Return a layer's mean shift, and the mean log ratio of variances."""
    assert isinstance(layer, _BatchNorm)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean = sums.first / sums.n
    variance = (sums.second / sums.n - mean.square()).clamp(min=0) + layer.eps
    stored = layer.running_var.double() + layer.eps
    shift = (mean - layer.running_mean.double()).abs() / stored.sqrt()
    return float(shift.mean()), float((variance / stored).log().mean())


def _stages_of(network: Network) -> dict[str, str]:
    """Return the stage of each norm layer, by its path in the backbone."""
    return {
        leaf.name.partition("@")[0].removeprefix("backbone."): stage.name
        for stage in network.layers.stages
        for group in stage.groups
        for leaf in group.leaves
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
