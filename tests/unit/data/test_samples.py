from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from unfreeze.data import open_dataset
from unfreeze.data.samples import write_solar_cells
from unfreeze.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.png")}


def test_the_classes_are_balanced_and_readable_as_a_data_set(tmp_path: Path) -> None:
    root = write_solar_cells(tmp_path / "cells", n_images=40)
    dataset = open_dataset(root)
    assert dataset.outputs == ("defective", "good")
    assert [int((dataset.targets == k).sum()) for k in range(2)] == [20, 20]
    with Image.open(root / dataset.files[0]) as image:
        assert (image.mode, image.size) == ("L", (300, 300))


def test_the_choice_is_a_pure_function_of_the_seed(tmp_path: Path) -> None:
    first, again, other = (
        names(write_solar_cells(tmp_path / name, n_images=40, seed=seed))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again != other


def test_the_source_and_its_licence_are_named_beside_the_pictures(tmp_path: Path) -> None:
    root = write_solar_cells(tmp_path / "cells", n_images=2)
    assert "CC BY-NC-SA" in (root / "ATTRIBUTION.txt").read_text(encoding="utf-8")


def test_the_same_selection_is_left_as_it_is(tmp_path: Path) -> None:
    root = write_solar_cells(tmp_path / "cells", n_images=4)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    write_solar_cells(root, n_images=4)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_directory_with_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds something else .* --out"):
        write_solar_cells(tmp_path / "cells", n_images=4)
    assert [path.name for path in tmp_path.rglob("*")] == ["cells", "notes.txt"]


@pytest.mark.parametrize("n_images", [0, 3, -2])
def test_a_number_that_cannot_be_balanced_is_an_error(tmp_path: Path, n_images: int) -> None:
    with pytest.raises(DataError, match="even"):
        write_solar_cells(tmp_path / "cells", n_images=n_images)


def test_more_pictures_than_there_are_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="715 defective solar cells, but 1000 were asked for"):
        write_solar_cells(tmp_path / "cells", n_images=2000)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "elpv_dataset", raising=False)
    with pytest.raises(DataError, match=r"pip install 'unfreeze\[demo\]'"):
        write_solar_cells(tmp_path / "cells")
