"""Predicting pictures in files, against the engine alone."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from components.registry import Reading, Room, part, seconds_of

if TYPE_CHECKING:
    from torch import Tensor

    from unfreeze.predicting import Predictor

__all__ = ["predicting"]

MODEL = "tf_efficientnet_lite0"
SIZE = 224  # px
N_PICTURES = 4000
N_IN_MEMORY = 512
BATCH_SIZE = 32
LEAST_SHARE = 0.9


@part
def predicting(room: Room) -> list[Reading]:
    """A folder is predicted into a table at 90% of what the engine alone does with pictures in memory.

    Where decoding takes the cores from the engine, no program reaches the engine's own throughput: what is possible
    then is 1 / (1/engine + 1/decoding), each alone on all cores.
    """
    import torch

    from unfreeze.data import prefetch
    from unfreeze.evaluation.inference import open_network
    from unfreeze.predicting import PictureFiles, predict_table

    predictor = _predictor(room)
    folder = PictureFiles([_pictures(room)])
    files = list(folder)
    chunks = [files[i : i + BATCH_SIZE] for i in range(0, len(files), BATCH_SIZE)]
    batches = [torch.stack(views) for _, views in prefetch(predictor.prepare, chunks[: N_IN_MEMORY // BATCH_SIZE])]
    engine = open_network(predictor.network, batches[0], device=torch.device("cpu"), batch_size=BATCH_SIZE).engine

    def in_memory() -> Tensor:
        return torch.cat([found for (found,) in engine.run(islice(cycle(batches), len(chunks)))])

    def decoding() -> None:
        for _ in prefetch(predictor.prepare, chunks):
            pass

    def predict() -> None:
        predict_table(predictor, room.folder / "run", folder, room.folder / "predictions.csv")

    list(predictor.stream(files[:N_IN_MEMORY]))  # opens its engine
    both, by_engine, rates = [], [], []
    for _ in range(room.n_repeats):
        computing, reading, whole = seconds_of(in_memory), seconds_of(decoding), seconds_of(predict)
        rates.append([N_PICTURES / seconds for seconds in (computing, reading, whole)])
        by_engine.append(computing / whole)
        both.append((computing + reading) / whole)
    alone, read, done = (median(column) for column in zip(*rates, strict=True))
    return [
        Reading(name="predicting a folder into a table", value=done, unit="img/s"),
        Reading(name="the engine alone", value=alone, unit="img/s"),
        Reading(name="decoding alone", value=read, unit="img/s"),
        Reading(name="predicting against the engine", value=median(by_engine), unit="×", limit=LEAST_SHARE),
        Reading(name="predicting against engine and decoding", value=median(both), unit="×", limit=LEAST_SHARE),
    ]


def _predictor(room: Room) -> Predictor:
    """Return a predictor of a network of random weights, whose speed is that of any others."""
    from unfreeze.backbones import load_network, save_network
    from unfreeze.predicting import Predictor
    from unfreeze.records import DataRecord, RunRecord, TrainOptions, WeightsRecord

    outputs = tuple(f"class {number}" for number in range(20))
    network = load_network(MODEL, task="classification", outputs=outputs, size=SIZE, pretrained=False)
    record = RunRecord(
        status="done",
        created="",
        config=TrainOptions(),
        data=DataRecord(path="", fingerprint="", n_images=0, counts={}, split_counts={}, split_sha256=""),
        classes=outputs,
        split={},
        weights=WeightsRecord(kind="random", source=""),
        primary_metric="accuracy",
    )
    save_network(network, room.folder / "run")
    return Predictor(network, record, batch_size=BATCH_SIZE, cache_dir=room.folder)


def _pictures(room: Room) -> Path:
    """Return a folder of links to the user's photographs, at any depth, or to solar cells; each comes several times."""
    from unfreeze.data import find_images
    from unfreeze.data.samples import write_solar_cells

    source = room.photos or write_solar_cells(room.folder / "cells", n_images=N_IN_MEMORY)
    folder = room.folder / "pictures"
    folder.mkdir()
    for number, name in enumerate(islice(cycle(find_images(source)), N_PICTURES)):
        (folder / f"{number:05d}{Path(name).suffix}").symlink_to((source / name).resolve())
    return folder
