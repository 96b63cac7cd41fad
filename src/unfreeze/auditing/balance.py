"""Whether there are enough pictures of everything, and of what there are far fewer."""

from __future__ import annotations

import numpy as np

from unfreeze.auditing.findings import Finding
from unfreeze.data import Dataset, check_trainable
from unfreeze.errors import DataError

__all__ = ["MAX_IMBALANCE", "MIN_PICTURES", "MIN_PICTURES_REGRESSION", "MIN_SHARE", "balance_findings"]

MAX_IMBALANCE = 5.0  # pictures of the largest class to one of the smallest
MIN_SHARE = 0.05  # of the pictures, that have a label or that do not have it
MIN_PICTURES = 20  # of a class; with or without a label
MIN_PICTURES_REGRESSION = 100


def balance_findings(dataset: Dataset) -> list[Finding]:
    """Return findings about the number of readable pictures of every class or label."""
    found = _found(dataset)
    return found if any(finding.code == "UF403" for finding in found) else found + _untrainable(dataset)


def _untrainable(dataset: Dataset) -> list[Finding]:
    try:
        check_trainable(dataset)
    except DataError as error:
        return [Finding("UF404", str(error), (), "Add pictures; a training stops at this.")]
    return []


def _found(dataset: Dataset) -> list[Finding]:
    if dataset.task == "regression":
        return _few_values(dataset) + _constant(dataset)
    if dataset.task == "multilabel":
        return _rare_labels(dataset) + _few(dataset, _label_minorities(dataset), "label") + _constant(dataset)
    counts = {name: count for name, count in dataset.counts.items() if count}
    if len(counts) <= 1:
        only = next(iter(counts), None)
        said = f'All {len(dataset.files)} readable pictures are of "{only}".' if only else "No picture is readable."
        remedy = "Add pictures of other classes: telling apart takes two. A class is a folder, or a value of the label."
        return [Finding("UF403", said, dataset.files, remedy)]
    members = {name: dataset.targets == dataset.outputs.index(name) for name in counts}
    return _imbalanced(dataset, counts) + _few(dataset, members, "class")


def _imbalanced(dataset: Dataset, counts: dict[str, int]) -> list[Finding]:
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[largest] < MAX_IMBALANCE * counts[smallest]:
        return []
    share = counts[largest] / sum(counts.values())
    rare = [dataset.outputs.index(name) for name in counts if counts[largest] >= MAX_IMBALANCE * counts[name]]
    return [
        Finding(
            "UF401",
            f'"{largest}" has {counts[largest]} pictures, "{smallest}" {counts[smallest]}. Always saying "{largest}" '
            f"would be {share:.0%} accurate.",
            tuple(file for file, target in zip(dataset.files, dataset.targets, strict=True) if target in rare),
            "Judge by balanced_accuracy, the default, not by accuracy. Add pictures of the rare classes, or train with "
            "balanced sampling or class weights.",
        )
    ]


def _rare_labels(dataset: Dataset) -> list[Finding]:
    shares = dataset.targets.mean(axis=0) if len(dataset.files) else np.zeros(len(dataset.outputs))
    rare = [i for i, share in enumerate(shares) if 0 < min(share, 1 - share) < MIN_SHARE]
    if not rare:
        return []
    named = ", ".join(f'"{dataset.outputs[i]}" ({shares[i]:.1%})' for i in rare)
    minority = np.any([_minority(dataset, i) for i in rare], axis=0)
    return [
        Finding(
            "UF401",
            f"Labels that hardly any or nearly all pictures have (below {MIN_SHARE:.0%}): {named}.",
            _chosen(dataset, minority),
            "Judge by map, the default, which counts every label the same. Add pictures of the rarer kind.",
        )
    ]


def _few(dataset: Dataset, members: dict[str, np.ndarray], kind: str) -> list[Finding]:
    """Report classes or labels with too few pictures; those without any are reported elsewhere."""
    few = {name: chosen for name, chosen in members.items() if 0 < chosen.sum() < MIN_PICTURES}
    if not few:
        return []
    named = ", ".join(f'"{name}" ({int(chosen.sum())})' for name, chosen in few.items())
    return [
        Finding(
            "UF402",
            f"Fewer than {MIN_PICTURES} pictures of {len(few)} of {len(members)} {kind}{'e' * (kind == 'class')}s: "
            f"{named}. A few of them are left to test on, so their scores will be uncertain.",
            _chosen(dataset, np.any(list(few.values()), axis=0)),
            f"Add pictures, or merge or leave out a {kind}.",
        )
    ]


def _few_values(dataset: Dataset) -> list[Finding]:
    n = len(dataset.files)
    if n >= MIN_PICTURES_REGRESSION:
        return []
    return [
        Finding(
            "UF402",
            f"Only {n} pictures; for a regression {MIN_PICTURES_REGRESSION} are few already.",
            dataset.files,
            "Add pictures, and read the intervals of the scores.",
        )
    ]


def _constant(dataset: Dataset) -> list[Finding]:
    flat = [name for i, name in enumerate(dataset.outputs) if len(np.unique(dataset.targets[:, i])) <= 1]
    if not flat:
        return []
    return [
        Finding(
            "UF403",
            f"The same value in all {len(dataset.files)} readable pictures: {', '.join(flat)}.",
            (),
            "Leave the column out (choose others by --target), or add pictures in which it differs.",
        )
    ]


def _label_minorities(dataset: Dataset) -> dict[str, np.ndarray]:
    return {name: _minority(dataset, i) for i, name in enumerate(dataset.outputs)}


def _minority(dataset: Dataset, i: int) -> np.ndarray:
    """Say which pictures have the label, or which do not, whichever are fewer."""
    positive = dataset.targets[:, i] > 0
    return positive if positive.sum() * 2 <= len(positive) else ~positive


def _chosen(dataset: Dataset, mask: np.ndarray) -> tuple[str, ...]:
    return tuple(file for file, chosen in zip(dataset.files, mask, strict=True) if chosen)
