"""Which engine serves, and for how many pictures at once it is prepared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unfreeze.predicting import Predictor
from unfreeze.serving.opening import open_predictor

Png = Callable[..., bytes]


def test_openvino_is_prepared_for_single_pictures_and_agrees_with_pytorch(
    run: Path, predictor: Predictor, png: Png
) -> None:
    served, notes = open_predictor(run, engine="openvino")
    assert (served.engine_name, served.batch_size, notes) == ("openvino", 1, ())
    views = [served.prepare(png(i % 2, seed=i)) for i in range(5)]
    for found, expected in zip(served.predict(views), predictor.predict(views), strict=True):
        assert found.prediction == expected.prediction
        assert found.scores == pytest.approx(dict(expected.scores), abs=1e-4)


def test_an_engine_that_was_asked_for_is_kept_where_the_run_has_no_pictures_to_open_it_with(
    run: Path, tmp_path: Path, png: Png
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("evidence"))
    served, _ = open_predictor(bare, engine="openvino")
    assert not served.is_open
    served.predict([served.prepare(png(0))])
    assert served.engine_name == "openvino"


def test_several_threads_predict_at_once_by_openvino_and_one_by_pytorch(run: Path) -> None:
    assert open_predictor(run, engine="openvino")[0].n_threads >= 1
    assert open_predictor(run, engine="eager")[0].n_threads == 1


def test_pytorch_takes_what_comes_together_in_one_go(run: Path) -> None:
    served, _ = open_predictor(run, engine="eager")
    assert (served.engine_name, served.batch_size) == ("eager", 16)
