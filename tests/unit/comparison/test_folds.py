from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unfreeze.comparison import Folds, divide_folds
from unfreeze.data import Dataset
from unfreeze.errors import ConfigError, DataError


def labelled(targets: Sequence[int], **more: Any) -> Dataset:
    return Dataset(
        root=Path("data"),
        files=more.pop("files", None) or tuple(f"{i:04d}.png" for i in range(len(targets))),
        task="classification",
        outputs=tuple(f"class{i}" for i in range(max(targets) + 1)),
        targets=np.array(targets),
        **more,
    )


def columns(targets: np.ndarray, task: Any) -> Dataset:
    outputs = tuple(f"column{i}" for i in range(targets.shape[1]))
    files = tuple(f"{i:04d}.png" for i in range(len(targets)))
    return Dataset(root=Path("data"), files=files, task=task, outputs=outputs, targets=targets)


def named(folds: Folds, dataset: Dataset) -> list[set[str]]:
    return [{dataset.files[i] for i in part} for part in folds.parts]


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=6), n_folds=st.integers(2, 4), seed=st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None)
def test_folds_partition_the_pictures_and_each_class_is_spread_to_within_one(
    counts: list[int], n_folds: int, seed: int
) -> None:
    targets = np.array([label for label, count in enumerate(counts) for _ in range(count)])
    folds = divide_folds(labelled(targets.tolist()), n_folds=n_folds, seed=seed)
    assert sorted(i for part in folds.parts for i in part) == list(range(len(targets)))
    assert folds.notes == ()
    for label in range(len(counts)):
        held = [int((targets[list(part)] == label).sum()) for part in folds.parts]
        assert max(held) - min(held) <= 1
    sizes = [len(part) for part in folds.parts]
    assert max(sizes) - min(sizes) <= len(counts)


@given(
    labels=st.lists(st.integers(0, 2), min_size=30, max_size=80),
    n_groups=st.integers(5, 12),
    clusters=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_groups_and_near_duplicates_are_held_out_together(
    labels: list[int], n_groups: int, clusters: list[tuple[int, int]]
) -> None:
    dataset = labelled([*labels, 0, 1, 2], groups=tuple(f"patient {i % n_groups}" for i in range(len(labels) + 3)))
    try:
        folds = divide_folds(dataset, n_folds=3, clusters=clusters)
    except DataError:
        return  # the near-duplicates joined nearly all groups
    fold_of = {i: number for number, part in enumerate(folds.parts) for i in part}
    assert dataset.groups is not None
    for group in set(dataset.groups):
        assert len({fold_of[i] for i, name in enumerate(dataset.groups) if name == group}) == 1
    assert all(fold_of[a] == fold_of[b] for a, b in clusters)


def test_classes_are_balanced_over_folds_also_in_groups_of_many_sizes() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, 90)
    targets = np.repeat(rng.choice(3, 90, p=[0.6, 0.3, 0.1]), sizes)
    dataset = labelled(targets.tolist(), groups=tuple(f"item {i}" for i in np.repeat(np.arange(90), sizes)))
    folds = divide_folds(dataset, n_folds=5)
    for label in range(3):
        held = [int((targets[list(part)] == label).sum()) for part in folds.parts]
        assert max(held) - min(held) <= 4
    assert max(map(len, folds.parts)) - min(map(len, folds.parts)) <= 6


def test_folds_depend_on_seed_and_names_not_on_the_order_of_files() -> None:
    rng = np.random.default_rng(0)
    dataset = labelled(rng.integers(0, 3, 60).tolist())
    order = rng.permutation(60)
    shuffled = replace(dataset, files=tuple(dataset.files[i] for i in order), targets=dataset.targets[order])
    assert named(divide_folds(dataset, n_folds=4), dataset) == named(divide_folds(shuffled, n_folds=4), shuffled)
    assert divide_folds(dataset, n_folds=4) == divide_folds(dataset, n_folds=4)
    assert divide_folds(dataset, n_folds=4) != divide_folds(dataset, n_folds=4, seed=1)


def test_rare_labels_and_high_values_are_spread_too() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 3)) < [0.5, 0.2, 0.05]).astype(np.float32)
    for part in divide_folds(columns(labels, "multilabel"), n_folds=4).parts:
        assert labels[list(part)].sum(axis=0) == pytest.approx(labels.sum(axis=0) / 4, abs=3)
    values = rng.normal(size=(200, 1)).astype(np.float32)
    for part in divide_folds(columns(values, "regression"), n_folds=4).parts:
        assert (values[list(part)] > np.median(values)).mean() == pytest.approx(0.5, abs=0.03)


def test_only_the_pictures_that_are_asked_for_are_divided() -> None:
    folds = divide_folds(labelled([0, 1] * 20), n_folds=3, among=range(5, 25))
    assert sorted(i for part in folds.parts for i in part) == list(range(5, 25))
    assert sorted([*folds.training(1), *folds.parts[1]]) == list(range(5, 25))


def test_a_class_in_one_picture_is_named() -> None:
    assert divide_folds(labelled([0, 1] * 6 + [2]), n_folds=2).notes == (
        "1 class lies in one picture or group only, and cannot be learned while it is held out: class2.",
    )


def test_too_few_groups_or_folds_are_refused() -> None:
    dataset = labelled([0, 1] * 6, groups=("a", "b", "c") * 4)
    with pytest.raises(DataError, match=r"12 pictures form only 3 groups.* but 4 folds"):
        divide_folds(dataset, n_folds=4)
    with pytest.raises(ConfigError, match=r"--folds 1: .* at least 2"):
        divide_folds(dataset, n_folds=1)
