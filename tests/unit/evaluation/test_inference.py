"""A whole network in an engine says what PyTorch says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from unfreeze.backbones import load_network
from unfreeze.data import batches, open_dataset
from unfreeze.evaluation import predict_outputs
from unfreeze.evaluation.inference import LEAST_PICTURES, compute_outputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("n", [7, LEAST_PICTURES + 2])
def test_outputs_are_those_of_pytorch_and_modes_stay(image_folder: Path, n: int) -> None:
    dataset = open_dataset(image_folder)
    network = load_network(
        "test_efficientnet", task="classification", outputs=dataset.outputs, size=32, pretrained=False
    ).train()
    network.backbone.conv_stem.eval()
    modes = [module.training for module in network.modules()]
    order = np.arange(n) % len(dataset)
    got, notes = compute_outputs(network, batches(dataset, order, network.spec, batch_size=6), n_images=n)
    assert [module.training for module in network.modules()] == modes
    assert notes == ()
    expected = torch.from_numpy(predict_outputs(network, batches(dataset, order, network.spec, batch_size=6)))
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()
