"""Several prefixes of one network as one module, which computes once what they have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from unfreeze.data.threads import one_thread
from unfreeze.frontier.liveness import works_in_place
from unfreeze.frontier.tracing import open_at

__all__ = ["merge_prefixes"]

MOST_ADDED = 0.05  # of the first prefix's multiply-adds: what the others may cost beside it


@torch.no_grad()
def merge_prefixes(prefixes: Sequence[fx.GraphModule], example: Tensor) -> fx.GraphModule | None:
    """Return one module that gives the outputs of several prefixes in one pass, one prefix's after another's.

    The prefixes are of one network in several phases of a plan: in one phase a module is a single node, in another it
    is opened. In the module that is returned it is opened if it is in any of them. The modules and parameters are the
    network's own, and run in their present modes.

    Args:
        prefixes: The first, and others that lie on its way, each with less of the network than the one before.
        example: Images, (B, 3, height, width).

    Returns:
        The module; or None, where a prefix cannot be opened, where on the example the module does not give to the bit
        what each prefix gives, or where the others do not lie on the way of the first and would cost extra.
    """
    try:
        merged = _merged(prefixes)
        with one_thread():  # pictures are being decoded on all cores
            expected, n_flops = _run(prefixes[0], example)
            for prefix in prefixes[1:]:
                expected += _run(prefix, example)[0]
            got, n_flops_merged = _run(merged, example)
    except Exception:  # noqa: BLE001 - any network may object to being traced in its own way; each alone still works
        return None
    exact = len(got) == len(expected) and all(map(torch.equal, got, expected))
    return merged if exact and n_flops_merged <= (1 + MOST_ADDED) * n_flops else None


def _run(prefix: nn.Module, example: Tensor) -> tuple[tuple[Tensor, ...], int]:
    with FlopCounterMode(display=False) as counter:
        outputs: tuple[Tensor, ...] = prefix(example)
    return outputs, counter.get_total_flops()


def _merged(prefixes: Sequence[fx.GraphModule]) -> fx.GraphModule:
    opened = frozenset(path for prefix in prefixes for node in _readers(prefix) for path in _parents(str(node.target)))
    graphs = [open_at(prefix, opened) for prefix in prefixes]
    merging = _Merging(
        keeps=any(works_in_place(each, node, inside=True) for each in graphs for node in each.graph.nodes)
    )
    # The least first: where a later one changes a tensor in place, what the earlier gives has been set aside.
    outputs = [merging.add(graph) for graph in reversed(graphs)]
    merging.graph.output(tuple(each for several in reversed(outputs) for each in several))
    return fx.GraphModule(merging.attributes, merging.graph, class_name="Prefix")


class _Merging:
    """A graph to which others are added, node by node where it does not have the same node already."""

    def __init__(self, *, keeps: bool) -> None:
        self.graph = fx.Graph()
        self.attributes: dict[str, Any] = {}  # modules and tensors, by the names under which nodes read them
        self._images = self.graph.placeholder("images")
        self._keeps = keeps
        self._known: dict[tuple[Any, ...], fx.Node] = {}

    def add(self, module: fx.GraphModule) -> list[fx.Node]:
        """Add a prefix's nodes, and return those that give its outputs."""
        copies: dict[fx.Node, fx.Node] = {}
        seen = Counter[tuple[Any, ...]]()
        outputs: list[fx.Node] = []
        for node in module.graph.nodes:
            if node.op == "placeholder":
                copies[node] = self._images
            elif node.op == "output":
                outputs = [copies[each] for each in node.all_input_nodes]
            else:
                copies[node] = self._copy(module, node, copies, seen)
        return [self.graph.call_method("clone", (each,)) for each in outputs] if self._keeps else outputs

    def _copy(
        self, module: fx.GraphModule, node: fx.Node, copies: dict[fx.Node, fx.Node], seen: Counter[tuple[Any, ...]]
    ) -> fx.Node:
        target = self._named(module, node) if node.op in {"call_module", "get_attr"} else node.target
        arguments = fx.node.map_arg((node.args, node.kwargs), copies.__getitem__)
        # Names of nodes are unique in a graph. What occurs twice in one prefix may change something in place twice.
        what = (node.op, target, repr(arguments))
        seen[what] += 1
        key = (*what, seen[what])
        if key not in self._known:
            self._known[key] = self.graph.create_node(node.op, target, *arguments, name=node.name, type_expr=node.type)
        return self._known[key]

    def _named(self, module: fx.GraphModule, node: fx.Node) -> str:
        """Return under which name a module or tensor is read here: its own, unless that is another one's."""
        owner, _, last = str(node.target).rpartition(".")
        value = getattr(module.get_submodule(owner), last)
        name, n = str(node.target), 0
        while self.attributes.setdefault(name, value) is not value:
            n += 1
            name = f"{node.target}_{n}"
        return name


def _readers(module: fx.GraphModule) -> Iterator[fx.Node]:
    return (node for node in module.graph.nodes if node.op in {"call_module", "get_attr"})


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition(".")[0]:
        yield path
