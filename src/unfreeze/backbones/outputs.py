"""From a network's raw outputs to probabilities, or to values in the target's units."""

from __future__ import annotations

import torch
from torch import Tensor

from unfreeze.records import ModelRecord

__all__ = ["output_scores"]


def output_scores(outputs: Tensor, record: ModelRecord, *, balanced: bool = False) -> Tensor:
    """Turn raw outputs into scores.

    Args:
        outputs: `(b, n_outputs)` logits, or standardised values for regression; any float dtype.
        record: the network's record: its task, the targets' mean and standard deviation, the temperature and the
            prior shift.
        balanced: answer as the network was trained: not calibrated, and after a training with class weights or
            balanced sampling as if all classes were equally frequent. That is right for decisions and for balanced
            metrics; calibrated probabilities that speak of the natural frequencies are the default.

    Returns:
        `(b, n_outputs)` float32: probabilities by class (they sum to 1), by label, or values in the target's units.
    """
    values = outputs.float()
    if record.task == "regression":
        mean = torch.tensor(record.target_mean or (0.0,), device=values.device)
        std = torch.tensor(record.target_std or (1.0,), device=values.device)
        return values * std + mean
    if not balanced:
        values = values / record.temperature
        if record.prior_shift is not None:
            values = values + torch.tensor(record.prior_shift, device=values.device)
    return torch.softmax(values, dim=1) if record.task == "classification" else torch.sigmoid(values)
