"""The optimizers that a plan can ask for, and one step of theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from unfreeze.data import Batch
from unfreeze.freezing import param_groups
from unfreeze.plans import Plan
from unfreeze.training.device import Device
from unfreeze.training.loss import Loss

__all__ = ["make_optimizer", "optimize"]


def make_optimizer(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Return the optimizer of the phases that train by steps, with all of the plan's param groups from the start.

    What `lbfgs` fits is in it too, at rate 0: no step is taken meanwhile, and a later phase finds its weights.
    It is the fused one, which updates all weights of a group in one call: a head's step takes a third of the time.
    """
    groups = param_groups(network, plan)
    if any(phase.solver == "sgd" for phase in plan.phases):
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, fused=True)


def optimize(
    model: nn.Module,
    batch: Batch,
    *,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    trained: Sequence[nn.Parameter],
    clip: float | None,
    device: Device,
) -> float:
    """Compute a batch's loss and gradients and move the weights; return the loss.

    Args:
        model: what is called with the batch's inputs.
        batch: inputs and targets.
        loss: the mean loss of a batch.
        optimizer: at the rates of the step; no step is taken where the loss is not finite.
        trained: the parameters that train.
        clip: the largest norm of their gradient; None: not clipped.
        device: where to compute, and how precisely.
    """
    inputs, targets = map(device.send, batch.inputs), device.send(batch.targets)
    with device.autocast():
        value = loss(model(*inputs), targets)
    found = float(value.detach())
    if math.isfinite(found):
        for parameter in trained:
            parameter.grad = None
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if clip is not None:
            nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
    return found
