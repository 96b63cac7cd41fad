"""One pass gives all that later phases need, and changes nothing but the time."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import unfreeze as uf
from unfreeze.backbones import load_network
from unfreeze.cache import ActivationCache
from unfreeze.errors import InterruptedRunError
from unfreeze.plans import Phase, Plan
from unfreeze.training import Silent
from unfreeze.training.needs import NeedsOfPhases

SETTINGS: dict[str, Any] = {
    "model": "test_resnet",
    "pretrained": False,
    "size": 32,
    "batch_size": 5,
    "strategy": "gradual",
    "epochs": 3,
    "engine": "eager",
    "augment": "none",
}
N_IMAGES = 24


class Counting(Silent):
    """Notes how many rows were computed, and what the user was told."""

    def __init__(self) -> None:
        self.passes, self.told = list[int](), list[str]()

    def prefix(self, n: int, total: int) -> None:
        if n == total:
            self.passes.append(total)

    def note(self, text: str) -> None:
        self.told.append(text)


def weights_of(run: uf.Run) -> str:
    return hashlib.sha256((run.path / "model.safetensors").read_bytes()).hexdigest()


def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every phase compute what it needs by itself."""
    monkeypatch.setattr(NeedsOfPhases, "after", lambda *_args, **_named: ())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["eager", "openvino"])
@pytest.mark.parametrize("changes", [{"augment": "none"}, {"augment": "light", "views": 2, "epochs": 6}])
@pytest.mark.parametrize("cached", [True, False])
def test_one_pass_for_all_phases_gives_the_same_weights_as_one_for_each(
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    changes: dict[str, Any],
    cached: bool,
) -> None:
    settings = {**SETTINGS, **changes, "engine": engine}
    caches = [{"cache_dir": str(tmp_path / name)} if cached else {"cache": False} for name in "ab"]
    counting = Counting()
    together = uf.train(image_folder, out=tmp_path / "together", progress=counting, **settings, **caches[0])
    assert len(counting.passes) == len({"none", changes["augment"]})
    assert together.record.cache.hit_ratio == pytest.approx(2 / 3)
    apart(monkeypatch)
    separate = uf.train(image_folder, out=tmp_path / "separate", **settings, **caches[1])
    assert separate.record.cache.hit_ratio == 0
    assert weights_of(together) == weights_of(separate)


def test_rows_of_later_phases_are_found_kept_and_the_same_without_a_cache(image_folder: Path, tmp_path: Path) -> None:
    kept, in_memory = Counting(), Counting()
    one = uf.train(image_folder, out=tmp_path / "a", cache_dir=str(tmp_path / "c"), progress=kept, **SETTINGS)
    other = uf.train(image_folder, out=tmp_path / "b", cache=False, progress=in_memory, **SETTINGS)
    assert kept.passes == in_memory.passes == [N_IMAGES]
    assert [run.record.cache.hit_ratio for run in (one, other)] == [pytest.approx(2 / 3)] * 2
    assert weights_of(one) == weights_of(other)
    assert len(ActivationCache(tmp_path / "c").passes()) == 3


@pytest.mark.slow
def test_views_that_only_later_phases_need_are_left_to_them(image_folder: Path, tmp_path: Path) -> None:
    counting, settings = Counting(), {**SETTINGS, "augment": None}
    run = uf.train(image_folder, out=tmp_path / "run", cache_dir=str(tmp_path / "c"), progress=counting, **settings)
    n_train = len(run.record.split["train"])
    assert counting.passes == [N_IMAGES, n_train, n_train]


def test_a_quota_for_one_phase_alone_leaves_each_phase_its_own_pass(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_QUOTA", "80000")
    counting = Counting()
    run = uf.train(image_folder, out=tmp_path / "a", cache_dir=str(tmp_path / "c"), progress=counting, **SETTINGS)
    assert len(counting.passes) > 1
    (note,) = [text for text in counting.told if "UNFREEZE_CACHE_QUOTA" in text]
    assert "does not fit into the cache" in note
    assert note in run.record.notes
    monkeypatch.delenv("UNFREEZE_CACHE_QUOTA")
    roomy = uf.train(image_folder, out=tmp_path / "b", cache_dir=str(tmp_path / "d"), **SETTINGS)
    assert weights_of(run) == weights_of(roomy)


@pytest.mark.slow
def test_what_an_interrupted_pass_has_kept_is_taken_up_again(image_folder: Path, tmp_path: Path) -> None:
    class Impatient(Silent):
        def prefix(self, n: int, total: int) -> None:
            if n < total:
                os.kill(os.getpid(), signal.SIGINT)

    settings = {**SETTINGS, "cache_dir": str(tmp_path / "c")}
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=Impatient(), **settings)
    n_kept = {entry.n_rows for entry in ActivationCache(tmp_path / "c").passes()}
    assert len(n_kept) == 1, "as many rows for later phases as for the first"
    counting = Counting()
    parts = uf.train(out=tmp_path / "parts", resume=True, progress=counting)
    assert counting.passes == [N_IMAGES - n_kept.pop()]
    whole = uf.train(image_folder, out=tmp_path / "whole", cache_dir=str(tmp_path / "d"), **SETTINGS)
    assert weights_of(parts) == weights_of(whole)


def plan_file(path: Path, *trained: str) -> str:
    network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    phases = tuple(Phase(f"phase {n}", 1, (train,), lr=1e-3) for n, train in enumerate(trained))
    path.write_text(Plan(network.layers, phases).to_toml(), encoding="utf-8")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    ("trained", "n_passes"),
    [
        (("head", "head", "stages:1", "stages:1"), 1),
        (("stages:1", "head"), 2),
        (("head", "stages:2", "stages:1", "head"), 3),
    ],
    ids=["two at one frontier", "upwards", "down and up again"],
)
def test_any_plan_shares_only_what_no_phase_before_has_trained(
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: tuple[str, ...],
    n_passes: int,
    cached: bool,
) -> None:
    plan = plan_file(tmp_path / "plan.toml", *trained)
    settings = {key: value for key, value in SETTINGS.items() if key not in {"strategy", "epochs"}}
    caches = [{"cache_dir": str(tmp_path / name)} if cached else {"cache": False} for name in "ab"]
    counting = Counting()
    together = uf.train(image_folder, plan=plan, out=tmp_path / "together", progress=counting, **settings, **caches[0])
    assert len(counting.passes) == n_passes
    apart(monkeypatch)
    separate = uf.train(image_folder, plan=plan, out=tmp_path / "separate", **settings, **caches[1])
    assert weights_of(together) == weights_of(separate)
