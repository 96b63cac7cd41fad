"""Which engine serves, and for how many pictures at once it is prepared."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unfreeze.data.threads import n_usable_cores
from unfreeze.predicting import Predictor
from unfreeze.serving import open_predictor

Png = Callable[..., bytes]


def test_openvino_is_asked_for_single_pictures_by_all_cores_and_agrees_with_pytorch(
    run: Path, predictor: Predictor, png: Png
) -> None:
    opened = open_predictor(run, engine="openvino")
    assert (opened.predictor.engine_name, opened.max_batch, opened.n_threads) == ("openvino", 1, n_usable_cores())
    views = [predictor.prepare(png(i % 2, seed=i)) for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda view: opened.predictor.predict([view])[0], views))
    for each, expected in zip(found, predictor.predict(views), strict=True):
        assert each.prediction == expected.prediction
        assert each.scores == pytest.approx(dict(expected.scores), abs=1e-4)


def test_pytorch_takes_what_comes_together_in_one_go(run: Path) -> None:
    opened = open_predictor(run, engine="eager")
    assert (opened.predictor.engine_name, opened.max_batch, opened.n_threads) == ("eager", 16, 1)
