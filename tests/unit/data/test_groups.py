from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unfreeze.data import open_dataset
from unfreeze.data.groups import group_by_parent, group_by_pattern
from unfreeze.errors import ConfigError


class TestParent:
    def test_the_same_patient_under_two_classes_is_one_group(self, tmp_path: Path) -> None:
        for name in ("ill/p1/a.png", "well/p1/b.png", "well/p2/c.png", "well/alone.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4)).save(tmp_path / name)
        dataset = open_dataset(tmp_path, group="parent")
        assert dataset.groups is not None
        assert dict(zip(dataset.files, dataset.groups, strict=True)) == {
            "ill/p1/a.png": "p1",
            "well/alone.png": "well/alone.png",
            "well/p1/b.png": "p1",
            "well/p2/c.png": "p2",
        }
        assert "Grouped by sub-folder: 3 groups, each wholly on one side of the split." in dataset.notes

    def test_no_sub_folders_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="needs sub-folders below the class folders"):
            group_by_parent(["a/1.png", "b/1.png"], ["", ""])


class TestPattern:
    def test_the_first_capture_group_or_the_whole_match_counts(self) -> None:
        files = ["a/p01_x.png", "b/p01_y.png", "b/p02_x.png"]
        assert group_by_pattern(files, r"(p\d+)_(.)") == ("p01", "p01", "p02")
        assert group_by_pattern(files, r"p\d+") == ("p01", "p01", "p02")

    def test_the_path_is_searched_only_by_a_pattern_with_a_slash(self) -> None:
        files = ["a/s1/1.png", "a/s2/1.png"]
        assert group_by_pattern(files, r"/(s\d)/") == ("s1", "s2")
        with pytest.raises(ConfigError, match="0 of 2"):
            group_by_pattern(files, r"s\d")

    def test_pictures_that_do_not_match_are_named(self) -> None:
        with pytest.raises(ConfigError, match=r"file names of 1 of 2 .*Not matched: b.png"):
            group_by_pattern(["p1.png", "b.png"], r"p\d")

    def test_a_malformed_pattern(self) -> None:
        with pytest.raises(ConfigError, match="not a regular expression"):
            group_by_pattern(["a.png"], "(")

    def test_one_group_for_all_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match='all 2 pictures into one group \\("p"\\)'):
            group_by_pattern(["p1.png", "p2.png"], "p")
