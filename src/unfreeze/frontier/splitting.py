"""Splits a network where training begins: a frozen prefix that is computed once, and a suffix that trains."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, fx, nn

from unfreeze.backbones.ordering import unwrap
from unfreeze.frontier.choosing import SPEEDS, Speeds, choose_cut
from unfreeze.frontier.cutting import (
    Cut,
    FrontierTensor,
    Graph,
    frontier_tensors,
    make_prefix,
    make_suffix,
    possible_cuts,
    study,
)
from unfreeze.frontier.keys import hash_graph, hash_weights
from unfreeze.frontier.proving import is_exact
from unfreeze.frontier.tracing import open_mixed

__all__ = ["NoSplit", "Split", "split_network"]


@dataclass(frozen=True, eq=False)
class Split:
    """A network in two parts, made of the network's own modules and parameters.

    `suffix(*prefix(images))` is `network(images)`, for batches of any size, and its gradients are those of the
    network. Both hold as long as what trains and the modes of modules stay as they were: split again when a phase
    begins, because the code of modules that train in part has been run with the modes of that moment. Don't call
    `train()` or `eval()` on the parts: they share their modules with the network, whose modes `apply_plan` writes.

    Attributes:
        prefix: From images, as the network takes them, to the tuple of the tensors at the frontier. Run it under
            `torch.no_grad()`, not `torch.inference_mode()`: autograd keeps what the suffix reads.
        suffix: From those tensors to the network's output. It leaves them unchanged.
        frontier: What the tensors are, in order.
        prefix_macs: Multiply-adds of the prefix for one image.
        recomputed_macs: Multiply-adds of frozen layers in the suffix for one image; 0 unless an earlier cut was
            estimated to cost less than one where training begins.
    """

    prefix: fx.GraphModule
    suffix: fx.GraphModule
    frontier: tuple[FrontierTensor, ...]
    prefix_macs: int
    recomputed_macs: int

    @property
    def n_bytes(self) -> int:
        """What one image takes at the frontier."""
        return sum(tensor.n_bytes for tensor in self.frontier)

    @functools.cached_property
    def graph_hash(self) -> str:
        """The sha256 of what the prefix computes, apart from its weights: the same in every process."""
        return hash_graph(self.prefix)

    @functools.cached_property
    def weights_hash(self) -> str:
        """The sha256 of the tensors that the prefix reads, parameters and buffers."""
        return hash_weights(self.prefix)


@dataclass(frozen=True, slots=True)
class NoSplit:
    """Why a network has no frozen part to compute once: a clause for a message."""

    reason: str


def split_network(
    network: nn.Module,
    example: Tensor,
    *,
    n_rows: int = 1,
    quota_bytes: int | None = None,
    speeds: Speeds = SPEEDS,
) -> Split | NoSplit:
    """Split a network, on which a plan has been applied, into what cannot change and the rest.

    What trains, and what is random or uses a batch's statistics, is live, and so is all that depends on it. The rest
    that depends on the image is frozen. The cut is made where reading the frontier and computing again the frozen
    layers behind it takes an epoch the least time. The network is only read.

    Args:
        network: After `apply_plan`; any module that takes one tensor of images works, wrappers are looked through.
        example: Images as the network takes them, (B, 3, height, width); a split holds for their size only.
        n_rows: How many images will be stored, each view being one.
        quota_bytes: What they may take in all; None: without limit.
        speeds: Of the machine, to estimate by.

    Returns:
        The split; or why there is none: nothing is frozen, the network cannot be traced at all (a part of it that
        cannot be stays whole), its graph is not exact on the example, no frozen layer gives one row for each image,
        or storing does not pay or fit.
    """
    plain = unwrap(network)
    opened = open_mixed(plain)
    if opened.graph is None:
        return NoSplit(f"{type(plain).__name__} cannot be traced ({opened.failures['']})")
    try:
        graph = study(opened.graph, example)
    except Exception as error:  # noqa: BLE001 - any network may object to a batch of another size in its own way
        return NoSplit(
            f"the graph of {type(plain).__name__} does not run on {tuple(example.shape)}: {_first_line(error)}"
        )
    if not graph.frozen_macs:
        return NoSplit(_nothing_frozen(plain, opened.failures))
    try:
        split = _best_split(graph, n_rows=n_rows, quota_bytes=quota_bytes, speeds=speeds)
        exact = isinstance(split, NoSplit) or is_exact(plain, split.prefix, split.suffix, example)
    except Exception as error:  # noqa: BLE001 - a network may be of parts that cannot be copied or named
        return NoSplit(f"the graph of {type(plain).__name__} cannot be divided: {_first_line(error)}")
    return split if exact else NoSplit(f"the graph of {type(plain).__name__} does not compute what the network does")


def _best_split(graph: Graph, *, n_rows: int, quota_bytes: int | None, speeds: Speeds) -> Split | NoSplit:
    cuts = tuple(possible_cuts(graph))
    if not cuts:
        return NoSplit("no frozen layer gives tensors with one row for each image")
    index = choose_cut(
        [cut.candidate for cut in cuts],
        frozen_macs=graph.frozen_macs,
        n_rows=n_rows,
        quota_bytes=quota_bytes,
        speeds=speeds,
    )
    return _no_gain(cuts, n_rows, quota_bytes) if index is None else _split(graph, cuts[index])


def _split(graph: Graph, cut: Cut) -> Split:
    return Split(
        prefix=make_prefix(graph, cut),
        suffix=make_suffix(graph, cut),
        frontier=frontier_tensors(graph, cut.frontier),
        prefix_macs=graph.frozen_macs - cut.candidate.macs,
        recomputed_macs=cut.candidate.macs,
    )


def _nothing_frozen(network: nn.Module, failures: Mapping[str, str]) -> str:
    if not failures:
        return "no layer is frozen below the first that trains"
    path, failure = list(failures.items())[-1]
    return f"{path} ({type(network.get_submodule(path)).__name__}) trains in part and cannot be traced ({failure})"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _no_gain(cuts: tuple[Cut, ...], n_rows: int, quota_bytes: int | None) -> NoSplit:
    least = min(cut.candidate.n_bytes for cut in cuts)
    if quota_bytes is not None and least * n_rows > quota_bytes:
        return NoSplit(f"{n_rows} images of at least {least:,} bytes do not fit the quota of {quota_bytes:,} bytes")
    return NoSplit("computing the frozen layers again is estimated to take less time than reading what they gave")
