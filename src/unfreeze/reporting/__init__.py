"""What a run, a comparison or an advice says of itself: report.html and methods.txt, from its directory. No torch."""

from unfreeze.reporting.advice_report import write_advice_report
from unfreeze.reporting.comparison_report import write_comparison_report
from unfreeze.reporting.methods import write_methods
from unfreeze.reporting.report import write_report

__all__ = ["write_advice_report", "write_comparison_report", "write_methods", "write_report"]
