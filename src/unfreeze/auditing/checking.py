"""All checks of a data set, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from unfreeze.auditing.balance import balance_findings
from unfreeze.auditing.findings import SEVERITIES, Finding
from unfreeze.auditing.likeness import likeness_findings
from unfreeze.auditing.repeats import repeat_findings
from unfreeze.auditing.shortcuts import shortcut_findings
from unfreeze.auditing.sides import side_findings
from unfreeze.auditing.suspects import group_members, has_cleanlab, probed_suspects, suspect_finding
from unfreeze.data import Dataset, Fingerprint, Split, near_duplicates

__all__ = ["check_dataset"]


def check_dataset(
    dataset: Dataset,
    fingerprints: Sequence[Fingerprint],
    split: Split | None = None,
    *,
    clusters: Sequence[Sequence[int]] | None = None,
    features: np.ndarray | None = None,
) -> tuple[Finding, ...]:
    """Look for what is wrong with a data set.

    Args:
        dataset: pictures and labels; unreadable ones may be among them.
        fingerprints: of all its files, in their order.
        split: the sides to be checked for leaks; None takes the sides that the data themselves give, if they do.
        clusters: `near_duplicates(fingerprints)`, where the caller has it already.
        features: float (m, d), a frozen network's of the readable pictures, where an earlier training left them in
            the cache (`find_features`): leaks that hashes miss, and label suspects where cleanlab is installed.

    Returns:
        The findings, gravest first, then by code; empty if nothing was found.
    """
    assert tuple(fingerprint.file for fingerprint in fingerprints) == dataset.files, "fingerprints of another dataset"
    if clusters is None:
        clusters = near_duplicates(fingerprints)
    readable = [index for index, fingerprint in enumerate(fingerprints) if fingerprint.error is None]
    usable, known = dataset.subset(readable), [fingerprints[index] for index in readable]
    found = [
        *_unreadable(fingerprints),
        *repeat_findings(dataset, fingerprints, clusters),
        *side_findings(dataset, clusters, split),
        *balance_findings(usable),
        *shortcut_findings(usable, known),
    ]
    if features is not None:
        found += _from_features(dataset, readable, features, split, clusters)
    return tuple(sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.code)))


def _from_features(
    dataset: Dataset,
    readable: Sequence[int],
    features: np.ndarray,
    split: Split | None,
    clusters: Sequence[Sequence[int]],
) -> list[Finding]:
    """Return what frozen features of the readable pictures tell beside hashes: leaks and label suspects."""
    place = {index: row for row, index in enumerate(readable)}
    alike = [[place[i] for i in cluster if i in place] for cluster in clusters]
    usable = dataset.subset(readable)
    found = likeness_findings(usable, features, None if split is None else _subsplit(split, place), known=alike)
    if dataset.task != "regression" and has_cleanlab():
        suspects = probed_suspects(usable, features, units=[*alike, *group_members(usable)])
        found += suspect_finding(suspects or (), n_checked=usable.targets.size)
    return found


def _subsplit(split: Split, place: Mapping[int, int]) -> Split:
    """Return a split of some of the pictures, which have other numbers then."""

    def kept(indices: Sequence[int]) -> tuple[int, ...]:
        return tuple(place[i] for i in indices if i in place)

    return replace(split, train=kept(split.train), val=kept(split.val), test=kept(split.test))


def _unreadable(fingerprints: Sequence[Fingerprint]) -> list[Finding]:
    bad = [fingerprint for fingerprint in fingerprints if fingerprint.error is not None]
    if not bad:
        return []
    return [
        Finding(
            "UF101",
            f"{len(bad)} of {len(fingerprints)} pictures cannot be read. The first: {bad[0].error}",
            tuple(fingerprint.file for fingerprint in bad),
            "Mend or remove them (or install what the message names), or go on without them by --skip-unreadable.",
        )
    ]
