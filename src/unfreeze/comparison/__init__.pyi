from .folds import Folds, divide_folds
from .statistics import Difference, RowOutputs, RowStatistics, Verdict, compare_rows

__all__ = [
    "Difference",
    "Folds",
    "RowOutputs",
    "RowStatistics",
    "Verdict",
    "compare_rows",
    "divide_folds",
]
