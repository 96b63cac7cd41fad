"""Predictions for pictures without labels: files, folders and globs, the unreadable ones reported and passed over."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unfreeze.backbones import Network, output_scores
from unfreeze.data import InputSpec, find_images, read_views
from unfreeze.errors import DataError, ImageError
from unfreeze.evaluation.predictions import Predictions
from unfreeze.records import ModelRecord

__all__ = ["Prediction", "expand_paths", "predict_files"]

BATCHES_IN_FLIGHT = 3

Decision = str | tuple[str, ...] | float | Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a network says of one picture.

    Attributes:
        file: the picture, as it was given.
        prediction: a class name, the names of the labels found, the value, or the values by target; `None` with
            an error.
        scores: probability of each class or label, or value of each target in its units.
        error: why the picture could not be read; `None` if it could.
    """

    file: str
    prediction: Decision | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


def expand_paths(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Turn files, folders (searched to any depth) and globs into pictures, each once, in the order given.

    Raises:
        DataError: a path or glob that names nothing, or nothing that is a picture; all are listed.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = [path / name for name in find_images(path)]
        elif path.exists():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob(str(given), recursive=True)) if Path(name).is_file()]
        if not files:
            problems.append(f'"{given}": ' + ("no pictures in this folder" if path.is_dir() else "no such file"))
        found.update(dict.fromkeys(files))
    if problems or not found:
        raise DataError("Expected pictures, folders or globs, but got " + ("; ".join(problems) or "nothing") + ".")
    return tuple(found)


def predict_files(network: Network, paths: Sequence[Path], *, batch_size: int = 32) -> Iterator[Prediction]:
    """Predict pictures one after another in the order given, decoding ahead on all cores.

    Args:
        network: a fine-tuned network in evaluation mode.
        paths: picture files.
        batch_size: pictures that go through the network together; memory grows with it, results do not change.
    """
    device = next(network.parameters()).device
    chunks = [paths[i : i + batch_size] for i in range(0, len(paths), batch_size)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        waiting: list[list[Future[Tensor | str]]] = []
        for number, chunk in enumerate(chunks):
            ahead = chunks[number + len(waiting) : number + BATCHES_IN_FLIGHT]
            waiting += [[pool.submit(_read, path, network.spec) for path in more] for more in ahead]
            views = [future.result() for future in waiting.pop(0)]
            yield from _predict_chunk(network, chunk, views, device)


def _read(path: Path, spec: InputSpec) -> Tensor | str:
    try:
        return read_views(path, spec).squeeze(0)
    except (ImageError, OSError) as error:
        return str(error)


def _predict_chunk(
    network: Network, chunk: Sequence[Path], views: Sequence[Tensor | str], device: torch.device
) -> Iterator[Prediction]:
    images = [view for view in views if isinstance(view, Tensor)]
    answers = iter(_predict_images(network, torch.stack(images).to(device)) if images else ())
    for path, view in zip(chunk, views, strict=True):
        if isinstance(view, str):
            yield Prediction(file=str(path), error=view)
        else:
            decision, scores = next(answers)
            yield Prediction(file=str(path), prediction=decision, scores=scores)


def _predict_images(network: Network, images: Tensor) -> list[tuple[Decision, dict[str, float]]]:
    """Return decision and scores for each of the images `(b, 3, h, w)`."""
    record = network.record
    with torch.inference_mode():
        outputs = network(images)
    scores = output_scores(outputs, record).cpu().numpy()
    decided = Predictions.decide(
        scores,
        decisions=output_scores(outputs, record, balanced=True).cpu().numpy(),
        task=record.task,
        outputs=record.outputs,
        files=[""] * len(images),
    )
    named = [dict(zip(record.outputs, map(float, row), strict=True)) for row in scores]
    return [(_decision(row, record), by_name) for row, by_name in zip(decided.predicted, named, strict=True)]


def _decision(predicted: np.ndarray, record: ModelRecord) -> Decision:
    if record.task == "classification":
        return record.outputs[int(predicted)]
    if record.task == "multilabel":
        return tuple(name for name, on in zip(record.outputs, predicted, strict=True) if on)
    values = {name: float(value) for name, value in zip(record.outputs, predicted, strict=True)}
    return values[record.outputs[0]] if len(values) == 1 else values
