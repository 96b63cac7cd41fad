"""The loss of each task, and what class weights do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from unfreeze.records import TaskName

__all__ = ["Balance", "Loss", "class_weights", "loss_function", "prior_shift", "sampling_weights"]

Balance = Literal["none", "weights", "sampling"]
Loss = Callable[[Tensor, Tensor], Tensor]


def class_weights(targets: np.ndarray, *, task: TaskName, n_outputs: int) -> np.ndarray:
    """Return the weight of each class so that all count alike.

    Args:
        targets: training targets, `(n,)` int64 class indices or `(n, k)` 0/1 labels.
        task: "classification" or "multilabel".
        n_outputs: number of classes or labels.

    Returns:
        `(n_outputs,)` float64. Classification: n / (classes × pictures of the class), so the mean over the
        pictures is 1. Multi-label: negatives / positives, torch's `pos_weight`.
    """
    if task == "classification":
        counts = np.bincount(targets, minlength=n_outputs).astype(float)
        return np.asarray(counts.sum() / (n_outputs * np.maximum(counts, 1.0)))
    positives = targets.sum(axis=0).astype(float)
    return np.asarray((len(targets) - positives) / np.maximum(positives, 1.0))


def sampling_weights(targets: np.ndarray, *, n_outputs: int) -> np.ndarray:
    """Return how likely each picture `(n,)` is to be drawn so that every class comes up equally often."""
    weights = class_weights(targets, task="classification", n_outputs=n_outputs)[targets]
    return np.asarray(weights / weights.sum())


def prior_shift(targets: np.ndarray, *, task: TaskName, n_outputs: int, balance: Balance) -> tuple[float, ...] | None:
    """Return what to add to the logits so that probabilities speak of the natural frequencies again.

    Weighting or resampling classes makes a network answer as if all classes were equally frequent; adding
    log(natural frequency / trained frequency) undoes that (Saerens et al. 2002, "Adjusting the outputs of a
    classifier to new a priori probabilities"). Decisions keep the balanced logits.
    """
    if balance == "none" or task == "regression":
        return None
    weights = class_weights(targets, task=task, n_outputs=n_outputs)
    return tuple(float(-np.log(max(weight, 1e-12))) for weight in weights)


def loss_function(
    task: TaskName,
    *,
    weights: np.ndarray | None = None,
    label_smoothing: float = 0.0,
    target_mean: Sequence[float] = (0.0,),
    target_std: Sequence[float] = (1.0,),
    device: torch.device | None = None,
) -> Loss:
    """Return the mean loss over a batch as a function of (outputs, targets).

    Outputs are `(b, n_outputs)` logits; targets are `(b,)` int64 classes or `(b, n_outputs)` 0/1 labels. For
    regression outputs are standardised, targets `(b, n_outputs)` are in their units, and the loss is Huber's:
    quadratic within one standard deviation, linear beyond, so that single wrong labels do not rule.
    """
    weight = None if weights is None else torch.as_tensor(weights, dtype=torch.float32, device=device)
    mean = torch.tensor(target_mean, dtype=torch.float32, device=device)
    std = torch.tensor(target_std, dtype=torch.float32, device=device)

    def of_classes(outputs: Tensor, targets: Tensor) -> Tensor:
        logits = _precise(outputs)
        by_class = None if weight is None else weight.to(logits.dtype)
        return F.cross_entropy(logits, targets, weight=by_class, label_smoothing=label_smoothing)

    def of_labels(outputs: Tensor, targets: Tensor) -> Tensor:
        logits = _precise(outputs)
        by_label = None if weight is None else weight.to(logits.dtype)
        smoothed = (targets * (1 - label_smoothing) + label_smoothing / 2).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=by_label)

    def of_values(outputs: Tensor, targets: Tensor) -> Tensor:
        values = _precise(outputs)
        return F.smooth_l1_loss(values, ((targets - mean) / std).to(values.dtype))

    return {"classification": of_classes, "multilabel": of_labels, "regression": of_values}[task]


def _precise(outputs: Tensor) -> Tensor:
    """Return outputs in float32, or in float64 where they are."""
    return outputs if outputs.dtype == torch.float64 else outputs.float()
