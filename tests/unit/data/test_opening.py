"""Folders as users have them: splits, hidden files, tables beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from unfreeze.data import find_images, open_dataset, split_dataset
from unfreeze.errors import ConfigError, DataError

Maker = Callable[..., Path]


def put(root: Path, *files: str) -> Path:
    """Write a tiny picture, or a file of text, under each name."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif"}:
            Image.new("RGB", (4, 4)).save(path)
        else:
            path.write_text("text", encoding="utf-8")
    return root


class TestClassFolders:
    def test_folders_are_classes_in_alphabetical_order(self, make_image_folder: Maker) -> None:
        dataset = open_dataset(make_image_folder(("dog", "cat"), per_class=2))
        assert dataset.task == "classification"
        assert dataset.outputs == ("cat", "dog")
        assert dataset.files == ("cat/000.png", "cat/001.png", "dog/000.png", "dog/001.png")
        assert dataset.targets.tolist() == [0, 0, 1, 1]
        assert dataset.splits is None
        assert dataset.notes == ()

    def test_a_class_whose_files_have_no_extension_is_not_lost_in_silence(
        self, make_image_folder: Callable[..., Path]
    ) -> None:
        root = make_image_folder(classes=("cat", "dog", "owl"))
        for file in (root / "owl").iterdir():
            file.rename(file.with_suffix(""))
        with pytest.raises(DataError, match=r"No file of the class folder owl has an extension"):
            open_dataset(root)
        (root / "owl" / "one.png").write_bytes((root / "cat" / "000.png").read_bytes())
        assert open_dataset(root).outputs == ("cat", "dog", "owl"), "a picture among them makes it a class, and a note"

    def test_extensions_may_be_in_upper_case_and_names_in_any_script(self, tmp_path: Path) -> None:
        dataset = open_dataset(put(tmp_path, "犬/ポチ.JPG", "chat/élan été.PNG", "chat/b.Jpeg"))
        assert dataset.outputs == ("chat", "犬")
        assert dataset.files == ("chat/b.Jpeg", "chat/élan été.PNG", "犬/ポチ.JPG")

    def test_hidden_and_system_files_are_ignored(self, tmp_path: Path) -> None:
        hidden = (
            ".DS_Store",
            "cat/._a.png",
            "cat/.hidden.png",
            "cat/Thumbs.db",
            "dog/desktop.ini",
            "__MACOSX/cat/a.png",
            "@eaDir/a.png",
            "dog/@eaDir/a.png",
            ".git/x.png",
            ".ipynb_checkpoints/a.png",
            "$RECYCLE.BIN/a.png",
        )
        dataset = open_dataset(put(tmp_path, "cat/a.png", "dog/b.png", *hidden))
        assert dataset.files == ("cat/a.png", "dog/b.png")
        assert dataset.notes == ()

    def test_pictures_in_sub_folders_belong_to_the_class(self, tmp_path: Path) -> None:
        dataset = open_dataset(put(tmp_path, "cat/p1/a.png", "cat/p2/deep/b.png", "dog/c.png"))
        assert [dataset.outputs[i] for i in dataset.targets] == ["cat", "cat", "dog"]

    def test_what_is_left_out_is_noted(self, tmp_path: Path) -> None:
        root = put(tmp_path, "cat/a.png", "dog/b.png", "loose.png", "dog/c.heic", "dog/readme.txt", "LICENSE")
        (root / "empty").mkdir()
        notes = open_dataset(root).notes
        assert "Left out 1 pictures that lie in no class folder: loose.png." in notes
        assert "Left out 2 files whose extension is not a picture's: dog/c.heic, dog/readme.txt." in notes
        assert "Folders without pictures are no classes: empty." in notes

    def test_classes_that_differ_in_case_only_are_noted(self, tmp_path: Path) -> None:
        root = put(tmp_path, "Cat/a.png", "cat/b.png", "dog/c.png")
        if len(list(root.iterdir())) < 3:
            pytest.skip("needs a file system that tells upper from lower case")
        assert any("case only: Cat, cat" in note for note in open_dataset(root).notes)

    def test_run_directories_are_no_classes(self, tmp_path: Path) -> None:
        root = put(tmp_path, "cat/a.png", "dog/b.png", "runs/pets-head-1/run.json", "runs/pets-head-1/evidence/x.png")
        dataset = open_dataset(root)
        assert dataset.outputs == ("cat", "dog")
        assert any("1 run directories: runs/pets-head-1" in note for note in dataset.notes)

    def test_links_are_followed_but_not_in_circles(self, tmp_path: Path) -> None:
        root = put(tmp_path / "data", "cat/a.png")
        put(tmp_path / "elsewhere", "b.png")
        (root / "dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (root / "cat" / "again").symlink_to(root, target_is_directory=True)
        assert open_dataset(root).files == ("cat/a.png", "dog/b.png")

    def test_a_wrapping_folder_is_pointed_out(self, make_image_folder: Maker) -> None:
        root = make_image_folder(name="wrap/pets").parent
        with pytest.raises(DataError, match=r'one folder "pets", which has folders of its own \(cat, dog\)'):
            split_dataset(open_dataset(root))


class TestSplitFolders:
    @pytest.mark.parametrize("val", ["val", "valid", "validation", "VAL"])
    def test_train_val_and_test_are_splits_never_classes(self, tmp_path: Path, val: str) -> None:
        files = [f"{side}/{name}/{i}.png" for side in ("train", val, "Test") for name in ("a", "b") for i in (1, 2)]
        dataset = open_dataset(put(tmp_path, *files))
        assert dataset.outputs == ("a", "b")
        assert dataset.splits is not None
        by_file = dict(zip(dataset.files, dataset.splits, strict=True))
        assert by_file["train/a/1.png"] == "train"
        assert by_file[f"{val}/a/1.png"] == "val"
        assert by_file["Test/b/2.png"] == "test"
        split = split_dataset(dataset)
        assert [len(part) for part in split.sides.values()] == [4, 4, 4]

    def test_a_missing_val_is_drawn_from_train_and_noted(self, tmp_path: Path) -> None:
        files = [f"train/{name}/{i}.png" for name in "ab" for i in range(20)]
        dataset = open_dataset(put(tmp_path, *files, "test/a/x.png", "test/b/y.png"))
        split = split_dataset(dataset)
        assert {dataset.files[i] for i in split.test} == {"test/a/x.png", "test/b/y.png"}
        assert split.val
        assert all(dataset.files[i].startswith("train/") for i in split.val)
        assert any("The data give no val: drawn from train." in note for note in split.notes)

    def test_class_folders_beside_test_are_train(self, tmp_path: Path) -> None:
        dataset = open_dataset(put(tmp_path, "a/1.png", "b/1.png", "test/a/2.png"))
        assert dataset.outputs == ("a", "b")
        assert dataset.splits == ("train", "train", "test")
        assert any("are taken for train" in note for note in dataset.notes)

    def test_folders_beside_train_are_left_out_and_noted(self, tmp_path: Path) -> None:
        dataset = open_dataset(put(tmp_path, "train/a/1.png", "train/b/1.png", "unlabelled/3.png"))
        assert dataset.outputs == ("a", "b")
        assert any("Left out 1 pictures in folders beside the split folders (unlabelled)" in n for n in dataset.notes)

    def test_trap_19_an_empty_split_folder_is_an_error(self, tmp_path: Path) -> None:
        root = put(tmp_path, "train/a/1.png", "train/b/1.png")
        (root / "val" / "a").mkdir(parents=True)
        with pytest.raises(DataError, match="No picture lies in a class folder of val"):
            open_dataset(root)

    def test_trap_19_only_test_is_an_error_when_training(self, tmp_path: Path) -> None:
        dataset = open_dataset(put(tmp_path, "test/a/1.png", "test/b/1.png"))
        with pytest.raises(DataError, match="nothing is left to train on"):
            split_dataset(dataset)


class TestTableInAFolder:
    def test_class_folders_win_over_a_table_beside_them_and_it_is_said(self, make_image_folder: Maker) -> None:
        root = make_image_folder(per_class=2)
        (root / "labels.csv").write_text("file,label\ncat/000.png,other\n", encoding="utf-8")
        dataset = open_dataset(root)
        assert dataset.outputs == ("cat", "dog")
        assert "the table beside them (labels.csv) is not used" in dataset.notes[0]

    def test_a_folder_with_pictures_and_one_table_uses_the_table(self, make_image_table: Maker) -> None:
        table = make_image_table({"label": ["a", "b", "a", "b"]})
        dataset = open_dataset(table.parent)
        assert dataset.root == table.parent
        assert dataset.files[0] == "images/000.png"
        assert dataset.outputs == ("a", "b")

    def test_loose_pictures_and_one_table_use_the_table(self, tmp_path: Path) -> None:
        put(tmp_path, "1.png", "2.png")
        (tmp_path / "t.csv").write_text("file,label\n1.png,a\n2.png,b\n", encoding="utf-8")
        assert open_dataset(tmp_path).outputs == ("a", "b")

    def test_of_several_tables_the_one_with_files_is_used(self, make_image_table: Maker) -> None:
        root = make_image_table({"label": ["a", "b"]}).parent
        (root / "sites.csv").write_text("site,town\n1,Ulm\n", encoding="utf-8")
        assert open_dataset(root).outputs == ("a", "b")
        (root / "more.csv").write_text("file,label\nimages/000.png,x\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"3 tables .* 2 of them with a column"):
            open_dataset(root)

    def test_table_settings_for_class_folders_are_errors_all_at_once(self, make_image_folder: Maker) -> None:
        root = make_image_folder(per_class=2)
        (root / "labels.csv").write_text("file,label,patient\ncat/000.png,other,1\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"3 problems(.|\n)*--task(.|\n)*--target age(.|\n)*--split fold"):
            open_dataset(root, task="regression", target=["age"], split="fold")
        with pytest.raises(ConfigError, match="column of a table that class folders do not use"):
            open_dataset(root, group="patient")


class TestErrors:
    def test_trap_19_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"has no pictures. It has 1 other files: cat/a.heic"):
            open_dataset(put(tmp_path, "cat/a.heic"))

    def test_trap_19_loose_pictures_without_a_table(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no pictures in class folders(.|\n)*a.png"):
            open_dataset(put(tmp_path, "a.png"))

    def test_a_missing_path_is_named_with_the_nearest(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        with pytest.raises(DataError, match='Did you mean "photos"'):
            open_dataset(tmp_path / "photoz")

    def test_a_file_that_is_no_table(self, tmp_path: Path) -> None:
        put(tmp_path, "a.png")
        with pytest.raises(DataError, match=r"ending in \.csv or \.parquet"):
            open_dataset(tmp_path / "a.png")

    def test_an_unknown_task(self, tmp_path: Path) -> None:
        misspelt: Any = "regresion"
        with pytest.raises(ConfigError, match='Did you mean "regression"'):
            open_dataset(tmp_path, task=misspelt)

    def test_images_are_only_found_in_folders(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="not a folder"):
            find_images(tmp_path / "none")
        assert find_images(put(tmp_path, "b.png", "x/a.JPG", ".c.png")) == ("b.png", "x/a.JPG")


class TestRealSets:
    @pytest.mark.parametrize(("name", "n_images", "n_classes"), [("trashnet", 540, 6), ("brain_mri", 800, 4)])
    def test_class_folders(self, shared_data: Path, name: str, n_images: int, n_classes: int) -> None:
        dataset = open_dataset(shared_data / name)
        assert (len(dataset), len(dataset.outputs)) == (n_images, n_classes)
        assert "labels.csv" in dataset.notes[0]
        table = open_dataset(shared_data / name / "labels.csv")
        assert table.files == dataset.files
        assert table.targets.tolist() == dataset.targets.tolist()

    def test_aquarium_is_multilabel_by_its_columns(self, shared_data: Path) -> None:
        dataset = open_dataset(shared_data / "aquarium")
        assert dataset.task == "multilabel"
        assert dataset.outputs == ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray")
        assert dataset.counts["fish"] == 140

    def test_trap_30_aquarium_counts_are_a_regression(self, shared_data: Path) -> None:
        dataset = open_dataset(shared_data / "aquarium" / "labels.csv", target=["count_total"])
        assert dataset.task == "regression"
        assert dataset.targets.shape == (260, 1)

    def test_grocery_is_grouped_by_a_column(self, shared_data: Path) -> None:
        dataset = open_dataset(shared_data / "grocery" / "labels.csv", group="fine_label")
        split = split_dataset(dataset)
        assert dataset.groups is not None
        sides = [{dataset.groups[i] for i in part} for part in split.sides.values()]
        assert len(set.union(*sides)) == sum(map(len, sides))
