"""What the parts that train have in common: a data set without pictures, one phase, and rows to train on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.cache import Activations
    from unfreeze.data import Dataset
    from unfreeze.plans import Plan
    from unfreeze.training.epochs import LoopSettings
    from unfreeze.training.feeding import Feed, Feeder

__all__ = ["N_CLASSES", "RowsFeeder", "loop_settings", "random_dataset", "random_rows", "train_plan"]

N_CLASSES = 5
RowsOf = Callable[[tuple[int, ...]], "Activations"]  # from their shape, (n, ...)


def random_rows(shape: tuple[int, ...]) -> Activations:
    """Return random rows in memory."""
    import numpy as np

    from unfreeze.cache import MemoryActivations

    return MemoryActivations({"x": np.random.default_rng(1).standard_normal(shape, dtype=np.float32)})


class RowsFeeder:
    """Gives what trains rows of the shape that it reads, from wherever they are."""

    remembers = False

    def __init__(self, network: Network, settings: LoopSettings, targets: Any, rows_of: RowsOf) -> None:
        self.network, self.settings, self.targets, self.rows_of = network, settings, targets, rows_of

    def feed(self, epochs: range, *, phase: int, head_alone: bool, check: Callable[[], None]) -> Feed:  # noqa: ARG002
        """Split the network where the plan has it, and return rows for what it trains."""
        import torch

        from unfreeze.frontier import Split, split_network
        from unfreeze.training.caching import CachedFeed

        del epochs
        check()
        images = torch.zeros(2, 3, *self.network.spec.size, dtype=torch.uint8)
        split = split_network(self.network, images, n_rows=len(self.targets))
        if not isinstance(split, Split):
            raise SystemExit(f"error: the network has no frozen part: {split.reason}")
        [read] = split.prefix(images)
        places = {(number, 0): number for number in range(len(self.targets))}
        passes = {"none": (self.rows_of((len(self.targets), *read.shape[1:])), places)}
        self.last = CachedFeed(split, self.settings, self.targets, passes, head_alone=head_alone)
        return self.last

    def final(self) -> Feed:
        """Return that feed again."""
        return self.last


def random_dataset(folder: Path, n: int) -> Dataset:
    """Return a data set of random classes, whose n files do not exist."""
    import numpy as np

    from unfreeze.data import Dataset

    return Dataset(
        root=folder,
        files=tuple(f"{number}.png" for number in range(n)),
        task="classification",
        outputs=tuple(map(str, range(N_CLASSES))),
        targets=np.random.default_rng(0).integers(0, N_CLASSES, n),
    )


def loop_settings(train: Any, val: Any, *, batch_size: int) -> LoopSettings:
    """Return a loop's settings for pictures that are never varied."""
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


def train_plan(
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
