"""A heat map of each picture that can be read, under a name that no other picture has."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from unfreeze.errors import ConfigError, InterruptedRunError
from unfreeze.evaluation.drawing import draw_heat_map
from unfreeze.predicting import PictureFiles, Predictor, Tally, predict_rows, predict_table
from unfreeze.predicting.heat_maps import heat_map_name

if TYPE_CHECKING:
    from pathlib import Path


def test_each_picture_has_one_and_none_replaces_another(
    predictor: Predictor, pictures: Path, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("captum")
    for folder in ("a", "b"):  # the same names again
        (pictures / folder).mkdir()
        shutil.copy(pictures / "00.png", pictures / folder / "00.png")
    files, heat = PictureFiles([pictures]), tmp_path / "heat"
    rows = list(predict_rows(predictor, files, Tally(), heat_maps=heat))
    expected = {
        f"{number:07d}-{file.stem}.png"
        for number, (file, row) in enumerate(zip(files, rows, strict=True), 1)
        if row["error"] is None
    }
    assert len(expected) == 19
    assert {path.name for path in heat.iterdir()} == expected
    with Image.open(heat / "0000001-00.png") as image:
        assert image.size == (32, 32)

    def stop(tally: Tally) -> None:
        if tally.n == 3:
            raise KeyboardInterrupt

    out, again = tmp_path / "p.csv", tmp_path / "again"
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, heat_maps=again, watch=stop)
    predict_table(predictor, run, files, out, heat_maps=again, resume=True)
    assert {path.name for path in again.iterdir()} == expected, "numbers go on where they were"


def test_a_drawing_is_the_view_with_colour_where_the_network_looked() -> None:
    view = np.full((3, 8, 8), 100, dtype=np.uint8)
    values = np.zeros((2, 2), dtype=np.float32)
    values[0, 0] = 1
    drawn = np.asarray(draw_heat_map(view, values), dtype=int)
    assert np.abs(drawn[0, 0] - 100).sum() > 100
    assert np.abs(drawn[-1, -1] - 100).sum() < 10
    assert (np.asarray(draw_heat_map(view, None)) == 100).all()


def test_without_captum_nothing_is_begun(
    predictor: Predictor, pictures: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unfreeze.predicting.destinations.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"unfreeze\[evidence\]"):
        predict_table(predictor, run, PictureFiles([pictures]), tmp_path / "p.csv", heat_maps=tmp_path / "heat")
    assert not (tmp_path / "heat").exists()
    assert not (tmp_path / "p.csv.partial").exists()


def interrupt(tally: Tally) -> None:
    if tally.n == 3:
        raise KeyboardInterrupt


def test_heat_maps_are_not_drawn_into_what_is_predicted(predictor: Predictor, pictures: Path, run: Path) -> None:
    pytest.importorskip("captum")
    out, files = pictures.parent / "p.csv", PictureFiles([pictures])
    for directory in (pictures, pictures / "deep" / "heat", pictures / ".." / pictures.name / "heat"):
        with pytest.raises(ConfigError, match=r"whose pictures are predicted: .* outside of it"):
            predict_table(predictor, run, files, out, heat_maps=directory)
        with pytest.raises(ConfigError, match="outside of it"):
            next(predict_rows(predictor, files, Tally(), heat_maps=directory))
    assert not out.with_name("p.csv.partial").exists()
    assert not (pictures / "deep").exists()


def test_heat_maps_are_drawn_for_all_rows_or_for_none(
    predictor: Predictor, pictures: Path, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("captum")
    files, out, heat = PictureFiles([pictures]), tmp_path / "p.csv", tmp_path / "heat"
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, watch=interrupt)
    with pytest.raises(ConfigError, match=r"were made without heat maps\. Leave out --heatmaps to go on"):
        predict_table(predictor, run, files, out, heat_maps=heat, resume=True)
    assert not heat.exists()
    assert predict_table(predictor, run, files, out, resume=True).n_kept == 3
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, heat_maps=heat, watch=interrupt)
    with pytest.raises(ConfigError, match=r"were made with heat maps\. Give --heatmaps to go on"):
        predict_table(predictor, run, files, out, resume=True)
    assert predict_table(predictor, run, files, out, heat_maps=heat, resume=True).n_kept == 3


def test_what_is_no_directory_takes_no_heat_maps(predictor: Predictor, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("captum")
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    for place, said in ((tmp_path / "notes", "is a file"), (tmp_path / "notes" / "heat", "takes no files")):
        with pytest.raises(ConfigError, match=rf'--heatmaps ".*" .*{said}'):
            next(predict_rows(predictor, PictureFiles([pictures]), Tally(), heat_maps=place))


def test_names_fit_into_a_directory_whatever_the_picture_is_called() -> None:
    assert heat_map_name(3, "x/" + "漢" * 80 + ".png").startswith("0000003-漢")
    assert len(heat_map_name(10**7, "x/" + "漢" * 80 + ".png").encode()) <= 255
