"""Coded findings about a data set, from its files, labels and pixels, and from features where they are cached."""

from __future__ import annotations

from unfreeze.auditing.cached import CachedFeatures, find_features
from unfreeze.auditing.checking import check_dataset
from unfreeze.auditing.findings import CODES, Finding, Severity
from unfreeze.auditing.likeness import likeness_findings
from unfreeze.auditing.recording import FindingRecord, write_findings
from unfreeze.auditing.suspects import (
    Suspect,
    SuspectList,
    group_members,
    has_cleanlab,
    label_suspects,
    probed_suspects,
    suspect_finding,
)

__all__ = [
    "CODES",
    "CachedFeatures",
    "Finding",
    "FindingRecord",
    "Severity",
    "Suspect",
    "SuspectList",
    "check_dataset",
    "find_features",
    "group_members",
    "has_cleanlab",
    "label_suspects",
    "likeness_findings",
    "probed_suspects",
    "suspect_finding",
    "write_findings",
]
