"""How a network does on validation between two epochs: the metrics that are followed, and the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unfreeze.backbones import Network, output_scores
from unfreeze.data import Dataset
from unfreeze.evaluation import predict_outputs
from unfreeze.metrics import score
from unfreeze.records import ModelRecord
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed
from unfreeze.training.loss import loss_function

__all__ = ["Validation", "judge", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The figures of one epoch; `loss` is the plain one, without class weights or smoothing."""

    metrics: dict[str, float]
    loss: float


def validate(network: Network, feed: Feed, dataset: Dataset, settings: LoopSettings, *, device: Device) -> Validation:
    """Evaluate a network on the validation pictures; it is left in evaluation mode.

    Args:
        network: the network as the epoch leaves it.
        feed: its validation batches, and the part of the network that they go through.
        dataset: the pictures; `settings` says which of them validate.
        settings: the loop's.
        device: where to compute.
    """
    network.eval()
    outputs = torch.from_numpy(predict_outputs(feed.model, feed.evaluation(settings.val), device=device.torch_device))
    return judge(outputs, dataset.targets[np.asarray(settings.val)], network.record, metric=settings.metric)


def judge(outputs: torch.Tensor, truth: np.ndarray, record: ModelRecord, *, metric: str) -> Validation:
    """Return the figures of raw outputs (n, n_outputs).

    Args:
        outputs: logits, or standardised values; float32, on the CPU.
        truth: (n,) classes, (n, n_outputs) labels or values in their units.
        record: of the network that gave them.
        metric: what picks the best epoch; the accuracy of classes is followed beside it.
    """
    plain_loss = loss_function(
        record.task, target_mean=record.target_mean or (0.0,), target_std=record.target_std or (1.0,)
    )
    scores = output_scores(outputs, record).numpy()
    decisions = output_scores(outputs, record, balanced=True).numpy()
    names = {metric} | ({"accuracy"} if record.task == "classification" else set())
    return Validation(
        metrics={name: score(name, truth, scores, decisions=decisions) for name in sorted(names)},
        loss=float(plain_loss(outputs, torch.from_numpy(truth))),
    )
