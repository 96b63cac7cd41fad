"""Which of many pictures are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unfreeze.advice.sampling import draw_pictures
from unfreeze.data import Dataset


def dataset(targets: Any, task: Any) -> Dataset:
    targets = np.asarray(targets)
    n_outputs = int(targets.max()) + 1 if task == "classification" else targets.shape[1]
    return Dataset(
        root=Path(), files=tuple(map(str, range(len(targets)))), task=task,
        outputs=tuple(map(str, range(n_outputs))), targets=targets,
    )  # fmt: skip


def drawn(data: Dataset, *, most: int, seed: int = 0) -> tuple[int, ...]:
    return draw_pictures(data, range(len(data)), most=most, generator=np.random.default_rng(seed))


def test_few_pictures_are_all_looked_at() -> None:
    assert drawn(dataset([0, 1, 0, 1], "classification"), most=4) == (0, 1, 2, 3)


@pytest.mark.parametrize("seed", range(5))
def test_each_class_has_its_share_and_a_rare_one_at_least_five(seed: int) -> None:
    data = dataset([0] * 6000 + [1] * 3000 + [2] * 6 + [3] * 2, "classification")
    found = drawn(data, most=300, seed=seed)
    assert len(set(found)) == 300
    assert list(found) == sorted(found)
    counts = np.bincount(data.targets[list(found)], minlength=4)
    assert counts[2:].tolist() == [5, 2]
    assert abs(counts[0] - 2 * counts[1]) <= 15


def test_more_classes_than_pictures_to_look_at_have_one_each_as_far_as_they_last() -> None:
    found = drawn(dataset(np.arange(200) % 20, "classification"), most=30)
    assert np.bincount(np.array(found) % 20, minlength=20).min() == 1


def test_no_rare_label_is_lost() -> None:
    targets = np.zeros((4000, 3))
    targets[:2000, 0] = 1
    targets[1990:2000, 1] = 1  # only beside the frequent one
    targets[3999, 2] = 1
    found = list(drawn(dataset(targets, "multilabel"), most=100))
    counts = targets[found].sum(axis=0)
    assert counts[1] >= 5
    assert counts[2] == 1
    assert 35 <= counts[0] <= 65


def test_values_are_drawn_as_they_come_and_the_seed_says_which() -> None:
    data = dataset(np.arange(100.0)[:, None], "regression")
    assert len(drawn(data, most=10)) == 10
    assert drawn(data, most=10) == drawn(data, most=10) != drawn(data, most=10, seed=1)
