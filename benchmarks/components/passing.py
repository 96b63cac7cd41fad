"""The one pass through the frozen layers, from files to features, against what its two halves allow."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from components.registry import Reading, Room, part, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from unfreeze.engines import Engine

__all__ = ["prefix_pass"]

MODEL, BATCH_SIZE, N_COPIES = "tf_efficientnet_lite0", 32, 8
N_PICTURES, PICTURE_SIZE = 80, (640, 480)  # of made-up JPEGs; a pass has each N_COPIES times


@part
def prefix_pass(room: Room) -> list[Reading]:
    """Decode to features at no less than 90% of what decode alone and the engine alone allow together."""
    from unfreeze.backbones import input_spec
    from unfreeze.data import batches, open_dataset

    dataset, spec = open_dataset(_jpegs(room)), input_spec(MODEL)
    indices = list(range(len(dataset.files))) * N_COPIES

    def decoded() -> Iterable[Tensor]:
        return (batch.images for batch in batches(dataset, indices, spec, batch_size=BATCH_SIZE))

    in_memory = [pictures.clone() for pictures in decoded()]
    engine = _engine(in_memory[0])

    def alone() -> None:
        for _ in decoded():
            pass

    def run(pictures: Iterable[Tensor]) -> None:
        for _ in engine.run(pictures):
            pass

    rows = []
    for _ in range(room.n_repeats):
        times = seconds_of(alone), seconds_of(lambda: run(in_memory)), seconds_of(lambda: run(decoded()))
        rows.append([len(indices) / seconds for seconds in times])
    decode, network, together = (median(column) for column in zip(*rows, strict=True))
    share = median(whole * (1 / one + 1 / other) for one, other, whole in rows)
    return [
        Reading(name="decode alone, all cores", value=decode, unit="img/s"),
        Reading(name="engine alone, all cores", value=network, unit="img/s"),
        Reading(name="decode to features", value=together, unit="img/s"),
        Reading(name="decode to features, against what both allow together", value=share, unit="×", limit=0.9),
    ]


def _engine(pictures: Tensor) -> Engine:
    """Return the engine that a head's training would open."""
    import torch

    from unfreeze.backbones import load_network
    from unfreeze.engines import open_engine
    from unfreeze.freezing import apply_plan
    from unfreeze.frontier import Split, split_network
    from unfreeze.plans import make_plan

    network = load_network(MODEL, task="classification", outputs=("a", "b"))
    apply_plan(network, make_plan("head", network.layers), step=0, steps_per_epoch=1)
    split = split_network(network, pictures[:3])
    if not isinstance(split, Split):
        raise SystemExit(f"error: the network has no frozen part: {split.reason}")
    return open_engine(split.prefix, pictures, device=torch.device("cpu"), batch_size=BATCH_SIZE).engine


def _jpegs(room: Room) -> Path:
    """Write JPEGs of an ordinary size: solar cells, enlarged, with a camera's noise."""
    import numpy as np
    from PIL import Image

    from unfreeze.data.samples import write_solar_cells

    rng, folder = np.random.default_rng(0), room.folder / "jpegs"
    for number, cell in enumerate(sorted(write_solar_cells(room.folder / "cells", n_images=N_PICTURES).rglob("*.png"))):
        with Image.open(cell) as image:
            pixels = np.asarray(image.convert("RGB").resize(PICTURE_SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
        noisy = (pixels + rng.normal(0, 6, pixels.shape).astype(np.float32)).clip(0, 255).astype(np.uint8)
        file = folder / f"class-{number % 2}" / f"{cell.stem}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(file, quality=92)
    return folder
