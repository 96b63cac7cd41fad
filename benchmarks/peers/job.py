"""What every peer is given and what it hands back. It imports no deep-learning library: Keras's start counts too."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Job", "n_cores", "read_job"]


@dataclass(kw_only=True)
class Job:
    """One training that a peer is asked for, and the times that it notes on the way.

    Attributes:
        layout: A folder with the folders train, val and test, each with one folder of pictures per class.
        classes: The names of the classes, sorted: their positions are the labels.
        epochs: Epochs in all.
        head_epochs: The first so many train the head alone, which is all there is in a `head` training.
        train: What trains afterwards: nothing but the head (), modules of timm's network by name, or ("all",).
        lr: The head's rate while it trains alone, and always where all layers train from the start.
        lr_body: The rate of everything else once it trains.
        size: Height and width of the input in pixels.
        batch_size: Pictures in an optimizer step.
        weights: Pretrained weights of `tf_efficientnet_lite0` by timm's names.
        seed: Of the order of the pictures and the new head.
        out: Where the result goes.
    """

    layout: Path
    classes: tuple[str, ...]
    epochs: int
    head_epochs: int
    train: tuple[str, ...]
    lr: float
    lr_body: float
    size: int
    batch_size: int
    weights: Path
    seed: int
    out: Path
    train_seconds: float = field(default=0.0, init=False)

    @property
    def head_only(self) -> bool:
        """Whether nothing but the head ever trains."""
        return not self.train

    def trains(self, name: str) -> bool:
        """Tell whether a parameter of timm's network trains once the head's own epochs are over."""
        return self.train == ("all",) or name.startswith(tuple(f"{module}." for module in (*self.train, "classifier")))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Measure the training itself, validation included: from the first batch asked for to the last epoch's end."""
        began = time.perf_counter()
        yield
        self.train_seconds += time.perf_counter() - began

    def finish(self, *, test_accuracy: float | None) -> None:
        """Write the result; None stands for an accuracy that means nothing."""
        accuracy = None if test_accuracy is None else round(test_accuracy, 6)
        result = {"test_accuracy": accuracy, "train_seconds": round(self.train_seconds, 3)}
        self.out.write_text(json.dumps(result) + "\n", encoding="utf-8")


def read_job(description: str | None) -> Job:
    """Read the command line that all peers share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--split", type=Path, required=True, help="split.json, as run.py writes it")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--head-epochs", type=int, help="epochs in which the head trains alone [default: all]")
    parser.add_argument("--train", default="", help='modules that train afterwards, comma-separated, or "all"')
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--lr-body", type=float, default=1e-4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = vars(parser.parse_args())
    split = json.loads(given.pop("split").read_text(encoding="utf-8"))
    given["train"] = tuple(filter(None, given["train"].split(",")))
    given["head_epochs"] = given["epochs"] if given["head_epochs"] is None else given["head_epochs"]
    return Job(layout=Path(split["layout"]), classes=tuple(split["classes"]), **given)


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
