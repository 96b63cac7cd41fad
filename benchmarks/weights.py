"""`python benchmarks/weights.py FILE`: the bundled ImageNet weights by timm's names, for the peers to load."""

from __future__ import annotations

import sys
from pathlib import Path

import safetensors.torch
import timm

from unfreeze.backbones.bundled import bundled_file
from unfreeze.backbones.weights import fit_tensors, read_tensors

MODEL = "tf_efficientnet_lite0"


def main() -> None:
    """Write the file, classifier included, so that timm takes it for its own release."""
    network = timm.create_model(MODEL)
    path = bundled_file(MODEL)
    tensors, _ = fit_tensors(network, read_tensors(path), source=path.name)
    network.load_state_dict(tensors, strict=False)  # the running counters are not in the file, and change no output
    safetensors.torch.save_file(network.state_dict(), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
