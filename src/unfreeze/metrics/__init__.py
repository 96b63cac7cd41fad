"""Metrics as pure functions on arrays: values, and 95% intervals that hold on small test sets. No torch."""

from unfreeze.metrics.evaluating import evaluate_scores
from unfreeze.metrics.intervals import wilson
from unfreeze.metrics.naming import HIGHER_IS_BETTER, METRICS, PRIMARY, check_metric, is_better
from unfreeze.metrics.points import score

__all__ = [
    "HIGHER_IS_BETTER",
    "METRICS",
    "PRIMARY",
    "check_metric",
    "evaluate_scores",
    "is_better",
    "score",
    "wilson",
]
