"""A training that is only tried: real, on the cache, judged on validation, and leaving nothing."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unfreeze.cache import ActivationCache
from unfreeze.evaluation import predict_outputs
from unfreeze.plans import Plan
from unfreeze.records import ModelRecord, TrainOptions
from unfreeze.training.executing import loop_settings, make_feeder, make_loss
from unfreeze.training.inputs import StudiedData
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loop import fine_tune
from unfreeze.training.progress import Progress
from unfreeze.training.run import prepare

__all__ = ["Trial", "try_plan"]


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
        UnfreezeError: the network cannot be loaded, or the training failed.
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
    return Trial(outputs=outputs, record=setup.network.record, seconds=time.monotonic() - began)
