"""Training on what the frozen layers gave is training on the pictures, computed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import unfreeze as uf
from unfreeze.backbones import Network, load_network
from unfreeze.cache import ActivationCache
from unfreeze.engines import Precision
from unfreeze.engines.openvino_engine import has_bf16
from unfreeze.freezing import apply_plan
from unfreeze.history import read_history
from unfreeze.plans import Plan, make_plan
from unfreeze.records import TrainOptions
from unfreeze.training import Silent
from unfreeze.training.caching import CachedFeed, CachedFeeder
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feeder, PictureFeeder
from unfreeze.training.inputs import StudiedData, open_data, study_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.loop import fine_tune
from unfreeze.training.loss import loss_function
from unfreeze.training.prefixes import PrefixSettings

TINY: dict[str, Any] = {"model": "test_resnet", "pretrained": False, "size": 32, "batch_size": 5}


@pytest.fixture
def data(image_folder: Path) -> StudiedData:
    return study_data(image_folder, open_data(image_folder, TrainOptions()), TrainOptions(), Silent())


def settings_of(data: StudiedData, **changes: Any) -> LoopSettings:
    wanted: dict[str, Any] = {
        "batch_size": 5,
        "augment": "none",
        "augment_head": "none",
        "views": 1,
        "seed": 0,
        "metric": "accuracy",
        "clip": 1.0,
    }
    return LoopSettings(train=data.split.train, val=data.split.val, **{**wanted, **changes})


def losses_of(
    data: StudiedData,
    strategy: str,
    feeder_of: Callable[[Network, Plan, LoopSettings], Feeder],
    out: Path,
    *,
    settings: LoopSettings,
    epochs: int = 3,
) -> list[float]:
    network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    device = Device("cpu")
    device.place(network)
    plan = make_plan(strategy, network.layers, epochs=epochs)
    feeder = feeder_of(network, plan, settings)
    fine_tune(
        network, plan, data.dataset, settings=settings, loss=loss_function("classification"), device=device,
        directory=out, progress=Silent(), feeder=feeder, interrupt=Interrupt(),
    )  # fmt: skip
    return [row[name] for row in read_history(out / "history.jsonl") for name in ("train_loss", "val_loss")]


def cached_with(
    data: StudiedData, engine: Any, directory: Path | None
) -> Callable[[Any, Plan, LoopSettings], CachedFeeder]:
    cache = None if directory is None else ActivationCache(directory)
    prefix = PrefixSettings(engine=engine, device=torch.device("cpu"), cache=cache)
    return lambda network, plan, settings: CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Silent())


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"augment": "standard", "augment_head": "light", "views": 2}, {"augment": "light", "views": None}]
)
@pytest.mark.parametrize("strategy", ["head", "gradual", "stages:3"])
@pytest.mark.parametrize(("engine", "tolerance"), [("eager", 1e-6), ("openvino", 1e-4)])
def test_cached_and_uncached_training_have_the_same_losses(
    data: StudiedData, tmp_path: Path, strategy: str, engine: str, tolerance: float, changes: dict[str, Any]
) -> None:
    settings = settings_of(data, **changes)

    def on_pictures(network: Network, plan: Plan, settings: LoopSettings) -> Feeder:
        assert plan.epochs
        return PictureFeeder(network, data.dataset, settings)

    plain = losses_of(data, strategy, on_pictures, tmp_path / "plain", settings=settings)
    cached = losses_of(
        data, strategy, cached_with(data, engine, tmp_path / "cache"), tmp_path / "cached", settings=settings
    )
    in_memory = losses_of(data, strategy, cached_with(data, engine, None), tmp_path / "memory", settings=settings)
    assert cached == pytest.approx(plain, rel=tolerance)
    assert cached == in_memory


def test_a_phase_without_frozen_layers_trains_on_pictures(data: StudiedData) -> None:
    network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    settings, told = settings_of(data), list[str]()

    class Listening(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    prefix = PrefixSettings(engine="eager", device=torch.device("cpu"), cache=None)
    for strategy, kind in (("full", False), ("head", True)):
        plan = make_plan(strategy, network.layers, epochs=1)
        feeder = CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Listening())
        network.train()
        apply_plan(network, plan, step=0, steps_per_epoch=1)
        assert isinstance(feeder.feed(range(1), phase=0, head_alone=True, check=lambda: None), CachedFeed) is kind
    assert told == [], "where everything trains, it goes without saying"


def test_what_was_computed_with_other_weights_is_not_used_for_the_final_evaluation(data: StudiedData) -> None:
    network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    settings = settings_of(data)
    prefix = PrefixSettings(engine="eager", device=torch.device("cpu"), cache=None)
    plan = make_plan("head", network.layers, epochs=1)
    feeder = CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Silent())
    network.train()
    apply_plan(network, plan, step=0, steps_per_epoch=1)
    feed = feeder.feed(range(1), phase=0, head_alone=True, check=lambda: None)
    assert feeder.final() is feed
    with torch.no_grad():
        next(iter(network.backbone.parameters())).add_(1)
    assert feeder.final().model is network


@pytest.mark.slow
def test_a_second_training_with_another_head_or_seed_of_the_head_computes_nothing_again(
    image_folder: Path, tmp_path: Path
) -> None:
    options = {**TINY, "augment": "none", "cache_dir": str(tmp_path / "cache"), "epochs": 1}
    first = uf.train(image_folder, out=tmp_path / "a", **options)
    second = uf.train(image_folder, out=tmp_path / "b", hidden=8, lr=1e-2, **options)
    raw = [json.loads((run.path / "run.json").read_text()) for run in (first, second)]
    assert [each["cache"]["hit_ratio"] for each in raw] == [0.0, 1.0]
    assert raw[0]["cache"]["n_bytes"] > 0
    assert raw[0]["timing"]["prefix_seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("change", ["pixel", "size", "weights", "engine"])
def test_trap_14_a_changed_pixel_weight_size_or_engine_is_computed_anew(
    image_folder: Path, tmp_path: Path, change: str
) -> None:
    options = {**TINY, "augment": "none", "cache_dir": str(tmp_path / "cache"), "epochs": 1}
    uf.train(image_folder, out=tmp_path / "a", **options)
    n_images, n_same = 24, 0
    if change == "pixel":
        from PIL import Image

        path = image_folder / "cat" / "003.png"
        pixels = np.array(Image.open(path))
        pixels[0, 0, 0] ^= 1
        Image.fromarray(pixels).save(path)
        n_same = n_images - 1
    changes = {
        "pixel": {},
        "size": {"size": 40},
        "weights": {"model": "test_resnet", "seed": 1},
        "engine": {"engine": "eager"},
    }
    told = list[str]()

    class Listening(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    again = uf.train(image_folder, out=tmp_path / "b", progress=Listening(), **{**options, **changes[change]})
    assert not any("engine" in note for note in told)
    assert again.record.cache.hit_ratio == pytest.approx(n_same / n_images)


@pytest.mark.slow
def test_views_are_a_pure_function_of_seed_picture_and_number_and_come_from_the_cache(
    image_folder: Path, tmp_path: Path
) -> None:
    options = {**TINY, "augment": "light", "views": 2, "cache_dir": str(tmp_path / "cache"), "epochs": 4}
    runs = [uf.train(image_folder, out=tmp_path / name, **options) for name in "ab"]
    assert [run.record.cache.hit_ratio for run in runs] == [0.0, 1.0]
    anew = uf.train(image_folder, out=tmp_path / "c", **{**options, "cache_dir": str(tmp_path / "other")})
    assert anew.record.cache.hit_ratio == 0.0
    assert (anew.path / "model.safetensors").read_bytes() == (runs[0].path / "model.safetensors").read_bytes()
    assert (runs[0].path / "model.safetensors").read_bytes() == (runs[1].path / "model.safetensors").read_bytes()
    n_train = len(runs[0].record.split["train"])
    assert runs[0].record.cache.n_bytes == (24 + n_train) * runs[0].model.head[0].weight.shape[1] * 4


@pytest.mark.slow
def test_without_a_cache_nothing_is_left_on_disk(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_DIR", str(tmp_path / "cache"))
    uf.train(image_folder, out=tmp_path / "a", cache=False, epochs=1, augment="none", **TINY)
    assert not (tmp_path / "cache").exists()


def test_validation_views_are_those_of_pictures(data: StudiedData, tmp_path: Path) -> None:
    network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
    settings = settings_of(data)
    network.train()
    plan = make_plan("head", network.layers, epochs=1)
    apply_plan(network, plan, step=0, steps_per_epoch=1)
    feeder = cached_with(data, "eager", tmp_path)(network, plan, settings)
    cached = feeder.feed(range(1), phase=0, head_alone=True, check=lambda: None)
    plain = PictureFeeder(network, data.dataset, settings).feed(range(1), phase=0, head_alone=True, check=lambda: None)
    for one, other in zip(cached.evaluation(settings.val), plain.evaluation(settings.val), strict=True):
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.targets, other.targets)
        with torch.no_grad():
            torch.testing.assert_close(cached.model(*one.inputs), plain.model(*other.inputs), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_cache_without_room_is_said_in_the_record_and_memory_takes_its_place(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_QUOTA", "1")
    run = uf.train(image_folder, out=tmp_path / "run", epochs=1, cache_dir=str(tmp_path / "cache"), **TINY)
    assert run.record.status == "done"
    assert any("has no room" in note for note in run.record.notes)
    assert run.record.cache.n_bytes > 0
    assert not (tmp_path / "cache" / "activations").exists() or not any((tmp_path / "cache" / "activations").iterdir())


@pytest.mark.slow
def test_what_was_computed_in_fp32_is_not_taken_for_bf16(data: StudiedData, tmp_path: Path) -> None:
    settings, cache = settings_of(data), ActivationCache(tmp_path)
    hits = []
    for precision in ("fp32", "bf16", "bf16"):
        network = load_network("test_resnet", task="classification", outputs=("cat", "dog"), size=32, pretrained=False)
        plan = make_plan("head", network.layers, epochs=1)
        network.train()
        apply_plan(network, plan, step=0, steps_per_epoch=1)
        prefix = PrefixSettings(
            engine="auto", device=torch.device("cpu"), cache=cache, precision=cast("Precision", precision)
        )
        feeder = CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Silent())
        feeder.feed(range(1), phase=0, head_alone=True, check=lambda: None)
        hits.append(feeder.use.hit_ratio)
        assert feeder.use.precision == (precision if has_bf16() else "fp32")
    assert hits == ([0.0, 0.0, 1.0] if has_bf16() else [0.0, 1.0, 1.0])
