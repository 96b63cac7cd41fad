"""A PyTorch module as an OpenVINO graph, without the conversion tool's detours.

`openvino.convert_model` scripts every submodule, runs the trace again to check it, optimises the graph twice and
reports what it does to a statistics server. The frontend that it drives does the same job on the trace of a plain
function in a third of the time (docs/adr/0011), and every engine is checked on real pictures afterwards anyway.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unfreeze.engines.engine import as_tensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]


def convert(prefix: nn.Module, shape: tuple[int, ...], *, open_axes: tuple[int, ...] = ()) -> Any:
    """Return an `openvino.Model` that computes what the prefix does, for exactly that many pictures of that size.

    The prefix is traced on blank pictures, and neither changed nor referred to afterwards. A prefix that decides by
    the values of its pictures is so likely to take another way than with those that its engine is checked on.

    Args:
        prefix: uint8 pictures in, one tensor or several out.
        shape: (n, 3, height, width) of the pictures.
        open_axes: axes of the pictures whose lengths are left open instead; `shape` is that of the trace alone.

    Raises:
        Exception: whatever PyTorch or OpenVINO raise about a network that they cannot trace or convert.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    traced = _traced(_private_copy(prefix), torch.zeros(shape, dtype=torch.uint8))
    decoder = TorchScriptPythonDecoder(traced, shared_memory=False)  # must live until the graph is converted
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape([-1 if axis in open_axes else length for axis, length in enumerate(shape)])
    for output in model.outputs:
        found = output.get_partial_shape()
        if not _has_rows(found, n=None if 0 in open_axes else shape[0]):
            raise ValueError(f"an output of shape {found} has not one row for each of {shape[0]} pictures")
    return model


def _has_rows(shape: Any, *, n: int | None) -> bool:
    """Tell whether an output has n rows; None: as many as there are pictures."""
    if n is None:
        return bool(shape.rank.is_static) and len(shape) > 0 and bool(shape[0].is_dynamic)
    return bool(shape.is_static) and len(shape) > 0 and bool(shape[0].get_length() == n)


def _private_copy(prefix: nn.Module) -> nn.Module:
    """Copy the modules but not the weights; these need no gradient in the copy, as tracing them as constants asks.

    Modes and hooks of the original may change while the copy is traced.
    """
    shared: dict[int, Any] = {
        id(each): nn.Parameter(each.detach().cpu(), requires_grad=False) for each in prefix.parameters()
    }
    shared |= {id(each): each.detach().cpu() for each in prefix.buffers()}
    return copy.deepcopy(prefix, shared)


def _traced(module: nn.Module, images: Tensor) -> Any:
    """Trace as a function: the weights become constants, and no submodule is scripted."""
    # Filters are the process's: another thread that sets some in these moments may lose or keep them. Tracing warns
    # of control flow, and of its own age; neither is for the user, who is told if the outcome deviates.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        return trace(lambda pictures: as_tensors(module(pictures)), images, check_trace=False)
