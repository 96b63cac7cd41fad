"""Predictions, metrics with their intervals, and the evidence that a report shows.

The names load their modules when they are first used: only predicting needs torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.evaluation.evidence import write_evidence
    from unfreeze.evaluation.files import Prediction, expand_paths, predict_files
    from unfreeze.evaluation.labelled import evaluate_labelled
    from unfreeze.evaluation.mistakes import Confusion, Mistake, worst_confusions, worst_mistakes
    from unfreeze.evaluation.predicting import predict, predict_outputs
    from unfreeze.evaluation.predictions import Predictions, read_predictions, write_predictions
    from unfreeze.evaluation.running import evaluate_run

__all__ = [
    "Confusion",
    "Mistake",
    "Prediction",
    "Predictions",
    "evaluate_labelled",
    "evaluate_run",
    "expand_paths",
    "predict",
    "predict_files",
    "predict_outputs",
    "read_predictions",
    "worst_confusions",
    "worst_mistakes",
    "write_evidence",
    "write_predictions",
]

_MODULE_OF = {
    "Confusion": "mistakes",
    "Mistake": "mistakes",
    "Prediction": "files",
    "Predictions": "predictions",
    "evaluate_labelled": "labelled",
    "evaluate_run": "running",
    "expand_paths": "files",
    "predict": "predicting",
    "predict_files": "files",
    "predict_outputs": "predicting",
    "read_predictions": "predictions",
    "worst_confusions": "mistakes",
    "worst_mistakes": "mistakes",
    "write_evidence": "evidence",
    "write_predictions": "predictions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
