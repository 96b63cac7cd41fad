"""A training that is only tried, real and judged on validation, and leaves nothing; and what a step of one takes."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unfreeze.backbones import Network
from unfreeze.cache import ActivationCache
from unfreeze.errors import FailedError
from unfreeze.evaluation import predict_outputs
from unfreeze.plans import Plan
from unfreeze.records import ModelRecord, TrainOptions
from unfreeze.training.device import Device
from unfreeze.training.executing import DIVERGED, loop_settings, make_feeder, make_loss
from unfreeze.training.inputs import StudiedData
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loop import fine_tune
from unfreeze.training.progress import Progress
from unfreeze.training.run import prepare

__all__ = ["Trial", "seconds_per_picture", "try_plan"]

N_TIMED = 8  # pictures of a step whose time is taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What a training came to.

    Attributes:
        outputs: raw outputs (n, n_outputs) for the validation pictures, by the weights of the best epoch.
        record: of the network, which says what its outputs mean.
        seconds: from loading the network to the last output.
    """

    outputs: np.ndarray
    record: ModelRecord
    seconds: float


def try_plan(
    data: StudiedData,
    options: TrainOptions,
    *,
    plan: Plan,
    cache: ActivationCache | None,
    progress: Progress,
    interrupt: Interrupt,
) -> Trial:
    """Train by a plan and return what the network says of the validation pictures.

    Args:
        data: the pictures, and the split; test pictures are left alone if it names none.
        options: the settings, as `settled` returns them.
        plan: what trains when.
        cache: where activations are kept.
        progress: who is told.
        interrupt: tells when to end.

    Raises:
        InterruptedRunError: an end was asked for.
        UnfreezeError: the network cannot be loaded, or the training failed or diverged.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unfreeze-trial-") as name:
        setup, _ = prepare(data, options, plan=plan, cache=cache, out=Path(name), progress=progress)
        setup.device.place(setup.network)
        settings = loop_settings(setup)
        feeder = make_feeder(setup, settings, progress)
        fine_tune(
            setup.network, plan, data.dataset, settings=settings, loss=make_loss(setup), device=setup.device,
            directory=setup.out, progress=progress, feeder=feeder, interrupt=interrupt,
        )  # fmt: skip
    feed = feeder.final()
    outputs = predict_outputs(feed.model, feed.evaluation(data.split.val), device=setup.device.torch_device)
    if not np.isfinite(outputs).all():
        raise FailedError(DIVERGED)
    return Trial(outputs=outputs, record=setup.network.record, seconds=time.monotonic() - began)


def seconds_per_picture(data: StudiedData, options: TrainOptions, *, plan: Plan, progress: Progress) -> float:
    """Return what one picture takes, forward and backward through all layers, where and as a training computes.

    By a few pictures of noise; the fastest of three steps, because the first also fills the allocator. What a pass of
    the frozen network takes would tell less: with few pictures it is mostly loading.

    Args:
        data: the pictures; none is read.
        options: the settings, as `settled` returns them.
        plan: of a training of all layers, by these options.
        progress: who is told.

    Raises:
        UnfreezeError: the network cannot be loaded.
    """
    setup, _ = prepare(data, options, plan=plan, cache=None, out=Path(), progress=progress)
    network = setup.device.place(setup.network).train().requires_grad_(requires_grad=True)
    height, width = network.spec.size
    noise = setup.device.send(torch.randn(N_TIMED, 3, height, width, generator=torch.Generator().manual_seed(0)))
    return min(_step_seconds(network, noise, setup.device) for _ in range(3)) / N_TIMED


def _step_seconds(network: Network, images: torch.Tensor, device: Device) -> float:
    began = time.monotonic()
    with device.autocast():
        outputs = network(images)
    outputs.float().square().mean().backward()
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.monotonic() - began
