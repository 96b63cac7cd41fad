"""What a prefix is, as two hashes: of what it computes, and of the weights with which it does."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterator
from typing import Any

import timm
import torch
from torch import Tensor, fx, nn

from unfreeze.freezing.hashes import hash_tensors

__all__ = ["hash_graph", "hash_weights"]

OF_EVERY_MODULE = frozenset(vars(nn.Module()).keys() - {"training"})
# Where weights came from, which says nothing about what is computed.
NO_CONFIGURATION = frozenset({"default_cfg", "pretrained_cfg", "pretrained_loc", "hf_hub_id"})


def hash_graph(prefix: fx.GraphModule) -> str:
    """Return the sha256 of what a prefix computes, apart from the values in its tensors.

    It covers the operations with their arguments; every module in it with its class, mode and settings; the versions
    of torch and timm; and the source of classes that belong to neither. It is the same in every process.
    """
    digest = hashlib.sha256(f"torch {torch.__version__} timm {timm.__version__}\n".encode())
    for line in _lines(prefix):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def hash_weights(prefix: nn.Module) -> str:
    """Return the sha256 of every tensor that a prefix reads: parameters, buffers, and those it holds unregistered."""
    loose = {
        f"{path}.{name}": value
        for path, module in prefix.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    }
    return hash_tensors({**loose, **dict(prefix.named_buffers()), **dict(prefix.named_parameters())})


def _lines(prefix: fx.GraphModule) -> Iterator[str]:
    numbers = {node: f"%{i}" for i, node in enumerate(prefix.graph.nodes)}
    classes: set[type] = set()
    for node in prefix.graph.nodes:
        target = node.target if isinstance(node.target, str) else _qualified(node.target)
        if node.op == "placeholder":
            target = ""  # a name
        arguments = fx.node.map_arg((node.args, node.kwargs), lambda source: _Number(numbers[source]))
        yield f"{numbers[node]} {node.op} {target} {_text(arguments)}"
        if node.op == "call_module":
            for path, module in prefix.get_submodule(target).named_modules():
                classes.add(type(module))
                yield f"  {path} {_qualified(type(module))} {_settings(module)}"
    yield from sorted(_source(each) for each in classes if not each.__module__.startswith(("torch.", "timm.")))


class _Number(str):
    """The number of a node, as an argument."""

    __slots__ = ()


def _settings(module: nn.Module) -> str:
    return _text(
        {
            name: value
            for name, value in sorted(vars(module).items())
            if name not in OF_EVERY_MODULE and name not in NO_CONFIGURATION and not _is_state(value)
        }
    )


def _is_state(value: Any) -> bool:
    """Tell whether a value is no setting: a tensor, or a dict in which a module keeps what it computed from some."""
    if isinstance(value, dict):
        return all(isinstance(item, Tensor) for item in value.values())
    return isinstance(value, Tensor | nn.Module)


def _text(value: Any) -> str:
    """Write a value in a way that is the same in every process: without addresses, and sets in order."""
    match value:
        case dict():
            text = "{" + ", ".join(f"{_text(key)}: {_text(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            text = "[" + ", ".join(map(_text, value)) + "]"
        case set() | frozenset():
            text = "{" + ", ".join(sorted(map(_text, value))) + "}"
        case functools.partial():
            text = f"partial {_text(value.func)} {_text(value.args)} {_text(value.keywords)}"
        case Tensor():
            text = f"tensor {hash_tensors({'': value})}"
        case _:
            text = _qualified(value) if callable(value) or " at 0x" in repr(value) else repr(value)
    return text


def _qualified(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', '')}.{named.__qualname__}"


def _source(each: type) -> str:
    try:
        return inspect.getsource(each)
    except (OSError, TypeError):  # typed into an interpreter
        return _qualified(each)
