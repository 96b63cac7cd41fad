"""The library's verbs take the options that mean something to them, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf
from unfreeze.errors import ConfigError, DataError

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "epochs": 1, "augment": "none"}


@pytest.mark.slow
def test_options_that_mean_nothing_to_a_verb_are_refused(image_folder: Path, tmp_path: Path) -> None:
    run = uf.train(image_folder, out=tmp_path / "run", **TINY)
    with pytest.raises(ConfigError, match=r'"epochs" means nothing here. Known are: target, group'):
        run.evaluate(image_folder, epochs=3)
    with pytest.raises(ConfigError, match=r'"skip_unreadable" means nothing here'):
        uf.check(image_folder, skip_unreadable=True)
    with pytest.raises(ConfigError, match='Did you mean "target"'):
        run.evaluate(image_folder, targets="label")


@pytest.mark.slow
def test_evaluate_leaves_out_the_runs_split_and_group_where_the_new_pictures_lack_them(
    image_folder: Path, make_image_table: Callable[..., Path], tmp_path: Path
) -> None:
    columns = {
        "label": ["cat", "dog"] * 12,
        "fold": ["train"] * 12 + ["val"] * 6 + ["test"] * 6,
        "patient": [f"p{i // 2}" for i in range(24)],
    }
    run = uf.train(make_image_table(columns), out=tmp_path / "run", split="fold", **TINY)
    found = run.evaluate(image_folder)
    assert found.n_images == 24
    assert any("--split fold" in note and "left out" in note for note in found.notes)
    assert run.evaluate(make_image_table(columns, name="again")).n_images == 6, "the test side, where it is known"
    with pytest.raises((ConfigError, DataError), match="fold"):
        run.evaluate(image_folder, split="fold")
