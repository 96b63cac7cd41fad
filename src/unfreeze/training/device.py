"""Where a training computes and how precisely, through accelerate."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unfreeze.backbones import keep_freed_memory
from unfreeze.errors import ConfigError
from unfreeze.evaluation.predicting import laid_out

if TYPE_CHECKING:
    from unfreeze.backbones import Network

__all__ = ["Device", "device_problem", "find_device"]


def device_problem(device: str, precision: str) -> str | None:
    """Say why a device or precision cannot be had here; `None` if it can."""
    if device == "cuda" and not torch.cuda.is_available():
        return "--device cuda: PyTorch sees no CUDA device here; leave --device out, or install PyTorch for CUDA."
    if precision == "bf16" and device != "cpu" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        return "--precision bf16: this GPU has no bfloat16; use --precision fp32."
    return None


def find_device(device: str) -> torch.device:
    """Return where to compute: "auto" is a GPU if there is one, "cpu" and "cuda" are what they say.

    Raises:
        ConfigError: there is no such device here.
    """
    problem = device_problem(device, "fp32")
    if problem:
        raise ConfigError(problem)
    return torch.device("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")


class Device:
    """A device and a precision, chosen once for a training.

    Args:
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (fp32), "fp32" or "bf16" (autocast; the weights stay fp32).
    """

    def __init__(self, device: str = "auto", precision: str = "auto") -> None:
        problem = device_problem(device, precision)
        if problem:
            raise ConfigError(problem)
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        # accelerate keeps the first training's device and precision for the whole process, and refuses others.
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - it has no public name
        self.precision = "fp32" if precision == "auto" else precision
        cpu = device == "cpu" or not torch.cuda.is_available()
        self._accelerator: Any = Accelerator(cpu=cpu, mixed_precision="bf16" if self.precision == "bf16" else "no")
        self.torch_device: torch.device = self._accelerator.device
        if self.torch_device.type == "cpu":
            keep_freed_memory()
        if self.torch_device.type == "cuda":  # the same bits in every run
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True

    def place(self, network: Network) -> Network:
        """Move a network to the device, with its convolution weights channels-last (faster, also on CPUs)."""
        return network.to(self.torch_device).to(memory_format=torch.channels_last)

    def send(self, tensor: Tensor) -> Tensor:
        """Move a batch to the device, pictures and maps channels-last."""
        return laid_out(tensor.to(self.torch_device, non_blocking=True))

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which the forward pass runs."""
        if self.precision == "fp32":
            return nullcontext()
        context: AbstractContextManager[None] = self._accelerator.autocast()
        return context
