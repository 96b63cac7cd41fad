"""Predictions are those of the network evaluated plainly, in order, whatever computes them and however they come."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING

import pytest
import torch

import unfreeze as uf
from unfreeze.data import read_views
from unfreeze.errors import ConfigError, ImageError, RunError
from unfreeze.evaluation.inference import LEAST_PICTURES
from unfreeze.predicting import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNREADABLE = {"03.png", "18.png", "19.png", "20.png", "21.png", "22.png"}


def scores_of(run: Path, files: list[Path]) -> torch.Tensor:
    """Evaluate the run's network plainly, picture by picture."""
    network = uf.load(run).model
    with torch.inference_mode():
        return torch.cat([network.scores(read_views(file, network.spec)) for file in files])


def decoding_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("unfreeze-decode")]


@pytest.mark.parametrize("engine", ["openvino", "eager"])
def test_scores_are_those_of_the_network_evaluated_plainly(
    run: Path, pictures: Path, tmp_path: Path, engine: str
) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    predictor = Predictor.open(run, engine=engine, batch_size=4, cache_dir=tmp_path)  # type: ignore[arg-type]
    files = sorted(pictures.iterdir())
    found = list(predictor.stream(files))
    assert predictor.engine_name == engine
    assert [each.file for each in found] == [str(file) for file in files]
    assert {file.name for file, each in zip(files, found, strict=True) if each.error} == UNREADABLE
    readable = [(file, each) for file, each in zip(files, found, strict=True) if each.error is None]
    expected = scores_of(run, [file for file, _ in readable])
    got = torch.tensor([list(each.scores.values()) for _, each in readable])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    for _, each in readable:
        assert each.prediction == max(each.scores, key=lambda name: each.scores[name])
        assert each.classes is not None
        assert each.prediction in each.classes


def test_pictures_in_memory_have_the_scores_of_their_files(predictor: Predictor, pictures: Path) -> None:
    files = [pictures / f"{index:02d}.png" for index in range(3)]
    views = [predictor.prepare(files[0]), *(predictor.prepare(file.read_bytes()) for file in files[1:])]
    assert all(view.shape == (3, 32, 32) and view.dtype == torch.uint8 for view in views)
    for one, other in zip(predictor.predict(views, files=["a", "b", "c"]), predictor.stream(files), strict=True):
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=1e-6)
        assert one.prediction == other.prediction
    assert predictor.predict([]) == []
    with pytest.raises(ImageError, match=r'"x\.png" is not a picture'):
        predictor.prepare(b"not a picture", name="x.png")


def test_a_stream_takes_files_only_as_it_needs_them(predictor: Predictor, pictures: Path) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield pictures / "00.png"

    stream = predictor.stream(endless())
    for _ in range(3 * LEAST_PICTURES):
        next(stream)
    assert taken <= 3 * LEAST_PICTURES + 8 * predictor.batch_size
    assert decoding_threads()
    del stream
    gc.collect()
    assert decoding_threads() == []


def test_nothing_to_read_is_no_error_of_a_stream(predictor: Predictor, pictures: Path) -> None:
    assert list(predictor.stream([])) == []
    (only,) = predictor.stream([pictures / "03.png"])
    assert only.error is not None
    assert "03.png" in only.error


@pytest.mark.parametrize("n_readable", [0, 5])
def test_what_cannot_be_read_does_not_wait_for_what_can(predictor: Predictor, pictures: Path, n_readable: int) -> None:
    taken = 0

    def some() -> Iterator[Path]:
        nonlocal taken
        for name in ["00.png"] * n_readable + ["03.png"] * 1000 + ["00.png"]:
            taken += 1
            yield pictures / name

    stream = predictor.stream(some())
    told = [next(stream) for _ in range(2 * LEAST_PICTURES)]
    assert [each.error is None for each in told] == [True] * n_readable + [False] * (len(told) - n_readable)
    assert taken <= 2 * LEAST_PICTURES + 8 * predictor.batch_size
    told += stream
    assert len(told) == n_readable + 1001
    assert told[-1].error is None


def test_pictures_are_computed_as_many_at_once_as_was_asked_for(run: Path, pictures: Path) -> None:
    predictor = Predictor.open(run, engine="eager", batch_size=4)
    sizes: list[int] = []
    predictor.network.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0])))
    good, bad = pictures / "00.png", pictures / "03.png"
    many = [bad, bad, bad, *[good] * (LEAST_PICTURES - 2)]  # the first batch has one readable picture
    for asked, expected in ((None, 4), (8, 8), (2, 2)):
        sizes.clear()
        list(predictor.stream(many, batch_size=asked))
        assert set(sizes) == {expected}
    sizes.clear()
    list(predictor.stream([good] * 3, batch_size=8))
    assert sizes == [3], "not filled up to eight"


def test_a_file_whose_name_is_no_text_is_told_as_an_error(predictor: Predictor, pictures: Path) -> None:
    strange = pictures / os.fsdecode(b"caf\xe9.png")
    strange.write_bytes((pictures / "00.png").read_bytes())
    first, second = predictor.stream([strange, pictures / "00.png"])
    assert first.file == str(strange)
    assert first.error is not None
    assert "not valid UTF-8" in first.error
    assert second.error is None


def test_few_pictures_are_left_to_pytorch_until_an_engine_is_ready(run: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    predictor = Predictor.open(run, cache_dir=tmp_path)
    list(predictor.stream([pictures / "00.png"]))
    assert predictor.engine_name == "eager"
    assert not (tmp_path / "openvino").exists()
    predictor.warm_up()
    assert predictor.engine_name == "openvino"
    assert len(list((tmp_path / "openvino").iterdir())) == 1
    first = predictor.predict([predictor.prepare(pictures / "00.png")])
    again = Predictor.open(run, cache_dir=tmp_path)
    again.warm_up()
    assert again.predict([again.prepare(pictures / "00.png")]) == first
    assert len(list((tmp_path / "openvino").iterdir())) == 1, "the stored engine is found again"


def test_many_pictures_are_worth_an_engine(run: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    predictor = Predictor.open(run, cache_dir=tmp_path)
    found = list(predictor.stream([pictures / "00.png"] * LEAST_PICTURES))
    assert len(found) == LEAST_PICTURES
    assert predictor.engine_name == "openvino"


def test_what_cannot_be_predicted_with_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--batch-size must be at least 1, but got 0"):
        Predictor.open(run, batch_size=0)
    with pytest.raises(RunError, match="does not exist"):
        Predictor.open(tmp_path / "none")


def test_a_run_predicts_by_its_predictor(run: Path, pictures: Path) -> None:
    loaded = uf.load(run)
    found = loaded.predict([pictures / "00.png", pictures / "1*.png"], batch_size=2)
    assert [each.file for each in found][:2] == [str(pictures / "00.png"), str(pictures / "10.png")]
    assert len(found) == 11
    with pytest.raises(ConfigError, match="--batch-size"):
        loaded.predict(pictures / "00.png", batch_size=0)
