"""What bf16 costs and gains in the frozen part: speed, deviation, and the accuracy of a head on what it gives.

    python benchmarks/precision.py ../shared/data/trashnet ../shared/data/grocery …

Each data set is split three times; its features are computed in fp32 and in bf16 by the same engine, and a head is
fitted to each by L-BFGS, the strength of the penalty being chosen on validation.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import record_missing

from unfreeze.backbones import input_spec, load_network
from unfreeze.data import batches
from unfreeze.engines import open_engine
from unfreeze.freezing import apply_plan
from unfreeze.frontier import Split, split_network
from unfreeze.metrics import PRIMARY, score
from unfreeze.plans import make_plan
from unfreeze.records import TrainOptions
from unfreeze.training import Silent
from unfreeze.training.inputs import StudiedData, open_data, study_data
from unfreeze.training.lbfgs import Linear, fit_linear, l2_strengths, standardise
from unfreeze.training.loss import loss_function

MODEL, SIZE, BATCH_SIZE, SEEDS, N_STRENGTHS = "tf_efficientnet_lite0", 224, 32, range(3), 10


def main() -> None:
    """Measure what is missing; each row is printed as it is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    keys = (
        {"data": data, "seed": seed, "precision": precision}
        for data, seed, precision in product(parser.parse_args().data, SEEDS, ("fp32", "bf16"))
    )
    record_missing("precision.jsonl", keys, _measured)


def _measured(*, data: Path, seed: int, precision: Any) -> dict[str, Any]:
    options = TrainOptions(seed=seed)
    spec = input_spec(MODEL, size=SIZE)
    studied = study_data(data, open_data(data, options), options, Silent(), spec=spec)
    dataset = studied.dataset
    network = load_network(MODEL, task=dataset.task, outputs=dataset.outputs, size=SIZE)
    apply_plan(network, make_plan("head", network.layers), step=0, steps_per_epoch=1)
    pictures = torch.cat([b.images for b in batches(dataset, range(len(dataset)), spec, batch_size=BATCH_SIZE)])
    split = split_network(network, pictures[:3])
    if not isinstance(split, Split):
        raise TypeError(f"The network cannot be split: {split.reason}.")
    opened = open_engine(
        split.prefix, pictures, device=torch.device("cpu"), engine="auto", precision=precision, batch_size=BATCH_SIZE
    )
    began = time.monotonic()
    vectors = torch.cat([found for (found,) in opened.engine.run(pictures.split(BATCH_SIZE))])
    seconds = time.monotonic() - began
    return {
        "engine": opened.engine.name,
        "computed_in": opened.engine.precision,
        "deviation": opened.check,
        "pictures_per_second": round(len(pictures) / seconds, 1),
        **_fitted(vectors, studied),
    }


def _fitted(vectors: torch.Tensor, data: StudiedData) -> dict[str, float]:
    """Return validation and test figures of the head that is best on validation."""
    dataset, sides = data.dataset, data.split
    train, n_outputs = torch.tensor(sides.train), len(dataset.outputs)
    rows = standardise(vectors[train].clone())
    targets, loss = torch.from_numpy(dataset.targets)[train], loss_function(dataset.task)
    found = Linear(torch.zeros(n_outputs, rows.rows.shape[1]).double(), torch.zeros(n_outputs).double())
    metric, best = PRIMARY[dataset.task], {"val": -np.inf, "test": -np.inf}
    for strength in l2_strengths(N_STRENGTHS):
        found = fit_linear(rows, targets, loss, l2=strength, start=found)
        layer = rows.fold(found)
        outputs = (vectors.double() @ layer.weight.T + layer.bias).softmax(dim=1).numpy()
        figures = {
            name: score(metric, dataset.targets[list(side)], outputs[list(side)])
            for name, side in (("val", sides.val), ("test", sides.test))
        }
        best = figures if figures["val"] > best["val"] else best
    return best


if __name__ == "__main__":
    main()
