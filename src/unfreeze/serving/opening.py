"""A run's network, opened as a service needs it: for pictures that come one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unfreeze.engines import EngineName
from unfreeze.predicting import Predictor
from unfreeze.serving.service import MAX_BATCH

__all__ = ["open_predictor"]


def open_predictor(
    run: Path, *, engine: Literal["auto"] | EngineName = "auto", device: Literal["auto", "cpu", "cuda"] = "auto"
) -> tuple[Predictor, tuple[str, ...]]:
    """Return a run's network, its engine ready, and what there is to say of it.

    OpenVINO computes a fixed number of pictures at once: of one each, a lonely picture is not filled up to eight, and
    many go through its streams side by side as fast as in larger requests (docs/adr/0018). PyTorch takes in one go
    what comes together.

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
        return singly, singly.notes
    chosen = singly.engine_name if singly.is_open else engine  # of a run without pictures, the first request opens it
    together = Predictor.open(run, engine=chosen, device=device, batch_size=MAX_BATCH)
    together.warm_up()
    return together, singly.notes
