"""How much memory training on the cache takes, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.registry import Reading, Room, part
from components.rows import RowsFeeder, loop_settings, random_dataset, train_plan

if TYPE_CHECKING:
    from unfreeze.cache import Activations

__all__ = ["cached_memory"]

MODEL, N_HELD_OUT, N_EPOCHS = "tf_efficientnet_lite0", 500, 2
# What trains, what its rows are called, and how many there are in the cache.
CASES = (("head", "100,000 cached vectors", 100_000), ("from:blocks.6", "5,000 cached maps of 192×7×7", 5_000))
N_ROWS_AT_ONCE = 1000
MIB = 2**20


@part
def cached_memory(room: Room) -> list[Reading]:
    """100,000 cached vectors, and 5,000 cached maps, train within 1 GB over what the process takes without them."""
    readings = []
    for selector, name, n_rows in CASES:
        folder = room.folder / selector.replace(":", "-")
        folder.mkdir()
        _in_another_process(_train, selector, n_rows, folder)  # fills the cache
        base, peak = _in_another_process(_train, selector, n_rows, folder)
        readings += [
            Reading(
                name=f"training on {name}, over the process's base", value=peak - base, unit="MiB",
                sense="at most", limit=1000,
            ),
            Reading(name="that base: libraries, network, nothing trained", value=base, unit="MiB"),
        ]  # fmt: skip
    return readings


def _in_another_process(function: Any, *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def _train(selector: str, n_rows: int, folder: Path) -> tuple[float, float]:
    """Train on cached rows; return the process's peak memory before and after, in MiB."""
    dataset = random_dataset(folder, n_rows)
    settings = loop_settings(range(n_rows - N_HELD_OUT), range(n_rows - N_HELD_OUT, n_rows), batch_size=64)
    base = 0.0

    def rows_of(shape: tuple[int, ...]) -> Activations:
        nonlocal base
        base = _peak()
        return _fetched(folder / "cache", shape)

    train_plan(
        (MODEL, selector),
        dataset,
        settings,
        lambda network, _: RowsFeeder(network, settings, dataset.targets, rows_of),
        out=folder / f"run-{len(list(folder.iterdir()))}",
        n_epochs=N_EPOCHS,
    )
    return base, _peak()


def _fetched(cache: Path, shape: tuple[int, ...]) -> Activations:
    """Return rows from the cache; they are random, and written where they are not there yet."""
    import numpy as np

    from unfreeze.cache import ActivationCache, PassDescription, fetch_activations

    def computed(numbers: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
        rng = np.random.default_rng(1)
        for start in range(0, len(numbers), N_ROWS_AT_ONCE):
            some = numbers[start : start + N_ROWS_AT_ONCE]
            yield some, {"x": rng.standard_normal((len(some), *shape[1:]), dtype=np.float32)}

    described = PassDescription(
        model=MODEL, frontier="x", size=(224, 224), views="evaluation", engine="none", precision="fp32"
    )
    keys = [f"{number:064x}" for number in range(shape[0])]
    return fetch_activations(ActivationCache(cache), "0" * 64, keys, computed, description=described).activations


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
