"""Class folders on disk: what is read, and what each change leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unfreeze.errors import ConfigError, NoSuchClassError, NoSuchPictureError
from unfreeze.teaching.folder import REMOVED, ClassFolders

MakeFolder = Callable[..., Path]


def test_a_new_folder_is_made_and_empty(tmp_path: Path) -> None:
    folders = ClassFolders(tmp_path / "deep" / "new")
    assert folders.read().classes == ()
    assert folders.read().layout.files == ()


def test_classes_are_filled_folders_and_wholly_empty_ones(image_folder: Path) -> None:
    (image_folder / "new").mkdir()
    (image_folder / "papers").mkdir()
    (image_folder / "papers" / "read.me").write_text("no picture")
    (image_folder / "runs" / "a").mkdir(parents=True)
    (image_folder / "runs" / "a" / "run.json").write_text("{}")
    (image_folder / ".hidden").mkdir()
    assert ClassFolders(image_folder).read().classes == ("cat", "dog", "new")


@pytest.mark.parametrize("name", ["train", "Test", "valid"])
def test_a_folder_that_is_split_is_refused(image_folder: Path, name: str) -> None:
    (image_folder / name).mkdir()
    with pytest.raises(ConfigError, match="divided by folders"):
        ClassFolders(image_folder)


def test_a_table_a_file_and_a_run_are_refused(make_image_table: Callable[..., Path], tmp_path: Path) -> None:
    table = make_image_table({"label": ["a", "b"]})
    for picture in (table.parent / "images").iterdir():
        picture.rename(table.parent / picture.name)
    with pytest.raises(ConfigError, match="has a table"):
        ClassFolders(table.parent)
    with pytest.raises(ConfigError, match="is a file"):
        ClassFolders(table)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a run"):
        ClassFolders(tmp_path / "run")


def test_a_picture_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    folders = ClassFolders(tmp_path)
    folders.add_class("cup")
    assert folders.add_picture("cup", "ab.png", b"bytes") == "cup/ab.png"
    assert [path.name for path in (tmp_path / "cup").iterdir()] == ["ab.png"]
    assert (tmp_path / "cup" / "ab.png").read_bytes() == b"bytes"


@pytest.mark.parametrize("name", ["..", "../elsewhere", ".", "", "/etc", ".hidden", "cup/deep"])
def test_no_path_passes_for_a_class(tmp_path: Path, name: str) -> None:
    root = tmp_path / "lesson"
    folders = ClassFolders(root)
    (tmp_path / "elsewhere").mkdir()
    (root / "cup" / "deep").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for change in (
        lambda: folders.add_picture(name, "ab.png", b"bytes"),
        lambda: folders.remove_class(name),
        lambda: folders.rename_class(name, "pen"),
    ):
        with pytest.raises(NoSuchClassError, match="There is no class"):
            change()
    assert not list(tmp_path.rglob("ab.png"))


def test_what_is_removed_can_be_put_back_by_hand(image_folder: Path) -> None:
    folders = ClassFolders(image_folder)
    before = (image_folder / "cat" / "000.png").read_bytes()
    folders.remove_picture("cat/000.png")
    folders.remove_class("dog")
    assert (image_folder / REMOVED / "cat" / "000.png").read_bytes() == before
    assert len(list((image_folder / REMOVED / "dog").iterdir())) == 12
    assert folders.read().classes == ("cat",)
    assert len(folders.read().layout.files) == 11


def test_removed_twice_under_one_name_loses_nothing(image_folder: Path) -> None:
    folders = ClassFolders(image_folder)
    folders.remove_picture("cat/000.png")
    (image_folder / "cat" / "001.png").rename(image_folder / "cat" / "000.png")
    folders.remove_picture("cat/000.png")
    assert len(list((image_folder / REMOVED / "cat").iterdir())) == 2


def test_removing_what_is_gone_says_so(image_folder: Path) -> None:
    folders = ClassFolders(image_folder)
    (image_folder / "cat" / "000.png").unlink()
    with pytest.raises(NoSuchPictureError, match="not there any more"):
        folders.remove_picture("cat/000.png")


def test_renaming_moves_the_folder_and_never_onto_another(image_folder: Path) -> None:
    folders = ClassFolders(image_folder)
    assert folders.rename_class("cat", " tiger ") == "tiger"
    assert folders.read().classes == ("dog", "tiger")
    with pytest.raises(ConfigError, match="there is one"):
        folders.rename_class("tiger", "dog")
    assert folders.rename_class("dog", "Dog") == "Dog"
    assert folders.rename_class("Dog", "Dog") == "Dog"
