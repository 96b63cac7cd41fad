"""ONNX: the network as PyTorch converts it, and before it the resizing, which is put together here.

The resizing is not left to PyTorch's converter: its older one has none with antialiasing, and releases of the newer one
wrote coefficients other than PyTorch's own (pytorch/pytorch issues 157220 and 177138). Two `Resize` of opset 18, along
the width and then the height, each rounded to whole grey levels, are what training's resizing does.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unfreeze.exporting.deployment import INPUT, N_EXAMPLE, Deployment, output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from unfreeze.data import InputSpec

__all__ = ["open_onnx", "write_onnx"]

OPSET = 18  # the first whose Resize knows antialiasing
KEYS_CUBIC = -0.5  # PyTorch's and Pillow's coefficient where they antialias
RESIZED = "resized"  # the name of the pictures at the network's size


def write_onnx(deployment: Deployment, path: Path, *, any_size: bool, metadata: Mapping[str, str]) -> None:
    """Write a network as one ONNX file.

    Args:
        deployment: a network without a resizing of its own.
        path: of the file.
        any_size: put the resizing before it.
        metadata: goes into the file's `metadata_props`.

    Raises:
        Exception: whatever PyTorch or ONNX raise about a network that they cannot convert.
    """
    import onnx

    spec, task = deployment.network.spec, deployment.network.record.task
    model = _converted(deployment, spec.size)
    if any_size:
        _put_resizing_before(model, spec)
    model.producer_name = "unfreeze"
    model.producer_version = metadata["unfreeze_version"]
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == [*output_names(task)]
    onnx.save_model(model, str(path))


def open_onnx(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what runs an ONNX file on uint8 pictures (B, 3, h, w), on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {INPUT: images}))


def _converted(deployment: Deployment, size: tuple[int, int]) -> Any:
    """Return the network as an `onnx.ModelProto` that takes any number of pictures of one size."""
    example = torch.zeros((N_EXAMPLE, 3, *size), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter about itself; whether it is right is seen on pictures
        program = torch.onnx.export(
            deployment,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[*output_names(deployment.network.record.task)],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _put_resizing_before(model: Any, spec: InputSpec) -> None:
    """Let the graph take pictures of any height and width, and resize them to what it took before."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    (images,) = graph.input
    for node in graph.node:
        node.input[:] = [RESIZED if name == images.name else name for name in node.input]
    height, width = spec.size
    kind: dict[str, str | int | float] = {"mode": "linear"}
    if spec.interpolation == "bicubic":
        kind = {"mode": "cubic", "cubic_coeff_a": KEYS_CUBIC}
    kind |= {"antialias": 1, "exclude_outside": 1, "coordinate_transformation_mode": "half_pixel"}
    constants = {
        "resize/height": np.array([height], np.int64),
        "resize/width": np.array([width], np.int64),
        "resize/black": np.float32(0),
        "resize/white": np.float32(255),
    }
    nodes = [helper.make_node("Cast", [images.name], ["resize/levels"], to=TensorProto.FLOAT)]
    last = "resize/levels"
    for side, axis in (("width", 3), ("height", 2)):
        nodes += [
            helper.make_node("Resize", [last, "", "", f"resize/{side}"], [f"resize/{side}/exact"], axes=[axis], **kind),
            helper.make_node("Round", [f"resize/{side}/exact"], [f"resize/{side}/whole"]),
            helper.make_node("Clip", [f"resize/{side}/whole", "resize/black", "resize/white"], [f"resize/{side}/done"]),
        ]
        last = f"resize/{side}/done"
    nodes.append(helper.make_node("Cast", [last], [RESIZED], to=TensorProto.UINT8))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    batch = images.type.tensor_type.shape.dim[0].dim_param or "batch"
    taken = helper.make_tensor_value_info(images.name, TensorProto.UINT8, [batch, 3, "height", "width"])
    images.CopyFrom(taken)
    onnx.checker.check_model(model)
