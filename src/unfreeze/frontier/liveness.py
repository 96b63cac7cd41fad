"""Which nodes of a graph are live: what training can change, or what differs from pass to pass."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

__all__ = ["find_live", "leaf_of", "works_in_place"]

# Parts of the names of functions and methods that draw random numbers; dropout is judged by its arguments.
RANDOM_NAMES = ("bernoulli", "rand", "normal_", "uniform_", "exponential_", "multinomial", "rrelu")


def find_live(traced: fx.GraphModule) -> frozenset[fx.Node]:
    """Return the live nodes of a graph.

    A node is live if it is a module with parameters that train, reads such a parameter as an attribute (a layer
    scale, a bias table, a class token), is random or uses a batch's statistics in its present mode, or depends on
    a live node. So is one that may change its input in place after a live node, which could have read it before.
    """
    live: set[fx.Node] = set()
    for node in traced.graph.nodes:
        depends = any(source in live for source in node.all_input_nodes)
        late = bool(live) and works_in_place(traced, node)
        if depends or late or _is_live_itself(traced, node):
            live.add(node)
    return frozenset(live)


def leaf_of(traced: fx.GraphModule, node: fx.Node) -> nn.Module:
    """Return the module that a `call_module` node calls."""
    return traced.get_submodule(str(node.target))


def works_in_place(traced: fx.GraphModule, node: fx.Node, *, inside: bool = False) -> bool:
    """Tell whether a node may change its input.

    Args:
        traced: the graph.
        node: one of its nodes.
        inside: count a module that holds an in-place module, which may or may not be the first in it.
    """
    match node.op:
        case "call_module":
            module = leaf_of(traced, node)
            return any(getattr(m, "inplace", False) for m in (module.modules() if inside else (module,)))
        case "call_method":
            name = str(node.target)
            return name.endswith("_") and not name.endswith("__")
        case "call_function":
            name = getattr(node.target, "__name__", "")
            in_operator = getattr(node.target, "__module__", "") == "_operator" and name in _IN_PLACE_OPERATORS
            return bool(in_operator or name.endswith("_") or node.kwargs.get("inplace") is True)
    return False


_IN_PLACE_OPERATORS = frozenset({
    "iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow", "imatmul", "iand", "ior", "ixor", "imod",
})  # fmt: skip


def _is_live_itself(traced: fx.GraphModule, node: fx.Node) -> bool:
    match node.op:
        case "call_module":
            module = leaf_of(traced, node)
            return any(parameter.requires_grad for parameter in module.parameters()) or any(
                _is_unsteady(part) for part in module.modules()
            )
        case "get_attr":
            value = _attribute(traced, str(node.target))
            return isinstance(value, torch.Tensor) and value.requires_grad
        case "call_function" | "call_method":
            return _is_random_call(node)
    return False


def _is_unsteady(module: nn.Module) -> bool:
    """Tell whether one module, apart from those in it, may be random or use batch statistics as it stands.

    Its code says so: the methods of dropout, stochastic depth, batch norm and fused attention read `training`.
    """
    if isinstance(module, _BatchNorm) and module.running_mean is None:
        return True
    if _forward_draws(module) and not _class_reads_training(module):
        return True
    return module.training and not _drops_nothing(module) and _class_reads_training(module)


def _drops_nothing(module: nn.Module) -> bool:
    return isinstance(module, _DropoutNd) and module.p == 0


def _class_reads_training(module: nn.Module) -> bool:
    own = itertools.takewhile(lambda base: base is not nn.Module, type(module).__mro__)
    return any("training" in function.__code__.co_names for base in own for function in _functions(base))


def _forward_draws(module: nn.Module) -> bool:
    """Tell whether a module's forward itself draws random numbers, in whatever mode; others only initialise so."""
    code = getattr(inspect.unwrap(type(module).forward), "__code__", None)
    return code is not None and any(part in name for name in code.co_names for part in RANDOM_NAMES)


def _functions(base: type) -> Iterator[Any]:
    return (inspect.unwrap(value) for value in vars(base).values() if inspect.isfunction(value))


def _is_random_call(node: fx.Node) -> bool:
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    if "dropout" in name or name == "drop_path":
        return _drops(node)
    if name == "scaled_dot_product_attention":
        return bool(_argument(node, 4, "dropout_p", default=0.0) != 0)
    if name == "batch_norm":
        return _argument(node, 5, "training", default=False) is not False
    return any(part in name for part in RANDOM_NAMES)


def _drops(node: fx.Node) -> bool:
    """Tell whether a call as `dropout(x, p, training)` drops anything; torch's default is that it does."""
    p = _argument(node, 1, "p", default=0.5)
    return _argument(node, 2, "training", default=True) is not False and bool(p != 0)


def _argument(node: fx.Node, index: int, name: str, *, default: Any) -> Any:
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def _attribute(traced: fx.GraphModule, path: str) -> Any:
    owner, _, name = path.rpartition(".")
    return getattr(traced.get_submodule(owner), name)
