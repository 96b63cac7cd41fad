"""Pictures that occur more than once, under the same label or under several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from unfreeze.auditing.findings import Finding
from unfreeze.data import Dataset, Fingerprint

__all__ = ["repeat_findings"]

Sets = list[tuple[int, ...]]


def repeat_findings(
    dataset: Dataset, fingerprints: Sequence[Fingerprint], clusters: Sequence[Sequence[int]]
) -> list[Finding]:
    """Return findings about equal files and about pictures that look the same (`near_duplicates`)."""
    copies = _same_bytes(fingerprints)
    alike = [tuple(cluster) for cluster in clusters if len({fingerprints[i].sha256 for i in cluster}) > 1]
    found = []
    if sets := [members for members in copies if not _labels_differ(dataset, members)]:
        found.append(
            Finding(
                "UF201",
                f"{_n_surplus(sets)} files are copies of others, byte for byte. {_example(dataset, sets)}",
                _files(dataset, sets),
                "Remove the copies: they count a picture several times. Training keeps them on one side of the split.",
            )
        )
    if sets := [members for members in alike if not _labels_differ(dataset, members)]:
        found.append(
            Finding(
                "UF202",
                f"{sum(map(len, sets))} pictures look like others, in {_n_sets(sets)}. {_example(dataset, sets)}",
                _files(dataset, sets),
                "Look at them: copies that were resized or compressed anew can go. "
                "Training keeps them on one side of the split.",
            )
        )
    if sets := [members for members in copies if _labels_differ(dataset, members)]:
        found.append(
            Finding(
                "UF203",
                f"{_n_sets(sets)} of equal files have different labels. {_example(dataset, sets, with_labels=True)}",
                _files(dataset, sets),
                "Keep each picture once, under its right label. If it has several, use a table with one column each.",
            )
        )
    # The values of a regression may well differ a little between frames of one film.
    if dataset.task != "regression" and (
        sets := [members for members in alike if _labels_differ(dataset, _one_each(fingerprints, members))]
    ):
        found.append(
            Finding(
                "UF204",
                f"{_n_sets(sets)} of pictures that look the same have different labels. "
                f"{_example(dataset, sets, with_labels=True)}",
                _files(dataset, sets),
                "Look at them: one of the labels is probably wrong.",
            )
        )
    return found


def _same_bytes(fingerprints: Sequence[Fingerprint]) -> Sets:
    by_content: dict[str, list[int]] = defaultdict(list)
    for index, fingerprint in enumerate(fingerprints):
        if fingerprint.error is None:
            by_content[fingerprint.sha256].append(index)
    return [tuple(members) for members in by_content.values() if len(members) > 1]


def _one_each(fingerprints: Sequence[Fingerprint], members: Iterable[int]) -> tuple[int, ...]:
    """Keep one picture of each content: what equal files disagree about is another finding."""
    return tuple({fingerprints[index].sha256: index for index in members}.values())


def _labels_differ(dataset: Dataset, members: Sequence[int]) -> bool:
    targets = dataset.targets[list(members)]
    return bool(np.any(targets != targets[:1]))


def _label(dataset: Dataset, index: int) -> str:
    target = dataset.targets[index]
    if dataset.task == "classification":
        return dataset.outputs[int(target)]
    if dataset.task == "multilabel":
        names = [name for name, positive in zip(dataset.outputs, target, strict=True) if positive]
        return "+".join(names) or "no label"
    return ", ".join(f"{value:g}" for value in target)


def _example(dataset: Dataset, sets: Sets, *, with_labels: bool = False) -> str:
    def named(index: int) -> str:
        label = f" ({_label(dataset, index)})" if with_labels else ""
        return f'"{dataset.files[index]}"{label}'

    first, *others = sets[0]
    other = next((index for index in others if _labels_differ(dataset, (first, index))), others[0])
    return f"The first: {named(first)} and {named(other)}."


def _files(dataset: Dataset, sets: Sets) -> tuple[str, ...]:
    return tuple(dataset.files[index] for members in sets for index in members)


def _n_surplus(sets: Sets) -> int:
    return sum(len(members) - 1 for members in sets)


def _n_sets(sets: Sets) -> str:
    return f"{len(sets)} set{'s' if len(sets) > 1 else ''}"
