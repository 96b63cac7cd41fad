"""The head's rate from a range test: a few steps at rising rates on the phase's own feed, and then as if nothing was.

Smith 2017 (Cyclical learning rates, WACV): the loss falls while rates are useful and rises when they are too high. The
rate taken is the one at which the loss falls fastest (fastai's rule `steep`), with the slope fitted to a decade of
rates, so that no single batch decides. fastai's other rules depend on where the curve ends: the least loss (`minimum`,
a tenth of its rate) wanders, because a sweep over few pictures sees them several times and keeps falling, and `valley`
moves with it. docs/reference/plans.md has the figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from torch import nn

from unfreeze.backbones import Network
from unfreeze.data import Batch
from unfreeze.plans import Plan
from unfreeze.records import RangeTest
from unfreeze.training.checkpoint import restore_network, snapshot
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed
from unfreeze.training.loss import Loss
from unfreeze.training.optimizers import make_optimizer, optimize
from unfreeze.training.seeding import seed_step

__all__ = ["AutoRate", "has_diverged", "pick_rate", "range_test", "smoothed", "sweep_rates", "told"]

LOWEST, HIGHEST = 1e-5, 10.0
N_STEPS = 100  # where a step is a head's on vectors that are there: milliseconds in all
N_STEPS_HEAVY = 40  # where a step is a whole network's
WINDOW = 0.05  # of the steps, on either side of one, over which its loss is averaged
HALF_DECADE = 0.5
ROUNDING = 1e-9
DIVERGED = 4.0  # times the least loss so far
LEAST_DROP = 0.05  # of the first loss: less than this is noise of batches


@dataclass(frozen=True, kw_only=True)
class AutoRate:
    """What a training needs in order to find its rate by itself.

    Attributes:
        plan_at: the plan that a head's rate given by hand would have made.
        default: the rate to take where the test finds none.
        plan_file: where the plan with the rate that was found is written.
    """

    plan_at: Callable[[float], Plan]
    default: float
    plan_file: Path


def sweep_rates(n: int) -> tuple[float, ...]:
    """Return `n` rates from the lowest to the highest, evenly spaced in their logarithm."""
    return tuple(float(rate) for rate in np.geomspace(LOWEST, HIGHEST, n))


def smoothed(losses: Sequence[float]) -> tuple[float, ...]:
    """Return for each loss the mean of those around it, as far as there are as many on both sides.

    Centred, so that the curve does not lag behind the rates, as a running mean does.
    """
    values = np.asarray(losses, dtype=np.float64)
    reach = max(1, round(WINDOW * len(values)))
    found = []
    for i in range(len(values)):
        k = min(reach, i, len(values) - 1 - i)
        found.append(float(values[i - k : i + k + 1].mean()))
    return tuple(found)


def has_diverged(losses: Sequence[float]) -> bool:
    """Say whether the last loss ends a sweep: it is not finite, or the last three lie far above the least three."""
    if not math.isfinite(losses[-1]):
        return True
    means = np.convolve(losses, np.full(3, 1 / 3), mode="valid") if len(losses) > 2 else np.array([])  # noqa: PLR2004
    return len(means) > 1 and float(means[-1]) > DIVERGED * float(means.min())


def pick_rate(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate that a sweep tells: the one at which the loss falls fastest; None if it tells none.

    The slope at a rate is that of the line of least squares through the losses of the decade around it. A sweep tells
    none where no rate lowers the loss by more than batches vary it, or where it ended within a decade.

    Args:
        rates: of the steps, rising, evenly spaced in their logarithm.
        losses: of each step's batch, before the step; finite.

    >>> rates = sweep_rates(101)
    >>> pick_rate(rates, [2 / (1 + (rate / 0.003) ** 2) for rate in rates])
    0.00288
    """
    values, x = smoothed(losses), np.log10(rates[: len(losses)])
    if not values or values[0] - min(values) <= LEAST_DROP * abs(values[0]):
        return None
    inside = np.flatnonzero((x - HALF_DECADE >= x[0] - ROUNDING) & (x + HALF_DECADE <= x[-1] + ROUNDING))
    slopes = [_slope(x, losses, around=x[i]) for i in inside]
    if not slopes or min(slopes) >= 0:
        return None
    return float(f"{rates[inside[int(np.argmin(slopes))]]:.3g}")  # no digits that it does not know; it can be typed


def range_test(
    network: Network,
    feed: Feed,
    auto: AutoRate,
    *,
    epochs: range,
    settings: LoopSettings,
    loss: Loss,
    device: Device,
    stop: Callable[[], bool],
) -> RangeTest | None:
    """Sweep the head's rate over the first phase's batches; afterwards the network is bit for bit what it was.

    All other rates keep their ratio to the head's. An optimizer of its own takes the steps, and each is seeded by its
    place as in training, so that nothing of the test is left behind and it can be repeated.

    Args:
        network: with the gradients and modes of the plan's first phase.
        feed: the phase's.
        auto: see `AutoRate`.
        epochs: of the phase; its batches are taken in their order, again from the first when they run out.
        settings: the loop's.
        loss: the mean loss of a batch.
        device: where to compute.
        stop: asked before each step; where it says yes, the test is given up.

    Returns:
        What was found, or None where it was given up.
    """
    began = time.monotonic()
    plan = auto.plan_at(auto.default)
    trained = [p for p in network.parameters() if p.requires_grad]
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    optimizer, before = make_optimizer(network, plan), snapshot(network, without=frozen)
    ratios = [group["lr"] / auto.default for group in optimizer.param_groups]
    rates, losses = sweep_rates(N_STEPS if feed.is_light else N_STEPS_HEAVY), list[float]()
    seed = settings.step_seed
    try:
        with closing(_batches(feed, epochs)) as stream:
            for rate, (epoch, number, batch) in zip(rates, stream, strict=False):
                if stop():
                    return None
                seed_step(seed, epoch=epoch, step=number)
                for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                    group["lr"] = rate * ratio
                losses.append(
                    optimize(
                        feed.model, batch, loss=loss, optimizer=optimizer, trained=trained, clip=settings.clip,
                        device=device,
                    )
                )  # fmt: skip
                if has_diverged(losses):
                    break
    finally:
        restore_network(network, before)
        _forget_gradients(trained)
    return _conclude(rates, losses, default=auto.default, seconds=time.monotonic() - began)


def told(test: RangeTest) -> str:
    """Return what a test found, in one line."""
    took = f"{len(test.losses)} steps, {test.seconds:.2g} s"
    match test.outcome:
        case "found":
            return f"Rate {test.lr:g} found by a range test ({took})."
        case "flat":
            return f"The range test found no rate that lowers the loss ({took}); taken is the default, {test.lr:g}."
    return f"The range test diverged before the loss fell ({took}); taken is the default rate, {test.lr:g}."


def _slope(x: np.ndarray, losses: Sequence[float], *, around: float) -> float:
    near = np.abs(x - around) <= HALF_DECADE + ROUNDING
    x_near, y_near = x[near] - x[near].mean(), np.asarray(losses, dtype=np.float64)[near]
    return float((x_near @ y_near) / (x_near @ x_near))


def _conclude(rates: Sequence[float], losses: Sequence[float], *, default: float, seconds: float) -> RangeTest:
    finite = [value for value in losses if math.isfinite(value)]  # all but perhaps the last
    lr = pick_rate(rates, finite)
    risen = len(finite) < len(losses) or (bool(finite) and has_diverged(finite))
    return RangeTest(
        lr=default if lr is None else lr,
        outcome="found" if lr is not None else "diverged" if risen else "flat",
        rates=tuple(rates[: len(finite)]),
        losses=tuple(finite),
        smoothed=smoothed(finite),
        seconds=round(seconds, 3),
    )


def _batches(feed: Feed, epochs: range) -> Generator[tuple[int, int, Batch]]:
    """Yield batches without end, each with its epoch and its number in it."""
    for epoch in cycle(epochs):
        for number, batch in enumerate(feed.train(epoch)):
            yield epoch, number, batch


def _forget_gradients(parameters: Sequence[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None
