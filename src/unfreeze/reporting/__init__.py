"""What a finished run says of itself: report.html and methods.txt, from the run directory alone. No torch."""

from unfreeze.reporting.methods import write_methods
from unfreeze.reporting.report import write_report

__all__ = ["write_methods", "write_report"]
