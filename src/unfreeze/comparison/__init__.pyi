from .comparing import compare_ways, resume_comparison
from .folds import Folds, divide_folds
from .progress import CellInfo, CellResult, ComparisonProgress, SilentComparison
from .statistics import Difference, RowOutputs, RowStatistics, Verdict, compare_rows

__all__ = [
    "CellInfo",
    "CellResult",
    "ComparisonProgress",
    "Difference",
    "Folds",
    "RowOutputs",
    "RowStatistics",
    "SilentComparison",
    "Verdict",
    "compare_rows",
    "compare_ways",
    "divide_folds",
    "resume_comparison",
]
