"""All checks of a data set, together."""

from __future__ import annotations

from collections.abc import Sequence

from unfreeze.auditing.balance import balance_findings
from unfreeze.auditing.findings import SEVERITIES, Finding
from unfreeze.auditing.repeats import repeat_findings
from unfreeze.auditing.shortcuts import shortcut_findings
from unfreeze.auditing.sides import side_findings
from unfreeze.data import Dataset, Fingerprint, Split, near_duplicates

__all__ = ["check_dataset"]


def check_dataset(
    dataset: Dataset,
    fingerprints: Sequence[Fingerprint],
    split: Split | None = None,
    *,
    clusters: Sequence[Sequence[int]] | None = None,
) -> tuple[Finding, ...]:
    """Look for what is wrong with a data set.

    Args:
        dataset: pictures and labels; unreadable ones may be among them.
        fingerprints: of all its files, in their order.
        split: the sides to be checked for leaks; None takes the sides that the data themselves give, if they do.
        clusters: `near_duplicates(fingerprints)`, where the caller has it already.

    Returns:
        The findings, gravest first, then by code; empty if nothing was found.
    """
    assert tuple(fingerprint.file for fingerprint in fingerprints) == dataset.files, "fingerprints of another dataset"
    if clusters is None:
        clusters = near_duplicates(fingerprints)
    readable = [index for index, fingerprint in enumerate(fingerprints) if fingerprint.error is None]
    usable, known = dataset.subset(readable), [fingerprints[index] for index in readable]
    found = (
        *_unreadable(fingerprints),
        *repeat_findings(dataset, fingerprints, clusters),
        *side_findings(dataset, clusters, split),
        *balance_findings(usable),
        *shortcut_findings(usable, known),
    )
    return tuple(sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.code)))


def _unreadable(fingerprints: Sequence[Fingerprint]) -> list[Finding]:
    bad = [fingerprint for fingerprint in fingerprints if fingerprint.error is not None]
    if not bad:
        return []
    return [
        Finding(
            "UF101",
            f"{len(bad)} of {len(fingerprints)} pictures cannot be read. The first: {bad[0].error}",
            tuple(fingerprint.file for fingerprint in bad),
            "Mend or remove them, or go on without them by --skip-unreadable.",
        )
    ]
