"""Which pictures files, folders and globs name: in a stable order, each once, found anew each time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfreeze.data import find_images
from unfreeze.data.listing import list_folder
from unfreeze.errors import DataError
from unfreeze.predicting import PictureFiles

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_of(files: PictureFiles, root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


def test_a_folder_is_walked_through_in_the_order_of_the_names(tmp_path: Path) -> None:
    put(tmp_path, "a/c.png", "a-b.png", "a.png", "a/b/z.png", "b.txt", ".h/x.png", "a/b.png", "ä,\n1.jpg")
    files = PictureFiles([tmp_path])
    expected = ["a-b.png", "a.png", "a/b.png", "a/b/z.png", "a/c.png", "ä,\n1.jpg"]
    assert names_of(files, tmp_path) == expected == sorted(expected)
    assert names_of(files, tmp_path) == expected, "the same again"
    assert files.count() == 6


@given(st.lists(st.lists(st.sampled_from(["a", "a-", "a.", "b", "A", "a "]), min_size=1, max_size=3), max_size=6))
def test_the_order_is_that_of_sorted_names(tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]) -> None:
    root = put(tmp_path_factory.mktemp("walk"), *("/".join(f"{part}d" for part in path) + ".png" for path in paths))
    found = find_images(root)
    assert list(found) == sorted(found)
    assert found == list_folder(root).pictures


def test_what_is_named_twice_comes_once_where_it_was_named_first(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/2.png", "b/3.png", "b/note.txt")
    given_paths = [tmp_path / "a" / "2.png", tmp_path, str(tmp_path / "b" / "*")]
    files = PictureFiles(given_paths)
    assert names_of(files, tmp_path) == ["a/2.png", "a/1.png", "b/3.png", "b/note.txt"], "a glob's files are meant"


def test_what_names_no_picture_is_an_error_and_all_are_listed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r'empty": no pictures in this folder; "none.png": no such file'):
        PictureFiles([tmp_path / "empty", "none.png"])
    with pytest.raises(DataError, match="but got nothing"):
        PictureFiles([])


def test_folders_that_a_glob_names_are_searched_like_those_in_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "data/cat/1.png", "data/cat/deep/2.png", "data/dog/3.png", "data/0.png", "data/note.txt")
    put(tmp_path, "data/@eaDir/thumb.png", "data/run/run.json", "data/run/evidence/4.jpg", "data/empty/note.txt")
    files = PictureFiles([f"{tmp_path}/data/*"])
    expected = ["data/0.png", "data/cat/1.png", "data/cat/deep/2.png", "data/dog/3.png", "data/note.txt"]
    assert names_of(files, tmp_path) == expected
    assert files.count() == 5
    assert names_of(PictureFiles([f"{tmp_path}/data/[cd]*"]), tmp_path) == expected[1:4]
    with pytest.raises(DataError, match=r'empt\*": no pictures in the folders that it names'):
        PictureFiles([f"{tmp_path}/data/empt*"])


def test_a_picture_comes_once_in_whichever_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "photos/a/1.png", "photos/2.png", "other/3.png")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    (tmp_path / "other" / "4.png").symlink_to(tmp_path / "other" / "3.png")
    monkeypatch.chdir(tmp_path)
    given_paths = ["photos", tmp_path / "photos", "other/../photos/a/1.png", "link", "link/a/*", "other"]
    files = PictureFiles(given_paths)
    assert list(map(str, files)) == ["photos/2.png", "photos/a/1.png", "other/3.png", "other/4.png"]
    assert files.count() == 4


def test_names_that_are_no_text_are_passed_on_and_only_a_folder_given_by_one_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode(b"caf\xe9")
    put(tmp_path, "a/1.png", "a/" + os.fsdecode(b"\xff.png"), "a/z.png")
    put(strange, "2.png")
    assert len(names_of(PictureFiles([tmp_path / "a"]), tmp_path)) == 3
    assert PictureFiles([tmp_path]).count() == 4
    with pytest.raises(DataError, match=r'none": no such file; ".*caf\\xe9": its path is not valid UTF-8; rename'):
        PictureFiles([tmp_path / "none", strange])
    with pytest.raises(DataError, match="not valid UTF-8"):
        list_folder(tmp_path / "a")
