from .calibrating import Calibration, calibrate_run
from .evidence import write_evidence
from .files import Prediction, expand_paths, predict_files
from .labelled import evaluate_labelled
from .mistakes import Confusion, Mistake, worst_confusions, worst_mistakes
from .predicting import predict, predict_outputs
from .predictions import Predictions, join_labels, read_predictions, write_predictions
from .running import evaluate_run

__all__ = [
    "Calibration",
    "Confusion",
    "Mistake",
    "Prediction",
    "Predictions",
    "calibrate_run",
    "evaluate_labelled",
    "evaluate_run",
    "expand_paths",
    "join_labels",
    "predict",
    "predict_files",
    "predict_outputs",
    "read_predictions",
    "worst_confusions",
    "worst_mistakes",
    "write_evidence",
    "write_predictions",
]
