"""OpenVINO, by its frontend from a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unfreeze.engines.converting import convert
from unfreeze.engines.openvino_core import openvino_core
from unfreeze.exporting.deployment import INPUT, Deployment, example_pictures, open_axes, output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["RT_INFO", "open_openvino", "write_openvino"]

RT_INFO = "unfreeze"  # where in the file's rt_info the metadata lie


def write_openvino(deployment: Deployment, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write a network as an OpenVINO graph, `path`, with its weights in a `.bin` beside it, in float32.

    Args:
        deployment: a network, with a resizing where it is to take pictures of any size.
        path: of the `.xml`.
        metadata: goes into the file's `rt_info`, below "unfreeze".

    Raises:
        Exception: whatever PyTorch or OpenVINO raise about a network that they cannot convert.
    """
    import openvino

    shape = tuple(example_pictures(deployment).shape)
    model = convert(deployment, shape, open_axes=open_axes(deployment))
    model.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(model.outputs, output_names(deployment.network.record.task), strict=True):
        output.get_tensor().set_names({name})
    for name, text in metadata.items():
        model.set_rt_info(text, [RT_INFO, name])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def open_openvino(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what runs an OpenVINO file on uint8 pictures (B, 3, h, w), on the CPU, in float32."""
    compiled = openvino_core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = compiled(images)
        return tuple(np.array(found[output]) for output in compiled.outputs)  # the next call writes over them

    return run
