from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unfreeze.data import (
    Dataset,
    Fingerprint,
    align_outputs,
    check_trainable,
    dataset_fingerprint,
    drop_unreadable,
    open_dataset,
    scan,
    split_dataset,
)
from unfreeze.errors import DataError


def labelled(classes: str, **more: Any) -> Dataset:
    """Return a dataset of one picture per letter, the letter being its class."""
    outputs = tuple(sorted(set(classes)))
    return Dataset(
        root=Path("pets"),
        files=tuple(f"{name}/{i}.png" for i, name in enumerate(classes)),
        task="classification",
        outputs=more.pop("outputs", outputs),
        targets=np.array([outputs.index(name) for name in classes]),
        **more,
    )


def with_columns(targets: np.ndarray, outputs: tuple[str, ...], task: Any = "multilabel") -> Dataset:
    files = tuple(f"{i}.png" for i in range(len(targets)))
    return Dataset(root=Path("table"), files=files, task=task, outputs=outputs, targets=targets)


def fingerprints(dataset: Dataset, *, unreadable: tuple[int, ...] = ()) -> list[Fingerprint]:
    return [
        Fingerprint(file, f"hash of {file}", error=f'"{file}" is damaged.' if i in unreadable else None)
        for i, file in enumerate(dataset.files)
    ]


class TestDataset:
    def test_targets_cannot_be_written_to(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            labelled("ab").targets[0] = 1

    def test_targets_are_a_copy(self) -> None:
        values = np.zeros((2, 1), dtype=np.float32)
        dataset = with_columns(values, ("wet",))
        values[0] = 1
        assert dataset.targets.sum() == 0

    def test_counts_name_pictures_per_class_label_or_column(self) -> None:
        values = np.array([[1, 0], [1, 1], [0, 0]])
        assert labelled("abb").counts == {"a": 1, "b": 2}
        assert with_columns(values, ("wet", "red")).counts == {"wet": 2, "red": 1}
        assert with_columns(values, ("wet", "red"), "regression").counts == {"wet": 3, "red": 3}

    def test_a_subset_keeps_order_outputs_groups_and_splits(self) -> None:
        dataset = labelled("abc", groups=("x", "y", "z"), splits=("train", "val", "test"))
        part = dataset.subset([2, 0])
        assert part.files == ("c/2.png", "a/0.png")
        assert part.targets.tolist() == [2, 0]
        assert part.outputs == ("a", "b", "c")
        assert part.groups == ("z", "x")
        assert part.splits == ("test", "train")


class TestDropUnreadable:
    def test_nothing_unreadable_changes_nothing(self) -> None:
        dataset = labelled("ab")
        assert drop_unreadable(dataset, fingerprints(dataset), skip=False) is dataset

    def test_unreadable_pictures_are_counted_and_named(self) -> None:
        dataset = labelled("aabb")
        with pytest.raises(DataError, match=r'2 of 4 pictures .*\n.*"a/1.png" is damaged(.|\n)*--skip-unreadable'):
            drop_unreadable(dataset, fingerprints(dataset, unreadable=(1, 2)), skip=False)

    def test_only_the_first_of_many_reasons_are_listed(self) -> None:
        dataset = labelled("a" * 10)
        with pytest.raises(DataError, match="and 4 more"):
            drop_unreadable(dataset, fingerprints(dataset, unreadable=tuple(range(9))), skip=False)

    def test_skipping_goes_on_without_them_and_notes_it(self) -> None:
        dataset = labelled("aabb", groups=("w", "x", "y", "z"))
        rest = drop_unreadable(dataset, fingerprints(dataset, unreadable=(1,)), skip=True)
        assert rest.files == ("a/0.png", "b/2.png", "b/3.png")
        assert rest.groups == ("w", "y", "z")
        assert rest.notes == ("Left out 1 of 4 pictures that cannot be read: a/1.png.",)

    def test_none_readable_is_an_error_even_when_skipping(self) -> None:
        dataset = labelled("ab")
        with pytest.raises(DataError, match="None of the 2 pictures"):
            drop_unreadable(dataset, fingerprints(dataset, unreadable=(0, 1)), skip=True)

    def test_a_given_side_is_not_lost_in_silence(self) -> None:
        dataset = labelled("abab", splits=("train", "train", "val", "val"))
        with pytest.raises(DataError, match="No picture of val can be read"):
            drop_unreadable(dataset, fingerprints(dataset, unreadable=(2, 3)), skip=True)

    def test_a_damaged_file_on_the_disk_is_found(self, image_folder: Path) -> None:
        (image_folder / "cat" / "000.png").write_bytes(b"no picture")
        dataset = open_dataset(image_folder)
        seen = scan(dataset.root, dataset.files)
        with pytest.raises(DataError, match=r"1 of 24 pictures(.|\n)*cat/000\.png"):
            drop_unreadable(dataset, seen, skip=False)
        assert len(drop_unreadable(dataset, seen, skip=True)) == 23


class TestFingerprint:
    def test_it_depends_on_names_contents_and_targets(self) -> None:
        dataset = labelled("aabb")
        base = dataset_fingerprint(dataset, fingerprints(dataset))
        other_target = Dataset(Path("pets"), dataset.files, "classification", dataset.outputs, np.array([0, 1, 1, 1]))
        other_content = [Fingerprint(f.file, f.sha256 + "!") for f in fingerprints(dataset)]
        assert dataset_fingerprint(dataset, fingerprints(dataset)) == base
        assert dataset_fingerprint(other_target, fingerprints(other_target)) != base
        assert dataset_fingerprint(dataset, other_content) != base

    def test_neither_order_nor_place_matter(self) -> None:
        dataset = labelled("aabb")
        turned = dataset.subset([3, 1, 0, 2])
        assert dataset_fingerprint(turned, fingerprints(turned)) == dataset_fingerprint(dataset, fingerprints(dataset))

    def test_names_and_hashes_cannot_run_into_each_other(self) -> None:
        one = with_columns(np.zeros((1, 1)), ("ab",))
        two = with_columns(np.zeros((1, 2)), ("a", "b"))
        assert dataset_fingerprint(one, fingerprints(one)) != dataset_fingerprint(two, fingerprints(two))


class TestAlignOutputs:
    def test_classes_are_counted_as_the_network_counts_them(self) -> None:
        aligned = align_outputs(labelled("bd"), ("a", "b", "c", "d"))
        assert aligned.outputs == ("a", "b", "c", "d")
        assert aligned.targets.tolist() == [1, 3]

    def test_an_unknown_class_is_named_with_the_nearest(self) -> None:
        with pytest.raises(DataError, match=r'catt.*Did you mean "cat"'):
            align_outputs(with_class_names("catt", "dog"), ("cat", "dog"))

    def test_labels_are_reordered_and_foreign_ones_left_out(self) -> None:
        aligned = align_outputs(with_columns(np.array([[1, 0, 0], [0, 0, 1]]), ("x", "y", "z")), ("z", "x"))
        assert aligned.targets.tolist() == [[0, 1], [1, 0]]
        assert aligned.notes == ("Columns that the network does not predict are left out: y.",)

    def test_a_missing_label_is_an_error(self) -> None:
        with pytest.raises(DataError, match="no column for z"):
            align_outputs(with_columns(np.zeros((2, 1)), ("x",)), ("x", "z"))


def with_class_names(*names: str) -> Dataset:
    return Dataset(Path("pets"), tuple(names), "classification", tuple(names), np.arange(len(names)))


class TestCheckTrainable:
    def test_trap_19_no_pictures(self) -> None:
        with pytest.raises(DataError, match="has no pictures"):
            check_trainable(labelled("", outputs=()))

    def test_trap_19_one_class(self) -> None:
        with pytest.raises(DataError, match="at least two classes; all 5 pictures are of a"):
            check_trainable(labelled("aaaaa"))

    def test_trap_19_fewer_pictures_than_classes(self) -> None:
        with pytest.raises(DataError, match="4 of 4 classes have fewer"):
            check_trainable(labelled("abcd"))

    def test_trap_19_a_class_with_fewer_pictures_than_splits_is_named(self) -> None:
        with pytest.raises(DataError, match=r"at least 3 pictures of every class .* 2 of 4 classes.*b \(2\), d \(1\)"):
            check_trainable(labelled("aaabbcccd"))

    def test_trap_19_nothing_given_to_train(self) -> None:
        with pytest.raises(DataError, match="given to test and val: nothing is left to train on"):
            check_trainable(labelled("abab", splits=("test", "val", "test", "val")))

    def test_trap_19_a_class_missing_in_the_given_train_is_named(self) -> None:
        splits = ("train", "train", "val", "test", "val", "test")
        with pytest.raises(DataError, match=r"in train.*c \(0\)"):
            check_trainable(labelled("ababcc", splits=splits))

    def test_given_splits_need_only_one_picture_of_each_class_in_train(self) -> None:
        splits = ("train", "train", "val", "test", "val", "test")
        check_trainable(labelled("ababab", splits=splits))

    def test_trap_19_targets_that_never_vary(self) -> None:
        with pytest.raises(DataError, match="never varies in age"):
            check_trainable(with_columns(np.full((9, 1), 3.5), ("age",), "regression"))
        with pytest.raises(DataError, match="never varies in wet, red"):
            check_trainable(with_columns(np.ones((9, 2)), ("wet", "red")))

    def test_trap_19_fewer_pictures_than_sides(self) -> None:
        with pytest.raises(DataError, match="at least 3 pictures"):
            check_trainable(with_columns(np.array([[1.5], [2.5]]), ("age",), "regression"))

    def test_trap_19_splitting_raises_the_same(self) -> None:
        with pytest.raises(DataError, match="at least two classes"):
            split_dataset(labelled("aaaaa"))
