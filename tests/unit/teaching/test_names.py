"""What a class and a picture's file may be called."""

from __future__ import annotations

import re

import pytest

from unfreeze.data.groups import group_by_pattern
from unfreeze.errors import ConfigError, DataError
from unfreeze.teaching.names import RECORDINGS, check_class_name, check_recording, is_recorded, picture_name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        ".",
        "..",
        "../up",
        "a/b",
        "a\\b",
        "C:",
        "/etc",
        "a\0b",
        "a\nb",
        ".hidden",
        ".removed",
        "__MACOSX",
        "Thumbs.db",
        "train",
        "Val",
        "validation",
        "TEST",
        "con",
        "NUL.txt",
        "lpt1",
        "ends.",
        "what?",
        "\u202eevil",
        "x" * 201,
        "ü" * 101,
    ],
)
def test_names_that_are_no_folder_everywhere_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="A class cannot be called"):
        check_class_name(name)


@pytest.mark.parametrize("name", ["cup", "coffee mug", "Äpfel", "猫", "train station", "v1.2", "c++", "😀"])
def test_ordinary_names_are_kept(name: str) -> None:
    assert check_class_name(name) == name


def test_a_name_is_trimmed_and_composed() -> None:
    assert check_class_name("  A\u0308pfel ") == "Äpfel"


@pytest.mark.parametrize("other", ["cup", "CUP"])
def test_a_name_that_another_class_has_is_refused_in_any_case(other: str) -> None:
    with pytest.raises(ConfigError, match=r"case only|there is one"):
        check_class_name("cup", [other])


def test_pictures_are_named_by_content_and_recording() -> None:
    assert picture_name("ab" * 32, "PNG") == "abababababababab.png"
    recorded = picture_name("ab" * 32, "JPEG", "0123abcd")
    assert recorded == "recording-0123abcd-abababababababab.jpg"
    assert is_recorded(f"cup/{recorded}")
    assert not is_recorded("recording-0123abcd-x/abababababababab.jpg")


def test_a_format_without_an_extension_of_its_own_is_refused() -> None:
    with pytest.raises(DataError, match="convert it"):
        picture_name("ab" * 32, "EPS")


@pytest.mark.parametrize("recording", ["", "0123abc", "0123ABCD", "../../ab", "0123abcd/"])
def test_a_recording_is_named_by_digits_alone(recording: str) -> None:
    with pytest.raises(ConfigError, match="eight hexadecimal"):
        check_recording(recording)


def test_frames_of_a_recording_are_one_group_and_other_pictures_their_own() -> None:
    files = (
        "cup/recording-0123abcd-1.jpg",
        "cup/recording-0123abcd-2.jpg",
        "cup/recording-ffff0000-3.jpg",
        "pen/recording-0123abcd-4.jpg",
        "cup/001.png",
        "pen/001.png",
    )
    groups = group_by_pattern(files, RECORDINGS)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5
    assert all(re.search(RECORDINGS, file) for file in files)
