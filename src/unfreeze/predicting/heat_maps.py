"""A heat map of each picture that is predicted, as a PNG file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.errors import ImageError, ModelError
from unfreeze.evaluation.attribution import BATCH_SIZE
from unfreeze.evaluation.drawing import draw_heat_map

if TYPE_CHECKING:
    from unfreeze.evaluation import Prediction
    from unfreeze.predicting.predictor import Predictor
    from unfreeze.records import ModelRecord

__all__ = ["heat_map_name", "with_heat_maps"]

LONGEST_STEM = 50  # characters, so that the name fits into 255 bytes of whatever alphabet


def with_heat_maps(
    predictor: Predictor, predictions: Iterable[Prediction], directory: Path, *, first: int = 1
) -> Iterator[Prediction]:
    """Pass predictions on, after the heat map of each picture is in a directory: for what was decided about it.

    Of several labels the most probable is explained, of several targets the first. A picture that cannot be read has
    none.

    Args:
        predictor: what they come from.
        predictions: one after another.
        directory: is made; files in it with the same names are replaced.
        first: the number of the first picture.

    Raises:
        ModelError: there are no heat maps of this network, or captum is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remaining, number = iter(predictions), first
    for each in remaining:
        several = [each, *islice(remaining, BATCH_SIZE - 1)]
        _draw(predictor, several, directory, first=number)
        number += len(several)
        yield from several


def heat_map_name(number: int, file: str) -> str:
    """Return what the heat map of a picture is called: its number, which no other has, and its name.

    >>> heat_map_name(12, "photos/cat/IMG_1.jpg")
    '0000012-IMG_1.png'
    """
    return f"{number:07d}-{Path(file).stem[:LONGEST_STEM]}.png"


def _draw(predictor: Predictor, predictions: list[Prediction], directory: Path, *, first: int) -> None:
    views, outputs, names = [], [], []
    for number, prediction in enumerate(predictions, first):
        if prediction.error is not None:
            continue
        try:
            views.append(predictor.prepare(Path(prediction.file)))
        except ImageError:  # it went missing since it was predicted
            continue
        outputs.append(_explained(prediction, predictor.model_record))
        names.append(heat_map_name(number, prediction.file))
    if not views:
        return
    found = predictor.explain(views, outputs)
    if found.note is not None:
        raise ModelError(found.note)
    for view, values, name in zip(views, found.maps, names, strict=True):
        draw_heat_map(view.numpy(), values).save(directory / name, "PNG")


def _explained(prediction: Prediction, record: ModelRecord) -> int:
    """Return the number of the output that is explained."""
    match record.task:
        case "classification":
            return record.outputs.index(str(prediction.prediction))
        case "multilabel":
            return int(np.argmax([prediction.scores[name] for name in record.outputs]))
    return 0
