"""What a finished run, or a comparison, says of itself: report.html and methods.txt, from its directory. No torch."""

from unfreeze.reporting.comparison_report import write_comparison_report
from unfreeze.reporting.methods import write_methods
from unfreeze.reporting.report import write_report

__all__ = ["write_comparison_report", "write_methods", "write_report"]
