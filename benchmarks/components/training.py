"""Training on what the frozen layers gave, against training on pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from components.registry import Reading, Room, part, seconds_of

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.data import Dataset
    from unfreeze.plans import Plan
    from unfreeze.training.epochs import LoopSettings
    from unfreeze.training.feeding import Feed, Feeder

__all__ = ["cached_epochs", "cached_vectors", "many_heads"]

MODEL = "tf_efficientnet_lite0"
N_VECTORS, N_HELD_OUT, N_CLASSES = 5000, 500, 5
N_PICTURES = 160
N_HEADS, N_HEAD_EPOCHS = 12, 10
N_EPOCHS = 3  # of which the first, which decodes, is not read
# Network, what trains, and how many times as fast an epoch on the cache must be as one without.
SUFFIXES = ((MODEL, "from:blocks.6", 11.0), (MODEL, "from:blocks.4", 2.0), ("resnet50", "from:layer4", 3.2))


@part
def cached_vectors(room: Room) -> list[Reading]:
    """30 head epochs on 5,000 cached vectors at batch 64 take less than 1 s."""
    dataset = _random_dataset(room)
    settings = _settings(range(N_VECTORS), range(N_VECTORS, len(dataset)), batch_size=64)

    def train(out: Path) -> None:
        _train(
            (MODEL, "head"),
            dataset,
            settings,
            lambda x, _: _VectorFeeder(x, settings, dataset.targets),
            out=out,
            n_epochs=30,
        )

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

    dataset = _random_dataset(room)
    settings = _settings(range(N_VECTORS), range(N_VECTORS, len(dataset)), batch_size=32)
    record = load_network(MODEL, task="classification", outputs=dataset.outputs, pretrained=False).record
    width = 1280

    def alone(out: Path) -> float:
        _train(
            (MODEL, "head"), dataset, settings, lambda x, _: _VectorFeeder(x, settings, dataset.targets), out=out,
            n_epochs=N_HEAD_EPOCHS,
        )  # fmt: skip
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
    settings = _settings(data.split.train, data.split.val, batch_size=32)
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
                _train((model, selector), data.dataset, settings, feeder_of, out=out, n_epochs=N_EPOCHS)
            pictures, maps = (median(_epoch_seconds(out)[1:]) for out in outs)
            ratios.append(pictures / maps)
        name = f"an epoch {selector} of {model}, cached against not"
        readings.append(Reading(name=name, value=median(ratios), unit="×", limit=limit))
    return readings


class _VectorFeeder:
    """Gives the head random vectors of the shape that it reads."""

    def __init__(self, network: Network, settings: LoopSettings, targets: Any) -> None:
        self.network, self.settings, self.targets = network, settings, targets

    def feed(self, epochs: range, *, phase: int, head_alone: bool, check: Callable[[], None]) -> Feed:  # noqa: ARG002
        """Split the network where the plan has it, and return vectors for what it trains."""
        import numpy as np
        import torch

        from unfreeze.cache import MemoryActivations
        from unfreeze.frontier import Split, split_network
        from unfreeze.training.caching import CachedFeed

        del epochs
        check()
        images = torch.zeros(2, 3, *self.network.spec.size, dtype=torch.uint8)
        split = split_network(self.network, images, n_rows=len(self.targets))
        if not isinstance(split, Split):
            raise SystemExit(f"error: the network has no frozen part: {split.reason}")
        [read] = split.prefix(images)
        vectors = np.random.default_rng(1).standard_normal((len(self.targets), *read.shape[1:]), dtype=np.float32)
        places = {(number, 0): number for number in range(len(vectors))}
        passes = {"none": (MemoryActivations({"x": vectors}), places)}
        self.last = CachedFeed(split, self.settings, self.targets, passes, head_alone=head_alone)
        return self.last

    def final(self) -> Feed:
        """Return that feed again."""
        return self.last


def _random_dataset(room: Room) -> Dataset:
    """Return a data set of random classes, whose files do not exist."""
    import numpy as np

    from unfreeze.data import Dataset

    n = N_VECTORS + N_HELD_OUT
    return Dataset(
        root=room.folder,
        files=tuple(f"{number}.png" for number in range(n)),
        task="classification",
        outputs=tuple(map(str, range(N_CLASSES))),
        targets=np.random.default_rng(0).integers(0, N_CLASSES, n),
    )


def _settings(train: Any, val: Any, *, batch_size: int) -> LoopSettings:
    from unfreeze.training.epochs import LoopSettings

    return LoopSettings(
        train=train,
        val=val,
        batch_size=batch_size,
        augment="none",
        augment_head="none",
        views=1,
        seed=0,
        metric="accuracy",
        clip=1.0,
    )


def _train(
    what: tuple[str, str],
    dataset: Dataset,
    settings: LoopSettings,
    feeder_of: Callable[[Network, Plan], Feeder],
    *,
    out: Path,
    n_epochs: int,
) -> None:
    """Train what a selector names in one phase, from random weights, whose speed is that of any others."""
    from unfreeze.backbones import load_network
    from unfreeze.plans import Plan
    from unfreeze.training import Silent
    from unfreeze.training.device import Device
    from unfreeze.training.interrupts import Interrupt
    from unfreeze.training.loop import fine_tune
    from unfreeze.training.loss import loss_function

    model, selector = what
    network = load_network(model, task="classification", outputs=dataset.outputs, size=224, pretrained=False)
    device = Device("cpu")
    device.place(network)
    out.mkdir()
    file = out / "plan.toml"
    lines = (
        "version = 1",
        "[[phase]]",
        'name = "last layers"',
        f"epochs = {n_epochs}",
        f'train = "{selector}"',
        "lr = 1e-4",
    )
    file.write_text("\n".join(lines), encoding="utf-8")
    plan = Plan.from_toml(file, layers=network.layers)
    fine_tune(
        network, plan, dataset, settings=settings, loss=loss_function("classification"), device=device,
        directory=out, progress=Silent(), feeder=feeder_of(network, plan), interrupt=Interrupt(),
    )  # fmt: skip


def _epoch_seconds(out: Path) -> list[float]:
    rows = (out / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row)["seconds"] for row in rows]
