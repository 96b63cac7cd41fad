"""A graph cut in two: the nodes before a frontier, and all others, which read only what passes it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import fx
from torch.utils._pytree import MappingKey, SequenceKey, tree_flatten_with_path, tree_leaves, tree_map

from unfreeze.frontier.choosing import Candidate
from unfreeze.frontier.liveness import find_live, works_in_place
from unfreeze.frontier.measuring import Fixed, Measured, OnDevice, PerBatch, Rows, Unclear, measure_frozen

__all__ = ["Cut", "FrontierTensor", "Graph", "frontier_tensors", "make_prefix", "make_suffix", "possible_cuts", "study"]


@dataclass(frozen=True, slots=True)
class FrontierTensor:
    """One tensor at the frontier.

    Attributes:
        name: Of the node that computes it.
        shape: Of one image's row; the tensor of a batch is (B, *shape).
        dtype: Of its elements.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def n_bytes(self) -> int:
        """The bytes of one image's row."""
        return Rows(self.shape, self.dtype, is_batch=True).n_bytes


@dataclass(frozen=True, slots=True)
class Graph:
    """A traced network and what is known of its nodes.

    `needed` are the nodes that the output depends on, `frozen` those of them that compute a tensor from the image
    and cannot change, in order. Frozen nodes of other kinds (sizes, masks, position tables) are computed again.
    """

    traced: fx.GraphModule
    measured: Mapping[fx.Node, Measured]
    needed: frozenset[fx.Node]
    frozen: tuple[fx.Node, ...]

    @property
    def frozen_macs(self) -> int:
        """Multiply-adds of all frozen nodes for one image."""
        return sum(self.measured[node].macs for node in self.frozen)


@dataclass(frozen=True, slots=True)
class Cut:
    """A place to cut: the nodes before it, those of them that are read behind it, and what it costs."""

    before: frozenset[fx.Node]
    frontier: tuple[fx.Node, ...]
    candidate: Candidate


def study(traced: fx.GraphModule, example: torch.Tensor) -> Graph:
    """Return what is known of a graph's nodes.

    Raises:
        Exception: whatever the network raises if it does not run on the example.
    """
    live = find_live(traced)
    measured = measure_frozen(traced, live, example)
    needed = _ancestors([n for n in traced.graph.nodes if n.op == "output" or works_in_place(traced, n)])
    from_image: set[fx.Node] = set()
    for node in traced.graph.nodes:
        reads_image = node.op == "placeholder" or any(source in from_image for source in node.all_input_nodes)
        # What has no tensors in it (a batch size, a shape) says nothing about what is on the image.
        if node in measured and reads_image and measured[node].has_tensors:
            from_image.add(node)
    return Graph(traced, measured, needed, tuple(n for n in traced.graph.nodes if n in from_image and n in needed))


def possible_cuts(graph: Graph) -> Iterator[Cut]:
    """Yield the places where a graph can be cut, from the input to the live nodes.

    Only those that spare work, and whose tensors have one row per image: not where an image's windows are rows.
    """
    left = graph.frozen_macs
    before: list[fx.Node] = []
    for node in graph.frozen:
        before.append(node)
        left -= graph.measured[node].macs
        frontier = tuple(each for each in before if any(_readers_behind(graph, each, before)))
        if left < graph.frozen_macs and all(graph.measured[each].is_storable for each in frontier):
            n_bytes = sum(tensor.n_bytes for tensor in frontier_tensors(graph, frontier))
            yield Cut(frozenset(before), frontier, Candidate(n_bytes, left))


def make_prefix(graph: Graph, cut: Cut) -> fx.GraphModule:
    """Return the module from images to the tuple of the tensors at the frontier."""
    prefix, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    in_place = [node for node in cut.before if works_in_place(graph.traced, node)]
    wanted = _ancestors([*cut.frontier, *in_place])
    for node in graph.traced.graph.nodes:
        if node in wanted:
            copies[node] = prefix.node_copy(node, copies.__getitem__)
    outputs: list[fx.Node] = []
    for node in cut.frontier:
        for path, _ in _tensor_paths(graph, node):
            element = copies[node]
            for key in path:
                element = prefix.call_function(operator.getitem, (element, key))
            outputs.append(element)
    prefix.output(tuple(outputs))
    return fx.GraphModule(graph.traced, prefix, class_name="Prefix")


def make_suffix(graph: Graph, cut: Cut) -> fx.GraphModule:
    """Return the module from the tensors at the frontier to the network's output. It never changes its inputs."""
    suffix, values = fx.Graph(), dict[fx.Node, Any]()
    inputs = [suffix.placeholder(tensor.name) for tensor in frontier_tensors(graph, cut.frontier)]
    sizes = _Sizes(suffix, inputs[0])
    rows = iter(inputs)
    for node in cut.frontier:
        values[node] = tree_map(lambda fact: next(rows) if isinstance(fact, Rows) else fact, graph.measured[node].facts)
    for node, value in values.items():
        guard = _may_change(graph, node, cut.before)
        values[node] = tree_map(lambda leaf, g=guard: sizes.of(leaf, clone=g), value)
    for node in graph.traced.graph.nodes:
        if node in values or node in cut.before or node not in graph.needed:
            continue
        if _is_size(graph, node):
            values[node] = tree_map(sizes.of, graph.measured[node].facts)
        else:
            values[node] = _copy(suffix, node, values)
    return fx.GraphModule(graph.traced, suffix, class_name="Suffix")


def frontier_tensors(graph: Graph, frontier: Iterable[fx.Node]) -> tuple[FrontierTensor, ...]:
    """Return the tensors that the nodes at a frontier give, in order."""
    return tuple(
        FrontierTensor("_".join([node.name, *(str(key) for key in path)]), rows.shape, rows.dtype)
        for node in frontier
        for path, rows in _tensor_paths(graph, node)
    )


class _Sizes:
    """Writes into a graph what is known of a batch without having computed it: its size, and its device."""

    def __init__(self, graph: fx.Graph, rows: fx.Node) -> None:
        self.graph = graph
        self.rows = rows

    def of(self, fact: Any, *, clone: bool = False) -> Any:
        """Return the value that a fact stands for; a node stands for itself, or for a copy of it."""
        match fact:
            case fx.Node():
                return self.graph.call_method("clone", (fact,)) if clone else fact
            case Fixed(value=value):
                return value
            case OnDevice():
                return self.graph.call_function(getattr, (self.rows, "device"))
            case PerBatch(offset=offset, factor=factor):
                n_images = self.graph.call_method("size", (self.rows, 0))
                scaled = n_images if factor == 1 else self.graph.call_function(operator.mul, (n_images, factor))
                return self.graph.call_function(operator.add, (scaled, offset)) if offset else scaled
        raise AssertionError(f"nothing is known of {fact}")


def _tensor_paths(graph: Graph, node: fx.Node) -> Iterator[tuple[tuple[Any, ...], Rows]]:
    """Yield the tensors in what a node gives, each with the indices that lead to it."""
    for path, fact in tree_flatten_with_path(graph.measured[node].facts)[0]:
        if isinstance(fact, Rows):
            yield (
                tuple(
                    key.idx if isinstance(key, SequenceKey) else cast("MappingKey[Any, Any]", key).key for key in path
                ),
                fact,
            )


def _is_size(graph: Graph, node: fx.Node) -> bool:
    """Tell whether a node gives only values, such as sizes, that follow from the batch size."""
    known = graph.measured.get(node)
    return (
        known is not None
        and not known.has_tensors
        and not any(isinstance(f, Unclear) for f in tree_leaves(known.facts))
    )


def _readers_behind(graph: Graph, node: fx.Node, before: Iterable[fx.Node]) -> Iterator[fx.Node]:
    """Yield the nodes behind a cut that read a node, other than those that ask only for its size."""
    for user in node.users:
        if user in graph.needed and user not in before and not _is_size(graph, user):
            yield user


def _may_change(graph: Graph, node: fx.Node, before: frozenset[fx.Node]) -> bool:
    """Tell whether something behind a cut may change a node's value in place, also through a view of it."""
    pending, seen = [node], set[fx.Node]()
    while pending:
        for user in _readers_behind(graph, pending.pop(), before):
            if works_in_place(graph.traced, user, inside=True):
                return True
            if user not in seen and user.op != "call_module":
                seen.add(user)
                pending.append(user)
    return False


def _ancestors(nodes: Iterable[fx.Node]) -> frozenset[fx.Node]:
    """Return nodes with all that they depend on."""
    found, pending = set[fx.Node](), list(nodes)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += node.all_input_nodes
    return frozenset(found)


def _copy(graph: fx.Graph, node: fx.Node, values: Mapping[fx.Node, Any]) -> fx.Node:
    """Copy a node whose arguments may have become literals or trees of nodes."""
    args = fx.node.map_arg(node.args, values.__getitem__)
    kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
    return graph.create_node(node.op, node.target, args, kwargs, node.name, node.type)
