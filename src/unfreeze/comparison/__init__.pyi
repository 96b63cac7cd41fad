from .advising import ADVISED, DEFAULT_BUDGET, advise_data
from .comparing import compare_ways, resume_comparison
from .folds import Folds, divide_folds
from .progress import CellInfo, CellResult, ComparisonProgress, SilentComparison
from .statistics import Difference, RowOutputs, RowStatistics, Verdict, compare_rows

__all__ = [
    "ADVISED",
    "DEFAULT_BUDGET",
    "CellInfo",
    "CellResult",
    "ComparisonProgress",
    "Difference",
    "Folds",
    "RowOutputs",
    "RowStatistics",
    "SilentComparison",
    "Verdict",
    "advise_data",
    "compare_rows",
    "compare_ways",
    "divide_folds",
    "resume_comparison",
]
