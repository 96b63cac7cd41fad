"""The order in which a network uses its parameters, and what each use costs, seen in one forward pass.

The pass runs on a copy whose tensors have shapes but no values, so that it costs milliseconds and
leaves the network as it was. Parameters are recognised by identity in the arguments of every torch
call: this also sees what hooks on modules miss (class tokens, bias tables, layer scales, fused
attention), and the same trace gives the multiply-adds and the sizes of the outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from unfreeze.errors import ModelError

__all__ = ["Call", "Trace", "meta_copy", "output_shape", "trace", "unwrap"]

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Call:
    """One torch call in which parameters meet the image, or one that computes on the image alone.

    `macs` are multiply-adds and `n_activations` output elements, both for the whole example.
    """

    parameters: tuple[str, ...]
    macs: int
    n_activations: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What one forward pass showed.

    `first_use` gives, for every parameter that was used, the index of its first call in `calls`;
    `output` is the shape of the network's output, or None if it is not one tensor.
    """

    calls: tuple[Call, ...]
    first_use: Mapping[str, int]
    output: tuple[int, ...] | None


def trace(model: nn.Module, example: Any) -> Trace:
    """Run one forward pass in inference mode and see which parameters it uses, in which order.

    Args:
        model: any module; it is not changed, and its mode and gradients flags do not matter.
        example: the input: a tensor, a tuple of positional or a dict of keyword arguments.

    Raises:
        ModelError: the network does not run on the example.
    """
    return _seen(_watched, model, example)


def output_shape(model: nn.Module, example: Any) -> tuple[int, ...] | None:
    """Return the shape of a network's output, or None if it is not one tensor.

    The arguments and errors are those of `trace`, which also sees how it comes about, and takes several times as long.
    """
    return _seen(_shape, model, example)


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside torch.compile's and the parallel wrappers."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def _seen(look: Callable[[nn.Module, Any, str], Seen], model: nn.Module, example: Any) -> Seen:
    """Look at a forward pass of a copy: of one without values, or, where a network needs them, with."""
    try:
        try:
            return look(meta_copy(model), example, "meta")
        except Exception:  # a network may need values, not shapes alone
            if any(tensor.is_meta for tensor in model.parameters()):
                raise
            return look(copy.deepcopy(model).cpu(), example, "cpu")
    except Exception as error:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in tree_leaves(example) if isinstance(leaf, Tensor))
        reason = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"{type(model).__name__} does not run on an input of shape {shapes}: {type(error).__name__}: {reason[0]}. "
            "Give another size, or an input it accepts as example=."
        ) from error


def meta_copy(model: nn.Module) -> nn.Module:
    """Copy a module, with every tensor that it holds, registered or not, replaced by one without values."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        held = [tensor for tensor in tree_leaves(list(vars(module).values())) if isinstance(tensor, Tensor)]
        for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False), *held]:
            if id(tensor) not in memo:
                empty = torch.empty_like(tensor, device="meta", requires_grad=False)
                memo[id(tensor)] = (
                    nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty
                )
    return copy.deepcopy(model, memo)


def _watched(model: nn.Module, example: Any, device: str) -> Trace:
    counter = FlopCounterMode(display=False)
    watch = _Watch(names={id(p): name for name, p in model.named_parameters()}, counter=counter)
    output = _output(model, example, device, counter, watch)
    return Trace(
        calls=tuple(watch.calls),
        first_use=watch.first_use(),
        output=tuple(output.shape) if isinstance(output, Tensor) else None,
    )


def _shape(model: nn.Module, example: Any, device: str) -> tuple[int, ...] | None:
    output = _output(model, example, device)
    return tuple(output.shape) if isinstance(output, Tensor) else None


def _output(model: nn.Module, example: Any, device: str, *watchers: AbstractContextManager[Any]) -> Any:
    model.eval().requires_grad_(requires_grad=False)
    arguments = tree_map(lambda leaf: _as_input(leaf, device), example)
    with torch.enable_grad(), torch.device(device), ExitStack() as watched:
        for watcher in watchers:
            watched.enter_context(watcher)
        if isinstance(arguments, tuple):
            return model(*arguments)
        if isinstance(arguments, dict):
            return model(**arguments)
        return model(arguments)


def _as_input(leaf: Any, device: str) -> Any:
    """Move a tensor of the example; a floating one asks for gradients, which then mark what depends on it."""
    if not isinstance(leaf, Tensor):
        return leaf
    moved = leaf.detach().to(device)
    # A clone, because a leaf of the autograd graph cannot be changed in place.
    return moved.requires_grad_().clone() if moved.is_floating_point() else moved


@dataclass
class _Watch(TorchFunctionMode):
    """Records which parameters each torch call reads.

    A tensor depends on the image exactly if autograd tracks it (only the input asks for gradients).
    What is computed from parameters alone (an expanded token, a gathered bias table) stands for those
    parameters until it meets the image: that call is their use.
    """

    names: Mapping[int, str]
    counter: FlopCounterMode
    calls: list[Call] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    derived: dict[int, tuple[Tensor, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call and note it."""
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        meets_image = any(tensor.requires_grad for tensor in tensors)
        read = tuple(dict.fromkeys(name for tensor in tensors for name in self._stands_for(tensor)))
        before = self.counter.get_total_flops()
        result = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if func is Tensor.__setitem__:
            outputs = [args[0]]
        macs = (self.counter.get_total_flops() - before) // 2
        if outputs and (read or macs):
            self._note(read, outputs, macs, meets_image=meets_image)
        return result

    def first_use(self) -> dict[str, int]:
        """Return the call that first used each parameter; one that never met the image counts where it was read."""
        return {**self.touched, **self.used}

    def _stands_for(self, tensor: Tensor) -> Iterator[str]:
        if id(tensor) in self.names:
            yield self.names[id(tensor)]
        elif id(tensor) in self.derived:
            yield from self.derived[id(tensor)][1]

    def _note(self, read: tuple[str, ...], outputs: list[Tensor], macs: int, *, meets_image: bool) -> None:
        index = len(self.calls)
        for name in read:
            self.touched.setdefault(name, index)
        if meets_image:
            for name in read:
                self.used.setdefault(name, index)
            self.calls.append(Call(read, macs, sum(t.numel() for t in outputs) if read else 0))
            return
        self.calls.append(Call((), macs, 0))
        for tensor in outputs:
            # The tensor itself is kept, so that no other can take over its identity.
            if id(tensor) not in self.names:
                self.derived[id(tensor)] = (tensor, read)
