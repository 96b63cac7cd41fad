"""Metrics as pure functions on arrays: values, and 95% intervals that hold on small test sets. No torch."""

from unfreeze.metrics.components import RANKED
from unfreeze.metrics.coverage import evaluate_coverage
from unfreeze.metrics.evaluating import evaluate_metric, evaluate_scores, number_groups
from unfreeze.metrics.few import few_test_pictures
from unfreeze.metrics.influence import heaviest_mistake, picture_contribution, picture_influence
from unfreeze.metrics.intervals import wilson
from unfreeze.metrics.naming import HIGHER_IS_BETTER, METRICS, PERCENTAGES, PRIMARY, check_metric, is_better
from unfreeze.metrics.points import score

__all__ = [
    "HIGHER_IS_BETTER",
    "METRICS",
    "PERCENTAGES",
    "PRIMARY",
    "RANKED",
    "check_metric",
    "evaluate_coverage",
    "evaluate_metric",
    "evaluate_scores",
    "few_test_pictures",
    "heaviest_mistake",
    "is_better",
    "number_groups",
    "picture_contribution",
    "picture_influence",
    "score",
    "wilson",
]
