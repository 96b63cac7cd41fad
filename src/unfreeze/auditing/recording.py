"""evidence/findings.json: what a check found, with as many files as a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from unfreeze.auditing.findings import Finding, Severity
from unfreeze.records import write_json

__all__ = ["FINDINGS", "FindingRecord", "write_findings"]

FINDINGS = "findings.json"
N_FILES = 24


class FindingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, as evidence/findings.json keeps it."""

    code: str
    severity: Severity
    title: str
    message: str
    remedy: str
    files: tuple[str, ...]  # the first of them
    n_files: int


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Write findings into evidence/."""
    records = [
        FindingRecord(
            code=each.code,
            severity=each.severity,
            title=each.title,
            message=each.message,
            remedy=each.remedy,
            files=each.files[:N_FILES],
            n_files=len(each.files),
        )
        for each in findings
    ]
    write_json(folder / FINDINGS, records)
