from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unfreeze.data import Dataset, Split, near_duplicates, open_dataset, scan, split_dataset
from unfreeze.errors import DataError

Maker = Callable[..., Path]


def labelled(targets: Sequence[int], **more: Any) -> Dataset:
    n_classes = max(targets) + 1
    files = more.pop("files", None) or tuple(f"class{target}/{i:04d}.png" for i, target in enumerate(targets))
    return Dataset(
        root=Path("data"),
        files=files,
        task="classification",
        outputs=tuple(f"class{i}" for i in range(n_classes)),
        targets=np.array(targets),
        **more,
    )


def columns(targets: np.ndarray, task: Any) -> Dataset:
    files = tuple(f"{i:04d}.png" for i in range(len(targets)))
    outputs = tuple(f"column{i}" for i in range(targets.shape[1]))
    return Dataset(root=Path("data"), files=files, task=task, outputs=outputs, targets=targets)


def side_of(split: Split) -> dict[int, str]:
    return {index: side for side, part in split.sides.items() for index in part}


def assert_partition(split: Split, n: int) -> None:
    assert sorted([*split.train, *split.val, *split.test]) == list(range(n))


@st.composite
def class_lists(draw: st.DrawFn) -> list[int]:
    counts = draw(st.lists(st.integers(3, 30), min_size=2, max_size=6))
    return [label for label, count in enumerate(counts) for _ in range(count)]


class TestClasses:
    @given(targets=class_lists(), seed=st.integers(0, 2**32))
    @settings(max_examples=60, deadline=None)
    def test_sides_partition_the_pictures_and_each_has_every_class(self, targets: list[int], seed: int) -> None:
        dataset = labelled(targets)
        split = split_dataset(dataset, seed=seed)
        assert_partition(split, len(targets))
        for part in split.sides.values():
            assert {targets[i] for i in part} == set(targets)
        assert not any("have no picture" in note for note in split.notes)

    def test_shares_are_70_15_15_on_average(self) -> None:
        split = split_dataset(labelled([0, 1] * 5000))
        assert [len(part) / 10_000 for part in split.sides.values()] == pytest.approx([0.7, 0.15, 0.15], abs=0.015)
        assert split.notes == ()
        assert split.moved == ()

    def test_three_pictures_of_each_class_go_one_to_each_side(self) -> None:
        split = split_dataset(labelled([0, 0, 0, 1, 1, 1]))
        assert [len(part) for part in split.sides.values()] == [2, 2, 2]

    def test_a_repair_is_said(self) -> None:
        dataset = labelled([0, 0, 0, 1, 1, 1])
        split = split_dataset(dataset)
        assert split.moved
        assert any(
            note.startswith(f"Repaired: {len(split.moved)} picture") and "every class is on every side" in note
            for note in split.notes
        )

    @given(seed=st.integers(0, 1000))
    @settings(max_examples=20, deadline=None)
    def test_the_same_seed_gives_the_same_split(self, seed: int) -> None:
        dataset = labelled([0, 1] * 20)
        assert split_dataset(dataset, seed=seed) == split_dataset(dataset, seed=seed)

    def test_another_seed_gives_another_split(self) -> None:
        dataset = labelled([0, 1] * 50)
        assert split_dataset(dataset, seed=0).sha256 != split_dataset(dataset, seed=1).sha256

    def test_the_hash_is_of_sides_and_names_not_of_their_order(self) -> None:
        dataset = labelled([0, 1] * 50)
        turned = dataset.subset(list(range(99, -1, -1)))
        assert split_dataset(dataset).sha256 == split_dataset(turned).sha256


class TestStability:
    @given(targets=class_lists(), new=class_lists(), seed=st.integers(0, 100))
    @settings(max_examples=60, deadline=None)
    def test_adding_files_leaves_old_ones_where_they_were_unless_repaired(
        self, targets: list[int], new: list[int], seed: int
    ) -> None:
        old = labelled(targets)
        added = labelled([*targets, *new], files=(*old.files, *(f"new/{i}.png" for i in range(len(new)))))
        before, after = split_dataset(old, seed=seed), split_dataset(added, seed=seed)
        was, now = side_of(before), side_of(after)
        repaired = {*before.moved, *after.moved}
        assert all(was[i] == now[i] for i in range(len(targets)) if i not in repaired)

    def test_groups_stay_where_they_were_when_they_grow(self) -> None:
        groups = [f"p{i // 5:03d}" for i in range(400)]
        old = labelled([0, 1] * 200, groups=tuple(groups))
        files = (*old.files, *(f"new/{i}.png" for i in range(100)))
        grown = labelled([0, 1] * 250, files=files, groups=(*groups, *(f"p{i:03d}" for i in range(60, 160))))
        was, now = side_of(split_dataset(old)), side_of(split_dataset(grown))
        assert all(was[i] == now[i] for i in range(400))

    def test_a_later_near_duplicate_follows_the_picture_that_was_there(self) -> None:
        old = labelled([0, 1] * 100)
        grown = labelled([0, 1] * 100 + [0] * 10, files=(*old.files, *(f"new/{i}.png" for i in range(10))))
        clusters = [(2 * i, 200 + i) for i in range(10)]
        was, now = side_of(split_dataset(old)), side_of(split_dataset(grown, clusters=clusters))
        assert all(was[i] == now[i] for i in range(200))
        assert all(now[a] == now[b] for a, b in clusters)


class TestTrap18:
    @given(
        n_groups=st.integers(3, 40),
        sizes=st.integers(1, 8),
        seed=st.integers(0, 100),
        links=st.lists(st.tuples(st.integers(0, 319), st.integers(0, 319)), max_size=10),
    )
    @settings(max_examples=60, deadline=None)
    def test_trap_18_groups_and_clusters_are_never_torn(
        self, n_groups: int, sizes: int, seed: int, links: list[tuple[int, int]]
    ) -> None:
        n = max(n_groups * sizes, 6)
        groups = tuple(f"p{i % n_groups}" for i in range(n))
        clusters = [(a % n, b % n) for a, b in links]
        dataset = labelled([i // n_groups % 2 if sizes > 1 else i % 2 for i in range(n)], groups=groups)
        try:
            split = split_dataset(dataset, clusters=clusters, seed=seed)
        except DataError as error:
            assert "form only" in str(error) or "fewer" in str(error) or "two classes" in str(error)  # noqa: PT017
            return
        assert_partition(split, n)
        sides = side_of(split)
        for group in set(groups):
            assert len({sides[i] for i in range(n) if groups[i] == group}) == 1
        assert all(sides[a] == sides[b] for a, b in clusters)

    def test_trap_18_a_cluster_joins_the_groups_it_links(self) -> None:
        dataset = labelled([0, 1] * 30, groups=tuple(f"p{i // 6}" for i in range(60)))
        sides = side_of(split_dataset(dataset, clusters=[(0, 59), (59, 30)]))
        joined = [*range(6), *range(54, 60), *range(30, 36)]
        assert len({sides[i] for i in joined}) == 1

    def test_trap_18_too_few_groups_is_an_error(self) -> None:
        dataset = labelled([0, 1] * 30, groups=tuple(f"p{i % 2}" for i in range(60)))
        with pytest.raises(DataError, match=r"form only 2 groups .* 3 are needed for train, val, test"):
            split_dataset(dataset)

    def test_trap_18_a_class_of_two_groups_is_learned_and_its_absence_noted(self) -> None:
        targets = [0] * 40 + [1] * 10
        groups = tuple([f"a{i // 4}" for i in range(40)] + [f"b{i // 5}" for i in range(10)])
        dataset = labelled(targets, groups=groups)
        for seed in range(20):
            split = split_dataset(dataset, seed=seed)
            assert 1 in {targets[i] for i in split.train}
            assert sum(note.startswith("1 classes have no picture in") for note in split.notes) == 1

    def test_trap_18_copied_pictures_stay_together(self, make_image_folder: Maker) -> None:
        root = make_image_folder(per_class=15)
        for i in range(15):
            for copy in range(3):
                (root / "cat" / f"copy{copy}-{i:03d}.png").write_bytes((root / "cat" / f"{i:03d}.png").read_bytes())
        dataset = open_dataset(root)
        clusters = near_duplicates(scan(dataset.root, dataset.files))
        sides = side_of(split_dataset(dataset, clusters=clusters))
        for i in range(15):
            copies = [
                j for j, file in enumerate(dataset.files) if file.startswith("cat/") and file[-7:-4] == f"{i:03d}"
            ]
            assert len(copies) == 4
            assert len({sides[j] for j in copies}) == 1

    @pytest.mark.slow
    def test_trap_18_real_duplicates_stay_together(self, shared_data: Path) -> None:
        dataset = open_dataset(shared_data / "brain_mri")
        clusters = near_duplicates(scan(dataset.root, dataset.files))
        split = split_dataset(dataset, clusters=clusters)
        sides = side_of(split)
        assert clusters
        assert all(len({sides[i] for i in cluster}) == 1 for cluster in clusters)


class TestFewLargeGroups:
    @given(seed=st.integers(0, 500))
    @settings(max_examples=40, deadline=None)
    def test_train_holds_at_least_half_where_it_can(self, seed: int) -> None:
        groups = tuple(f"patient{i // 20}" for i in range(120))
        dataset = labelled([0, 1] * 60, groups=groups)
        split = split_dataset(dataset, seed=seed)
        assert len(split.train) >= 60
        assert split.val
        assert split.test

    def test_one_giant_group_goes_to_train(self) -> None:
        groups = tuple(["giant"] * 100 + [f"p{i}" for i in range(20)])
        dataset = labelled([0, 1] * 60, groups=groups)
        for seed in range(30):
            split = split_dataset(dataset, seed=seed)
            assert set(range(100)) <= set(split.train)


class TestGivenSides:
    def test_given_sides_are_kept(self) -> None:
        splits = ("train", "val", "test", "test", "train", "val")
        split = split_dataset(labelled([0, 0, 0, 1, 1, 1], splits=splits))
        assert (split.train, split.val, split.test) == ((0, 4), (1, 5), (2, 3))
        assert split.notes == ()

    @pytest.mark.parametrize(("given", "drawn"), [("test", "val"), ("val", "test")])
    def test_a_missing_side_is_drawn_from_train(self, given: str, drawn: str) -> None:
        dataset = labelled([0, 1] * 30, splits=tuple(["train"] * 50 + [given] * 10))
        split = split_dataset(dataset)
        assert split.sides[given] == tuple(range(50, 60))
        assert split.sides[drawn]
        assert split.notes[0] == f"The data give no {drawn}: drawn from train."

    def test_only_train_given_is_split_as_if_nothing_was(self) -> None:
        plain, given_ = labelled([0, 1] * 30), labelled([0, 1] * 30, splits=("train",) * 60)
        assert split_dataset(plain).sha256 == split_dataset(given_).sha256
        assert split_dataset(given_).notes[0] == "The data give no val and no test: drawn from train."

    def test_a_class_missing_from_a_given_side_is_noted(self) -> None:
        splits = ("train", "val", "test", "train", "val", "train")
        split = split_dataset(labelled([0, 0, 0, 1, 1, 1], splits=splits))
        assert split.notes == ("1 classes have no picture in test: class1.",)

    def test_trap_18_groups_and_duplicates_across_given_sides_are_noted(self) -> None:
        splits = ("train", "val", "test") * 4
        dataset = labelled([0, 0, 0, 1, 1, 1] * 2, splits=splits, groups=("p",) * 2 + tuple("abcdefghij"))
        notes = split_dataset(dataset, clusters=[(3, 4), (6, 9)]).notes
        assert any(note.startswith("1 groups lie on several sides") for note in notes)
        assert any(note.startswith("1 clusters of near-duplicates lie on several sides") for note in notes)


class TestOtherTasks:
    @given(data=st.data(), n=st.integers(12, 60), seed=st.integers(0, 50))
    @settings(max_examples=60, deadline=None)
    def test_every_label_with_three_positives_is_on_each_side(self, data: st.DataObject, n: int, seed: int) -> None:
        k = data.draw(st.integers(1, 4))
        bits = data.draw(st.lists(st.booleans(), min_size=n * k, max_size=n * k))
        targets = np.array(bits, dtype=np.float32).reshape(n, k)
        targets[0], targets[1] = 0, 1
        dataset = columns(targets, "multilabel")
        split = split_dataset(dataset, seed=seed)
        assert_partition(split, n)
        assert all(split.sides.values())
        for label in np.flatnonzero(targets.sum(axis=0) >= 3 * k):
            assert all(targets[list(part), label].any() for part in split.sides.values())

    def test_a_label_with_one_positive_is_in_train_and_its_absence_noted(self) -> None:
        targets = np.zeros((40, 2), dtype=np.float32)
        targets[::2, 0] = 1
        targets[7, 1] = 1
        for seed in range(20):
            split = split_dataset(columns(targets, "multilabel"), seed=seed)
            assert 7 in split.train
            assert "1 labels have no picture in val: column1." in split.notes

    @given(n=st.integers(6, 40), seed=st.integers(0, 50))
    @settings(max_examples=40, deadline=None)
    def test_regression_has_high_and_low_values_on_each_side(self, n: int, seed: int) -> None:
        values = np.arange(n, dtype=np.float32)[:, None]
        split = split_dataset(columns(values, "regression"), seed=seed)
        assert_partition(split, n)
        for part in split.sides.values():
            assert {bool(values[i, 0] > np.median(values)) for i in part} == {True, False}

    def test_three_pictures_can_be_regressed(self) -> None:
        split = split_dataset(columns(np.array([[1.0], [2.0], [3.0]]), "regression"))
        assert [len(part) for part in split.sides.values()] == [1, 1, 1]


@pytest.mark.parametrize("name", ["trashnet", "grocery", "aquarium"])
def test_real_sets_are_split_near_70_15_15(shared_data: Path, name: str) -> None:
    dataset = open_dataset(shared_data / name)
    split = split_dataset(dataset)
    assert_partition(split, len(dataset))
    shares = [len(part) / len(dataset) for part in split.sides.values()]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.05)
