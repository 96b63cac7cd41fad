"""Leaks between the sides of a split: what is known from training cannot test anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from unfreeze.auditing.findings import Finding
from unfreeze.data import Dataset, Split

__all__ = ["side_findings", "sides_of"]


def side_findings(dataset: Dataset, clusters: Sequence[Sequence[int]], split: Split | None) -> list[Finding]:
    """Return findings about pictures and groups that lie on several sides; none without sides."""
    sides = sides_of(dataset, split)
    found = []
    crossing = [members for members in clusters if len({sides[i] for i in members if i in sides}) > 1]
    if crossing:
        one = crossing[0][0]
        other = next(index for index in crossing[0] if index in sides and sides[index] != sides.get(one))
        found.append(
            Finding(
                "UF301",
                f"{len(crossing)} picture{'s' if len(crossing) > 1 else ''} and what equals or looks like them lie "
                f'on several sides of the split. The first: "{dataset.files[one]}" ({sides.get(one, "none")}) and '
                f'"{dataset.files[other]}" ({sides[other]}).',
                tuple(dataset.files[index] for members in crossing for index in members),
                "Scores on such pictures are too good. Take them out of all sides but one, or let unfreeze draw the "
                "split, which keeps them together.",
            )
        )
    found.extend(_torn_groups(dataset, sides))
    return found


def sides_of(dataset: Dataset, split: Split | None) -> dict[int, str]:
    """Return the side of each picture by its number: of the split, else as the data say; empty without sides."""
    if split is not None:
        named = {"train": split.train, "val": split.val, "test": split.test}
        return {index: side for side, indices in named.items() for index in indices}
    return dict(enumerate(dataset.splits or ()))


def _torn_groups(dataset: Dataset, sides: dict[int, str]) -> list[Finding]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(dataset.groups or ()):
        if index in sides:
            members[group].append(index)
    torn = {group: indices for group, indices in members.items() if len({sides[i] for i in indices}) > 1}
    if not torn:
        return []
    first = next(iter(torn))
    return [
        Finding(
            "UF302",
            f'{len(torn)} of {len(members)} groups lie on several sides of the split. The first: "{first}" '
            f"({', '.join(sorted({sides[i] for i in torn[first]}))}).",
            tuple(dataset.files[index] for indices in torn.values() for index in indices),
            "Scores on groups that were trained on are too good. Give each group one side, or let unfreeze draw the "
            "split, which keeps groups together.",
        )
    ]
