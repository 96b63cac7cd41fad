"""ONNX, by PyTorch's converter."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from unfreeze.exporting.deployment import INPUT, Deployment, example_pictures, open_axes, output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["open_onnx", "write_onnx"]

OPSET = 18  # the oldest that the converter writes
AXES = {0: "batch", 2: "height", 3: "width"}


def write_onnx(deployment: Deployment, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write a network as one ONNX file.

    Args:
        deployment: a network, with a resizing where it is to take pictures of any size.
        path: of the file.
        metadata: goes into the file's `metadata_props`.

    Raises:
        Exception: whatever PyTorch or ONNX raise about a network that they cannot convert.
    """
    import onnx

    dimensions = {axis: torch.export.Dim(AXES[axis]) for axis in open_axes(deployment)}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter about itself; whether it is right is seen on pictures
        program = torch.onnx.export(
            deployment,
            (example_pictures(deployment),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[*output_names(deployment.network.record.task)],
            dynamic_shapes=(dimensions,),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.producer_name = "unfreeze"
    model.producer_version = metadata["unfreeze_version"]
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(path))


def open_onnx(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what runs an ONNX file on uint8 pictures (B, 3, h, w), on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {INPUT: images}))
