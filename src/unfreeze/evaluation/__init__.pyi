from .answers import Prediction, interpret_outputs
from .calibrating import Calibration, calibrate_run
from .evidence import write_evidence
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
    "interpret_outputs",
    "join_labels",
    "predict",
    "predict_outputs",
    "read_predictions",
    "worst_confusions",
    "worst_mistakes",
    "write_evidence",
    "write_predictions",
]
