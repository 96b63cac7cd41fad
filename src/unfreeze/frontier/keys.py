"""What a prefix is, as two hashes: of what it computes, and of the weights with which it does."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

import timm
import torch
from torch import Tensor, fx, nn

from unfreeze.freezing.hashes import hash_tensors
from unfreeze.version import __version__

__all__ = ["engine_key", "hash_graph", "hash_weights"]

OF_EVERY_MODULE = frozenset(vars(nn.Module()).keys() - {"training"})
# Where weights came from, which says nothing about what is computed.
NO_CONFIGURATION = frozenset({"default_cfg", "pretrained_cfg", "pretrained_loc", "hf_hub_id"})


def hash_graph(prefix: nn.Module) -> str:
    """Return the sha256 of what a prefix, or another module, computes, apart from the values in its tensors.

    It covers the operations with their arguments, where it is a graph; every module in it with its class, mode,
    settings and forward hooks; the versions of torch and timm; and the source of classes and hooks that belong to
    neither. It is the same in every process.
    """
    digest = hashlib.sha256(f"torch {torch.__version__} timm {timm.__version__}\n".encode())
    lines = _graph_lines(prefix) if isinstance(prefix, fx.GraphModule) else _module_lines(prefix)
    for line in (*lines, *_sources(prefix)):
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


def engine_key(prefixes: Iterable[tuple[str, str]], pictures: Tensor) -> str:
    """Return by what a stored engine is known: what it computes, and the size that it was made for.

    Args:
        prefixes: of each prefix, or whole network, that it computes: `hash_graph` and `hash_weights` of it.
        pictures: uint8 (B, 3, height, width) as it is given them.
    """
    parts = (*(part for prefix in prefixes for part in prefix), *pictures.shape[1:])
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _graph_lines(prefix: fx.GraphModule) -> Iterator[str]:
    numbers = {node: f"%{i}" for i, node in enumerate(prefix.graph.nodes)}
    for node in prefix.graph.nodes:
        target = node.target if isinstance(node.target, str) else _qualified(node.target)
        arguments = fx.node.map_arg((node.args, node.kwargs), lambda source: _Number(numbers[source]))
        # An input's target is its name.
        yield f"{numbers[node]} {node.op} {'' if node.op == 'placeholder' else target} {_text(arguments)}"
        if node.op == "call_module":
            yield from _module_lines(prefix.get_submodule(target))


def _module_lines(module: nn.Module) -> Iterator[str]:
    for path, part in module.named_modules():
        yield f"  {path} {_qualified(type(part))} {_settings(part)}"
        for hook in _hooks(part):
            yield f"    {_text(hook)}"


def _hooks(module: nn.Module) -> Iterator[Any]:
    """Yield what is called before and after a module's forward, which may change what goes in and comes out."""
    for kind in ("_forward_pre_hooks", "_forward_hooks"):
        yield from vars(module)[kind].values()


def _sources(module: nn.Module) -> list[str]:
    """Return the source of the classes and hooks in a module that no version of a library stands for."""
    parts = [part for part in module.modules() if not isinstance(part, fx.GraphModule)]
    hooks = {hook if inspect.isfunction(hook) else type(hook) for part in parts for hook in _hooks(part)}
    own = {each for each in {*map(type, parts), *hooks} if not each.__module__.startswith(("torch.", "timm."))}
    # A hook computes by functions of its module; those of unfreeze also by functions of others.
    modules = {home for each in own & hooks if (home := inspect.getmodule(each)) is not None}
    versions = [f"unfreeze {__version__}"] if any(each.__module__.startswith("unfreeze.") for each in own) else []
    return [*sorted(map(_source, own | modules)), *versions]


class _Number(str):
    """The number of a node, as an argument."""

    __slots__ = ()


def _settings(module: nn.Module) -> str:
    settings = {name: value for name, value in sorted(vars(module).items()) if not _is_state(value)}
    for name in tuple(settings):
        is_cache = isinstance(getattr(type(module), name, None), functools.cached_property)
        if is_cache or name in OF_EVERY_MODULE or name in NO_CONFIGURATION:
            del settings[name]
    return _text(settings)


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
        case _ if is_dataclass(value) and not isinstance(value, type):
            said = {each.name: getattr(value, each.name) for each in fields(value) if each.repr}
            text = f"{_qualified(type(value))} {_text(said)}"
        case _:
            text = _qualified(value) if callable(value) or " at 0x" in repr(value) else repr(value)
    return text


def _qualified(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', '')}.{named.__qualname__}"


def _source(each: type | Callable[..., Any] | ModuleType) -> str:
    try:
        return inspect.getsource(each)
    except (OSError, TypeError):  # typed into an interpreter
        return _qualified(each)
