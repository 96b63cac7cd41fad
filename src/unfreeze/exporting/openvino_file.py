"""OpenVINO: the network as its frontend converts a trace, and before it the resizing, as Pillow does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unfreeze.engines.converting import convert
from unfreeze.exporting.deployment import INPUT, N_EXAMPLE, Deployment, output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from unfreeze.data import InputSpec

__all__ = ["RT_INFO", "open_openvino", "write_openvino"]

RT_INFO = "unfreeze"  # where in the file's rt_info the metadata lie
KEYS_CUBIC = -0.5  # PyTorch's and Pillow's coefficient where they antialias


def write_openvino(deployment: Deployment, path: Path, *, any_size: bool, metadata: Mapping[str, str]) -> None:
    """Write a network as an OpenVINO graph, `path`, with its weights in a `.bin` beside it, in float32.

    Args:
        deployment: a network without a resizing of its own.
        path: of the `.xml`.
        any_size: put the resizing before it.
        metadata: goes into the file's `rt_info`, below "unfreeze".

    Raises:
        Exception: whatever PyTorch or OpenVINO raise about a network that they cannot convert.
    """
    import openvino

    spec, task = deployment.network.spec, deployment.network.record.task
    model = convert(deployment, (N_EXAMPLE, 3, *spec.size), any_batch=True)
    if any_size:
        model = _with_resizing(model, spec)
    model.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(model.outputs, output_names(task), strict=True):
        output.get_tensor().set_names({name})
    for name, text in metadata.items():
        model.set_rt_info(text, [RT_INFO, name])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def open_openvino(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what runs an OpenVINO file on uint8 pictures (B, 3, h, w), on the CPU, in float32."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = compiled(images)
        return tuple(np.array(found[output]) for output in compiled.outputs)  # the next call writes over them

    return run


def _with_resizing(model: Any, spec: InputSpec) -> Any:
    """Return a model that takes pictures of any height and width, and resizes them to what it took before."""
    import openvino
    from openvino import opset13

    (taken,) = model.get_parameters()
    images = opset13.parameter([-1, 3, -1, -1], np.uint8, name=INPUT)
    levels = opset13.convert(images, "f32")
    height, width = spec.size
    for size, axis in ((width, 3), (height, 2)):  # as training's resizing does, each in whole grey levels
        exact = opset13.interpolate(
            levels,
            np.array([size], np.int64),
            f"{spec.interpolation}_pillow",
            "sizes",
            axes=np.array([axis], np.int64),
            cube_coeff=KEYS_CUBIC,
        )
        levels = opset13.clamp(opset13.round(exact, "half_to_even"), 0.0, 255.0)
    resized = opset13.convert(levels, "u8")
    for consumer in taken.output(0).get_target_inputs():
        consumer.replace_source_output(resized.output(0))
    return openvino.Model(model.get_results(), [images], "unfreeze")
