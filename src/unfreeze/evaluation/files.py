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
from unfreeze.evaluation.conformal import prediction_intervals, prediction_sets
from unfreeze.evaluation.predictions import Predictions
from unfreeze.records import ConformalRecord, ModelRecord

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
        classes: the prediction set: the classes that hold the true one as often as `--conformal` asked for, the most
            probable first; `None` where the run has none.
        intervals: the same for values: lower and upper end for each target.
        error: why the picture could not be read; `None` if it could.
    """

    file: str
    prediction: Decision | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    intervals: Mapping[str, tuple[float, float]] | None = None
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
    files = [str(path) for path, view in zip(chunk, views, strict=True) if isinstance(view, Tensor)]
    answers = iter(_predict_images(network, files, torch.stack(images).to(device)) if images else ())
    for path, view in zip(chunk, views, strict=True):
        yield Prediction(file=str(path), error=view) if isinstance(view, str) else next(answers)


def _predict_images(network: Network, files: Sequence[str], images: Tensor) -> list[Prediction]:
    """Return what the network says of each of the images `(b, 3, h, w)`."""
    record = network.record
    with torch.inference_mode():
        outputs = network(images)
    scores = output_scores(outputs, record).cpu().numpy()
    decided = Predictions.decide(
        scores,
        decisions=output_scores(outputs, record, balanced=True).cpu().numpy(),
        task=record.task,
        outputs=record.outputs,
        files=files,
    )
    classes, intervals = _sets(decided, record.conformal), _intervals(decided, record.conformal)
    return [
        Prediction(
            file=file,
            prediction=_decision(decided.predicted[i], record),
            scores=dict(zip(record.outputs, map(float, scores[i]), strict=True)),
            classes=classes[i],
            intervals=intervals[i],
        )
        for i, file in enumerate(files)
    ]


def _sets(decided: Predictions, conformal: ConformalRecord | None) -> list[tuple[str, ...] | None]:
    """Return the names in each picture's prediction set, the most probable first."""
    if conformal is None or decided.task != "classification":
        return [None] * len(decided)
    members = prediction_sets(decided.scores, decided.predicted, conformal)
    order = np.argsort(-decided.scores, axis=1, kind="stable")
    return [tuple(decided.outputs[k] for k in ranked if row[k]) for row, ranked in zip(members, order, strict=True)]


def _intervals(decided: Predictions, conformal: ConformalRecord | None) -> list[dict[str, tuple[float, float]] | None]:
    """Return the interval of each picture's values by target."""
    if conformal is None or decided.task != "regression":
        return [None] * len(decided)
    ends = np.stack(prediction_intervals(decided.predicted, conformal), axis=2)
    return [
        {name: (float(low), float(high)) for name, (low, high) in zip(decided.outputs, row, strict=True)}
        for row in ends
    ]


def _decision(predicted: np.ndarray, record: ModelRecord) -> Decision:
    if record.task == "classification":
        return record.outputs[int(predicted)]
    if record.task == "multilabel":
        return tuple(name for name, on in zip(record.outputs, predicted, strict=True) if on)
    values = {name: float(value) for name, value in zip(record.outputs, predicted, strict=True)}
    return values[record.outputs[0]] if len(values) == 1 else values
