"""Training on what the frozen layers gave, against training on pictures."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from components.registry import Reading, Room, part, seconds_of
from components.rows import N_CLASSES, RowsFeeder, loop_settings, random_dataset, random_rows, train_plan

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.data import Dataset
    from unfreeze.plans import Plan
    from unfreeze.training.epochs import LoopSettings
    from unfreeze.training.feeding import Feeder

__all__ = ["cached_epochs", "cached_vectors", "many_heads"]

MODEL = "tf_efficientnet_lite0"
N_VECTORS, N_HELD_OUT = 5000, 500
N_PICTURES = 160
N_HEADS, N_HEAD_EPOCHS = 12, 10
N_EPOCHS = 3  # of which the first, which decodes, is not read
# Network, what trains, and how many times as fast an epoch on the cache must be as one without.
SUFFIXES = ((MODEL, "from:blocks.6", 11.0), (MODEL, "from:blocks.4", 2.0), ("resnet50", "from:layer4", 3.2))


@part
def cached_vectors(room: Room) -> list[Reading]:
    """30 head epochs on 5,000 cached vectors at batch 64 take less than 1 s."""
    dataset = random_dataset(room.folder, N_VECTORS + N_HELD_OUT)
    settings = loop_settings(range(N_VECTORS), range(N_VECTORS, len(dataset)), batch_size=64)

    def train(out: Path) -> None:
        _train_head(dataset, settings, out=out, n_epochs=30)

    outs = [room.folder / f"vectors-{repeat}" for repeat in range(room.n_repeats)]
    seconds = [(seconds_of(partial(train, out)), sum(_epoch_seconds(out))) for out in outs]
    whole, training = (median(column) for column in zip(*seconds, strict=True))
    return [
        Reading(name="30 head epochs on 5,000 vectors", value=training, unit="s", sense="at most", limit=1.0),
        Reading(name="the same, network and checkpoints included", value=whole, unit="s"),
    ]


@part
def many_heads(room: Room) -> list[Reading]:
    """Twelve heads at once on 5,000 vectors take at most a quarter of twelve one after another."""
    import numpy as np
    import torch

    from unfreeze.backbones import load_network, make_head
    from unfreeze.training.loss import loss_function
    from unfreeze.training.many_heads import HeadStart, Vectors, train_heads

    dataset = random_dataset(room.folder, N_VECTORS + N_HELD_OUT)
    settings = loop_settings(range(N_VECTORS), range(N_VECTORS, len(dataset)), batch_size=32)
    record = load_network(MODEL, task="classification", outputs=dataset.outputs, pretrained=False).record
    width = 1280

    def alone(out: Path) -> float:
        _train_head(dataset, settings, out=out, n_epochs=N_HEAD_EPOCHS)
        return sum(_epoch_seconds(out))  # without the network and the checkpoints, which heads at once have once

    vectors = Vectors(
        rows=torch.from_numpy(np.random.default_rng(1).standard_normal((len(dataset), width), dtype=np.float32)),
        targets=dataset.targets,
    )
    starts = []
    for number in range(N_HEADS):
        (layer,) = make_head(width, n_outputs=N_CLASSES, seed=number)
        lr = 1e-4 * 2**number
        starts.append(HeadStart(weight=layer.weight.data, bias=layer.bias.data, lr=lr, weight_decay=0.01))

    def at_once() -> None:
        loss = loss_function("classification")
        train_heads(starts, vectors, settings=settings, record=record, loss=loss, epochs=N_HEAD_EPOCHS)

    ratios, seconds = [], []
    for repeat in range(room.n_repeats):
        one_after_another = sum(alone(room.folder / f"alone-{repeat}-{number}") for number in range(N_HEADS))
        seconds.append(seconds_of(at_once))
        ratios.append(one_after_another / seconds[-1])
    return [
        Reading(name="twelve heads at once, against one after another", value=median(ratios), unit="×", limit=4.0),
        Reading(name="ten epochs of twelve heads on 5,000 vectors", value=median(seconds), unit="s"),
    ]


@part
def cached_epochs(room: Room) -> list[Reading]:
    """An epoch of the last layers on cached maps, against the same loop on pictures: loading and views included."""
    import torch

    from unfreeze.data.samples import write_solar_cells
    from unfreeze.records import TrainOptions
    from unfreeze.training import Silent
    from unfreeze.training.caching import CachedFeeder
    from unfreeze.training.feeding import PictureFeeder
    from unfreeze.training.inputs import open_data, study_data
    from unfreeze.training.prefixes import PrefixSettings

    cells = write_solar_cells(room.folder / "cells", n_images=N_PICTURES)
    data = study_data(cells, open_data(cells, TrainOptions()), TrainOptions(), Silent())
    settings = loop_settings(data.split.train, data.split.val, batch_size=32)
    prefix = PrefixSettings(engine="auto", device=torch.device("cpu"), cache=None)

    def on_pictures(network: Network, _plan: Plan) -> Feeder:
        return PictureFeeder(network, data.dataset, settings)

    def on_maps(network: Network, plan: Plan) -> Feeder:
        return CachedFeeder(network, plan, data, settings, prefix=prefix, progress=Silent())

    readings = []
    for model, selector, limit in SUFFIXES:
        ratios = []
        for repeat in range(room.n_repeats):
            outs = [room.folder / f"{model}-{selector[5:]}-{repeat}-{kind}" for kind in ("pictures", "maps")]
            for feeder_of, out in zip((on_pictures, on_maps), outs, strict=True):
                train_plan((model, selector), data.dataset, settings, feeder_of, out=out, n_epochs=N_EPOCHS)
            pictures, maps = (median(_epoch_seconds(out)[1:]) for out in outs)
            ratios.append(pictures / maps)
        name = f"an epoch {selector} of {model}, cached against not"
        readings.append(Reading(name=name, value=median(ratios), unit="×", limit=limit))
    return readings


def _train_head(dataset: Dataset, settings: LoopSettings, *, out: Path, n_epochs: int) -> None:
    def feeder_of(network: Network, _plan: Plan) -> Feeder:
        return RowsFeeder(network, settings, dataset.targets, random_rows)

    train_plan((MODEL, "head"), dataset, settings, feeder_of, out=out, n_epochs=n_epochs)


def _epoch_seconds(out: Path) -> list[float]:
    rows = (out / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row)["seconds"] for row in rows]
