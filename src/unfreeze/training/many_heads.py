"""Many linear heads on the same vectors, trained at once: rates, weight decays and seeds side by side.

A step of one head is so small that what surrounds its arithmetic takes most of the time. Stacked, all heads share one
order of the pictures, one gathering of a batch and one matrix product; each has its own rate, weight decay, gradient
norm and best epoch, and ends with the weights that it would have had alone, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from unfreeze.data.threads import one_thread
from unfreeze.plans import Schedule, rate_share
from unfreeze.records import ModelRecord
from unfreeze.training.checkpoint import Best
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.loss import Loss
from unfreeze.training.state import improves
from unfreeze.training.validating import Validation, judge

__all__ = ["HeadEpoch", "HeadStart", "TrainedHead", "Vectors", "train_heads"]

BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's AdamW
CLIP_EPSILON = 1e-6  # torch's clip_grad_norm_


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadStart:
    """A head before its training: float32 weight (k, d) and bias (k,), peak rate, and decay of the weight."""

    weight: Tensor
    bias: Tensor
    lr: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class HeadEpoch:
    """One epoch of one head.

    Attributes:
        loss: the mean over its training pictures.
        validation: its figures on validation.
        best: whether it was the best so far.
    """

    loss: float
    validation: Validation
    best: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedHead:
    """A head as its best epoch on validation left it, or its last one.

    Attributes:
        weight: float32 (k, d).
        bias: float32 (k,).
        best: the best epoch.
        epochs: all epochs.
        diverged: the epoch in which its loss stopped being finite; None if it never did.
    """

    weight: Tensor
    bias: Tensor
    best: Best
    epochs: tuple[HeadEpoch, ...]
    diverged: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """What heads learn from.

    Attributes:
        rows: float32 (n, d), one row for each picture of the data set, in its order.
        targets: (n,) int64 classes, or float32 (n, k) labels or values in their units.
    """

    rows: Tensor
    targets: np.ndarray


def train_heads(
    starts: Sequence[HeadStart],
    vectors: Vectors,
    *,
    settings: LoopSettings,
    record: ModelRecord,
    loss: Loss,
    epochs: int,
    schedule: Schedule = "one-cycle",
    warmup: float = 0.0,
    keep: Literal["best", "last"] = "best",
    check: Callable[[], None] = lambda: None,
) -> tuple[TrainedHead, ...]:
    """Train linear heads with AdamW, each as a training of its own would with these settings.

    Args:
        starts: the heads, all of one shape.
        vectors: what they learn from.
        settings: which pictures train and validate, the order of each epoch, batch size, clipping and metric.
        record: of the network that the heads are for: what its outputs mean.
        loss: the mean loss of a batch.
        epochs: passes over the training pictures.
        schedule: how rates run over all epochs.
        warmup: see `rate_share`.
        keep: the weights of which epoch: the best on validation, or the last.
        check: called once a step; it may raise, to interrupt.

    Returns:
        In the order of `starts`.
    """
    stack = _Stack(starts)
    truth = torch.from_numpy(np.array(vectors.targets))
    val = torch.as_tensor(np.asarray(settings.val))
    held_out, held_out_truth = vectors.rows[val], np.asarray(vectors.targets)[val.numpy()]
    n_steps = epochs * settings.steps_per_epoch
    found = [_Course(keep) for _ in starts]
    step = 0
    with one_thread():
        for epoch in range(epochs):
            order = torch.from_numpy(settings.epoch_indices(epoch))
            total = torch.zeros(len(starts), dtype=torch.float64)
            for begin in range(0, len(order), settings.batch_size):
                chunk = order[begin : begin + settings.batch_size]
                check()
                share = rate_share(schedule, step, n_steps=n_steps, warmup=warmup)
                losses = stack.step(vectors.rows[chunk], truth[chunk], loss=loss, share=share, clip=settings.clip)
                total += losses.double() * len(chunk)
                step += 1
            outputs = stack.outputs(held_out)
            for number, course in enumerate(found):
                validation = judge(outputs[number], held_out_truth, record, metric=settings.metric)
                mean = float(total[number]) / len(order)
                course.add(mean, validation, stack, number, metric=settings.metric)
    return tuple(course.result() for course in found)


class _Stack:
    """All heads as one weight (h, k, d) and one bias (h, k), and AdamW's moments of both.

    torch.optim.AdamW has one rate for a tensor; here each head has its own. The arithmetic is the same
    (Loshchilov and Hutter 2019): decoupled decay of the weight, none of the bias.
    """

    def __init__(self, starts: Sequence[HeadStart]) -> None:
        self.weight = torch.stack([start.weight.float() for start in starts])
        self.bias = torch.stack([start.bias.float() for start in starts])
        self._lr = torch.tensor([start.lr for start in starts])
        self._decay = torch.tensor([start.weight_decay for start in starts])
        self._moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in (self.weight, self.bias)]
        self._n_steps = 0

    def outputs(self, rows: Tensor) -> Tensor:
        """Return (h, b, k) for rows (b, d): one product for all heads."""
        h, k, d = self.weight.shape
        return (rows @ self.weight.reshape(h * k, d).T).reshape(len(rows), h, k).transpose(0, 1) + self.bias[:, None]

    def step(self, rows: Tensor, targets: Tensor, *, loss: Loss, share: float, clip: float | None) -> Tensor:
        """Move all heads by one batch at a share of their peak rates; return their losses (h,) before it."""
        outputs = self.outputs(rows).requires_grad_()
        losses = torch.func.vmap(loss, in_dims=(0, None))(outputs, targets)
        (by_output,) = torch.autograd.grad(losses.sum(), outputs)
        h, k, d = self.weight.shape
        by_weight = (by_output.transpose(1, 2).reshape(h * k, len(rows)) @ rows).reshape(h, k, d)
        by_bias = by_output.sum(dim=1)
        if clip is not None:
            norms = (by_weight.square().sum(dim=(1, 2)) + by_bias.square().sum(dim=1)).sqrt()
            shrink = (clip / (norms + CLIP_EPSILON)).clamp(max=1.0)
            by_weight, by_bias = by_weight * shrink[:, None, None], by_bias * shrink[:, None]
        self._n_steps += 1
        lr = self._lr * share
        self.weight *= (1 - lr * self._decay)[:, None, None]
        self._move(self.weight, by_weight, self._moments[0], lr=lr[:, None, None])
        self._move(self.bias, by_bias, self._moments[1], lr=lr[:, None])
        return losses.detach()

    def _move(self, values: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], *, lr: Tensor) -> None:
        first, second = moments
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        corrections = (1 - BETAS[0] ** self._n_steps, math.sqrt(1 - BETAS[1] ** self._n_steps))
        scale = (second.sqrt() / corrections[1]).add_(EPSILON)
        values -= lr / corrections[0] * first / scale


class _Course:
    """The epochs of one head, and its weights after the best or the last of them."""

    def __init__(self, keep: Literal["best", "last"]) -> None:
        self._keep = keep
        self._epochs: list[HeadEpoch] = []
        self._best: Best | None = None
        self._weights: tuple[Tensor, Tensor] | None = None
        self._diverged: int | None = None

    def add(self, loss: float, validation: Validation, stack: _Stack, number: int, *, metric: str) -> None:
        """Note an epoch, and keep the head if it is the one to keep so far."""
        index = len(self._epochs)
        if self._diverged is None and not math.isfinite(loss):
            self._diverged = index
        now = Best(epoch=index, value=validation.metrics[metric], val_loss=validation.loss)
        best = improves(metric, now, self._best)
        self._epochs.append(HeadEpoch(loss=loss, validation=validation, best=best))
        if best:
            self._best = now
        if best or self._keep == "last":
            self._weights = stack.weight[number].clone(), stack.bias[number].clone()

    def result(self) -> TrainedHead:
        """Return the head of the epoch to keep."""
        assert self._best is not None, "a training has at least one epoch"
        assert self._weights is not None, "an epoch was kept"
        weight, bias = self._weights
        return TrainedHead(
            weight=weight, bias=bias, best=self._best, epochs=tuple(self._epochs), diverged=self._diverged
        )
