"""Coded findings about a data set, from its files, labels and pixels; no network is needed."""

from __future__ import annotations

from unfreeze.auditing.checking import check_dataset
from unfreeze.auditing.findings import CODES, Finding, Severity

__all__ = ["CODES", "Finding", "Severity", "check_dataset"]
