"""What the frozen nodes of a graph give and cost, seen in two passes with batches of different sizes.

The passes run on a copy whose tensors have shapes but no values. Comparing them tells which tensors have one row
per image, and how the whole numbers in the graph (a batch size, windows in a batch) follow from the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from unfreeze.backbones.ordering import meta_copy

__all__ = ["Fixed", "Measured", "OnDevice", "PerBatch", "Rows", "Unclear", "measure_frozen"]

N_IMAGES = (2, 3)  # in the two passes; not 1, which broadcasts


@dataclass(frozen=True, slots=True)
class Rows:
    """A tensor; `is_batch` if it has one row per image, each of `shape`; else `shape` is the whole tensor's."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    is_batch: bool

    @property
    def n_bytes(self) -> int:
        """The bytes of one row."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class PerBatch:
    """A whole number that is `offset + factor * B` for a batch of B images."""

    offset: int
    factor: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that does not depend on the batch."""

    value: Any


@dataclass(frozen=True, slots=True)
class OnDevice:
    """The device that the network runs on."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A value that follows from the batch in no known way; nothing can be cut where it passes."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one frozen node gives: a tree (tuples, lists, dicts) of facts; and its multiply-adds for one image."""

    facts: Any
    macs: int

    @property
    def has_tensors(self) -> bool:
        """Whether there is a tensor in what it gives."""
        return any(isinstance(fact, Rows) for fact in tree_leaves(self.facts))

    @property
    def is_storable(self) -> bool:
        """Whether each tensor in it has one row per image, and all else follows from the batch."""
        leaves = tree_leaves(self.facts)
        return all(fact.is_batch if isinstance(fact, Rows) else not isinstance(fact, Unclear) for fact in leaves)


def measure_frozen(traced: fx.GraphModule, live: frozenset[fx.Node], example: Tensor) -> Mapping[fx.Node, Measured]:
    """Return what each node that is not live gives for images like those of an example, and what it costs.

    Raises:
        Exception: whatever the network raises if it does not run on the example.
    """
    try:
        bare = meta_copy(traced)
        assert isinstance(bare, fx.GraphModule), "a copy is what it was"
        few, more = (_run(traced, live, _resized(example, n, "meta"), module=bare) for n in N_IMAGES)
    except Exception:  # noqa: BLE001 - a network may need values, not shapes alone
        few, more = (_run(traced, live, _resized(example, n, example.device.type), module=traced) for n in N_IMAGES)
    return {node: Measured(tree_map(_compare, facts, more[node][0]), macs) for node, (facts, macs) in few.items()}


def _resized(example: Tensor, n_images: int, device: str) -> Tensor:
    if device == "meta":
        return torch.empty((n_images, *example.shape[1:]), dtype=example.dtype, device=device)
    return example[torch.arange(n_images, device=example.device) % len(example)]


def _run(
    traced: fx.GraphModule, live: frozenset[fx.Node], images: Tensor, *, module: fx.GraphModule
) -> dict[fx.Node, tuple[Any, int]]:
    counter = FlopCounterMode(display=False)
    passing = _Pass(module, traced.graph, live, counter)
    with torch.no_grad(), torch.device(images.device), counter:
        passing.run(images)
    return {node: (facts, macs // len(images)) for node, (facts, macs) in passing.seen.items()}


class _Pass(fx.Interpreter):
    """Runs the frozen nodes of a graph and notes what they give and cost."""

    def __init__(
        self, module: fx.GraphModule, graph: fx.Graph, live: frozenset[fx.Node], counter: FlopCounterMode
    ) -> None:
        super().__init__(module, graph=graph)
        self.live = live
        self.counter = counter
        self.seen: dict[fx.Node, tuple[Any, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n in self.live or n.op == "output":
            return None
        before = self.counter.get_total_flops()
        value = super().run_node(n)
        macs = (self.counter.get_total_flops() - before) // 2
        self.seen[n] = (tree_map(_describe, _as_tree(value)), macs)
        return value

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a node's arguments as generated code would give them."""
        args, kwargs = super().fetch_args_kwargs_from_env(n)
        return _unlocked(tuple(args)), _unlocked(dict(kwargs))


def _unlocked(value: Any) -> Any:
    """Turn fx's immutable lists and dicts into plain ones: some modules write into the list that they are given."""
    match value:
        case list():
            return [_unlocked(item) for item in value]
        case dict():
            return {key: _unlocked(item) for key, item in value.items()}
        case tuple() if type(value) is tuple:
            return tuple(_unlocked(item) for item in value)
    return value


def _as_tree(value: Any) -> Any:
    return tuple(value) if isinstance(value, torch.Size) else value


def _describe(leaf: Any) -> Any:
    match leaf:
        case Tensor():
            return Rows(tuple(leaf.shape), leaf.dtype, is_batch=False)
        case torch.device():
            return OnDevice()
        case torch.Size():
            return Fixed(tuple(leaf))
    return Fixed(leaf)


def _compare(few: Any, more: Any) -> Any:
    """Bring together what is known of one value from both passes."""
    if few == more:
        return few
    match few, more:
        case Rows(), Rows():
            batched = (few.shape[:1], more.shape[:1]) == (N_IMAGES[:1], N_IMAGES[1:])
            same = few.shape[1:] == more.shape[1:] and few.dtype == more.dtype
            return Rows(few.shape[1:], few.dtype, is_batch=True) if batched and same else few
        case Fixed(value=int(a)), Fixed(value=int(b)) if not isinstance(a, bool):
            factor = (b - a) // (N_IMAGES[1] - N_IMAGES[0])
            return PerBatch(a - factor * N_IMAGES[0], factor)
    return Unclear()
