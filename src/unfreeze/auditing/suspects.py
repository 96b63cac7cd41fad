"""Labels that are probably wrong: out-of-sample probabilities contradict them (confident learning, Northcutt 2021).

cleanlab decides which; it counts a label as an issue only where both of its rules agree, which misses some and
accuses fewer wrongly.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import msgspec
import numpy as np

from unfreeze.auditing.findings import Finding
from unfreeze.auditing.probing import MIN_PROBED, cross_validated
from unfreeze.data import Dataset

__all__ = [
    "NO_CLEANLAB",
    "SUSPECTS",
    "Suspect",
    "SuspectList",
    "group_members",
    "has_cleanlab",
    "label_suspects",
    "probed_suspects",
    "suspect_finding",
]

SUSPECTS = "suspects.json"
NO_CLEANLAB = "Label suspects need cleanlab: pip install 'unfreeze[evidence]'."


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """One label that is probably wrong, as evidence/suspects.json keeps it."""

    file: str
    given: str  # the label that the data have: a class, "fish" or "not fish"
    suggested: str
    given_probability: float
    suggested_probability: float
    thumbnail: str | None = None  # the file name in evidence/


class SuspectList(msgspec.Struct, frozen=True, kw_only=True):
    """The label suspects of a run; of several labels a picture has, each counts."""

    suspects: tuple[Suspect, ...] = ()  # the most suspicious first, not all
    n_suspects: int = 0
    n_checked: int = 0
    notes: tuple[str, ...] = ()  # what was checked by what, and what was not


def has_cleanlab() -> bool:
    """Say whether labels can be checked here; nothing is imported yet."""
    return find_spec("cleanlab") is not None


def label_suspects(dataset: Dataset, indices: Sequence[int], probabilities: np.ndarray) -> tuple[Suspect, ...]:
    """Return the labels that probabilities contradict, the most suspicious first.

    Args:
        dataset: a classification or multi-label data set.
        indices: which pictures of it the rows of `probabilities` are.
        probabilities: (m, c) by class, or (m, k) by label, of a network or probe that has not learned from them.
    """
    assert dataset.task != "regression", "values have no label issues"
    rows = np.asarray(indices, dtype=np.int64)
    if not len(rows):
        return ()
    if dataset.task == "classification":
        found = _of_classes(dataset, rows, probabilities)
    else:
        found = [each for k in range(len(dataset.outputs)) for each in _of_label(dataset, rows, probabilities, k)]
    return tuple(sorted(found, key=lambda each: (each.given_probability - each.suggested_probability, each.file)))


def probed_suspects(
    dataset: Dataset, features: np.ndarray, *, units: Sequence[Sequence[int]] = (), seed: int = 0
) -> tuple[Suspect, ...] | None:
    """Return the labels that a cross-validated linear probe on features contradicts; None: too few pictures to probe.

    Args:
        dataset: a classification or multi-label data set.
        features: (n, d), of all its pictures.
        units: numbers of pictures that belong together; near-duplicates in two folds would vouch for each other.
        seed: of the folds.
    """
    if len(dataset) < MIN_PROBED:
        return None
    if dataset.task == "classification":
        said = cross_validated(features, dataset.targets, units=units, n_classes=len(dataset.outputs), seed=seed)
    else:
        columns = [
            cross_validated(features, (column > 0).astype(np.int64), units=units, n_classes=2, seed=seed)[:, 1]
            for column in dataset.targets.T
        ]
        said = np.stack(columns, axis=1)
    return label_suspects(dataset, range(len(dataset)), said)


def group_members(dataset: Dataset) -> list[list[int]]:
    """Return the numbers of the pictures of each group; empty without groups."""
    members: dict[str, list[int]] = {}
    for i, group in enumerate(dataset.groups or ()):
        members.setdefault(group, []).append(i)
    return list(members.values())


def suspect_finding(suspects: Sequence[Suspect], *, n_checked: int) -> list[Finding]:
    """Return what a check says of label suspects; nothing if there are none.

    Args:
        suspects: the most suspicious first.
        n_checked: labels that were judged: one of each picture, or all that it may have.
    """
    if not suspects:
        return []
    first = suspects[0]
    return [
        Finding(
            "UF601",
            f"{len(suspects)} of {n_checked} labels are contradicted by a linear probe that learned from the other "
            f'pictures. The first: "{first.file}" is given as {first.given}, looks like {first.suggested}.',
            tuple(dict.fromkeys(each.file for each in suspects)),
            "Look at them: some labels will be wrong, others only hard. Correct what is wrong, then train again.",
        )
    ]


def _of_classes(dataset: Dataset, rows: np.ndarray, probabilities: np.ndarray) -> list[Suspect]:
    labels = dataset.targets[rows]
    return [
        Suspect(
            file=dataset.files[rows[i]],
            given=dataset.outputs[labels[i]],
            suggested=dataset.outputs[likeliest],
            given_probability=float(probabilities[i, labels[i]]),
            suggested_probability=float(probabilities[i, likeliest]),
        )
        for i in _issues(labels, probabilities)
        if (likeliest := int(probabilities[i].argmax())) != labels[i]
    ]


def _of_label(dataset: Dataset, rows: np.ndarray, probabilities: np.ndarray, k: int) -> list[Suspect]:
    name, has = dataset.outputs[k], (dataset.targets[rows, k] > 0).astype(np.int64)
    both = np.stack([1 - probabilities[:, k], probabilities[:, k]], axis=1)
    words = (f"not {name}", name)
    return [
        Suspect(
            file=dataset.files[rows[i]],
            given=words[has[i]],
            suggested=words[1 - has[i]],
            given_probability=float(both[i, has[i]]),
            suggested_probability=float(both[i, 1 - has[i]]),
        )
        for i in _issues(has, both)
    ]


def _issues(labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """Return the rows whose labels are issues."""
    from cleanlab.filter import find_label_issues

    known = np.unique(labels)
    if len(known) < 2:  # noqa: PLR2004 - nothing contradicts an only label
        return []
    some = probabilities[:, known].astype(np.float64)  # a class without pictures has no threshold
    some /= np.maximum(some.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    with warnings.catch_warnings():
        # Of classes with a picture or two, by number; such classes are findings of their own (UF402), by name.
        warnings.filterwarnings("ignore", message="May not flag all label issues", category=UserWarning)
        mask = find_label_issues(np.searchsorted(known, labels), some, filter_by="both", n_jobs=1)
    return [int(i) for i in np.flatnonzero(mask)]
