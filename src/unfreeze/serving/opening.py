"""A run's network, opened as a service needs it: for pictures that come one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unfreeze.data.threads import n_usable_cores
from unfreeze.engines import EngineName
from unfreeze.predicting import Predictor
from unfreeze.serving.service import MAX_BATCH

__all__ = ["OpenPredictor", "open_predictor"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenPredictor:
    """A predictor whose engine is ready, and how to use it.

    Attributes:
        predictor: the predictor.
        max_batch: how many pictures to give it at once, at most.
        n_threads: how many threads may ask it to predict at a time.
        notes: what the user should know about the engine.
    """

    predictor: Predictor
    max_batch: int
    n_threads: int
    notes: tuple[str, ...]


def open_predictor(
    run: Path, *, engine: Literal["auto"] | EngineName = "auto", device: Literal["auto", "cpu", "cuda"] = "auto"
) -> OpenPredictor:
    """Open a run's network for a service.

    OpenVINO computes a fixed number of pictures at once, and fills up what is missing. So it is prepared for one, and
    as many threads as there are cores compute one each: that does as many a second as larger requests, and none waits
    for the others (docs/adr/0018). PyTorch takes in one go, in one thread, what comes together.

    Args:
        run: the directory of a finished run.
        engine: what computes; "auto" the fastest that agrees with PyTorch.
        device: where.

    Raises:
        RunError: the directory is missing, unfinished, or not readable as a run.
        ConfigError: there is no such device, or OpenVINO was asked for by name and is absent.
    """
    singly = Predictor.open(run, engine=engine, device=device, batch_size=1)
    singly.warm_up()
    if singly.engine_name == "openvino":
        return OpenPredictor(predictor=singly, max_batch=1, n_threads=n_usable_cores(), notes=singly.notes)
    together = Predictor.open(run, engine=singly.engine_name, device=device, batch_size=MAX_BATCH)
    together.warm_up()
    return OpenPredictor(predictor=together, max_batch=MAX_BATCH, n_threads=1, notes=singly.notes)
