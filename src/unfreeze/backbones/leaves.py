"""From parameters to leaves: which module owns a parameter, where a loose one belongs, what each leaf costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from unfreeze.backbones.ordering import Trace
from unfreeze.layers import Leaf, LeafKind, Parameter, strip_wrappers

__all__ = ["Grown", "grow_leaves", "kind_of"]

NORM_WORDS = ("norm", "affine", "evonorm", "frn", "tlu")
# Tables and tokens that no weight decay is meant for, by the last parts of their names.
UNDECAYED = ("token", "tokens", "pos_embed", "pos_emb", "bias", "bias_table", "biases", "rel_pos", "embed_table")


@dataclass(frozen=True)
class Grown:
    """The leaves of a module by group, and all leaves' names by first use."""

    by_group: Mapping[str, tuple[Leaf, ...]]
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Owned:
    """A parameter with the module that owns it directly, its group and its first use (or None)."""

    name: str
    owner: str
    tensor: Tensor
    group: str
    first_use: int | None


def grow_leaves(model: nn.Module, seen: Trace, groups: Mapping[str, str]) -> Grown:
    """Gather a module's parameters into leaves, each inside one layer group.

    A leaf is a module that owns parameters and has no child that does. A loose parameter (a class token, a
    bias table, a layer scale) belongs to the leaf that uses it in the same call, else to the leaf that was
    used last before it, both within its own layer group; else to the first leaf of that group.

    Args:
        model: the module.
        seen: its forward pass.
        groups: the layer group of every parameter, by the parameter's full name.

    Returns:
        The leaves of each group by first use, and the order of all.
    """
    modules = dict(model.named_modules())
    owned = [
        _Owned(name, name.rpartition(".")[0], tensor, groups[name], seen.first_use.get(name))
        for name, tensor in model.named_parameters()
    ]
    homes = _homes(owned, modules, seen)
    members: dict[tuple[str, str], list[_Owned]] = defaultdict(list)
    for parameter in owned:
        members[parameter.group, homes[parameter.name]].append(parameter)
    names = _leaf_names(members)
    costs = _costs({p.name: names[key] for key, ps in members.items() for p in ps}, seen)
    exempt = _exempt(model)
    leaves = {
        key: Leaf(
            name=names[key],
            kind=kind_of(modules[key[1]]) if key[1] in modules else "other",
            parameters=tuple(_parameter(p, modules[p.owner], exempt) for p in parameters),
            macs=costs[names[key]][0],
            n_activations=costs[names[key]][1],
        )
        for key, parameters in members.items()
    }
    rank = _ranks(members)
    by_group: dict[str, list[Leaf]] = defaultdict(list)
    for key in sorted(leaves, key=rank.__getitem__):
        by_group[key[0]].append(leaves[key])
    return Grown(
        by_group={group: tuple(found) for group, found in by_group.items()},
        order=tuple(names[key] for key in sorted(leaves, key=rank.__getitem__)),
    )


def kind_of(module: nn.Module) -> LeafKind:
    """Tell what a module computes: a convolution, a norm of any type, a matrix product, or something else."""
    if isinstance(module, nn.modules.conv._ConvNd):  # noqa: SLF001 - the base of all convolutions has no public name
        return "conv"
    if is_norm(module):
        return "norm"
    return "linear" if isinstance(module, nn.Linear) else "other"


def is_norm(module: nn.Module) -> bool:
    """Tell whether a module is a normalisation layer: batch, group, layer, instance, RMS, and timm's fused ones."""
    if isinstance(module, _NormBase | nn.GroupNorm | nn.LayerNorm):
        return True
    owns_vectors = all(p.squeeze().ndim <= 1 for p in module.parameters(recurse=False))
    return owns_vectors and any(word in type(module).__name__.lower() for word in NORM_WORDS)


def _homes(owned: Sequence[_Owned], modules: Mapping[str, nn.Module], seen: Trace) -> dict[str, str]:
    """Give every parameter the path of its leaf; a loose one whose group has no leaf keeps its own name."""
    whole = {path for path in {p.owner for p in owned} if _is_whole(modules[path])}
    homes = {p.name: p.owner for p in owned if p.owner in whole}
    uses: dict[str, list[tuple[int, str]]] = defaultdict(list)  # of leaves, by group, in the order of calls
    group_of = {p.name: p.group for p in owned}
    for index, call in enumerate(seen.calls):
        for name in call.parameters:
            if name in homes:
                uses[group_of[name]].append((index, homes[name]))
    firsts: dict[str, str] = {}
    for p in owned:
        if p.name in homes:
            firsts.setdefault(p.group, p.owner)
    for p in owned:
        if p.name not in homes:
            used = uses.get(p.group, [])
            homes[p.name] = _home_of_loose(p, used) or (used[0][1] if used else firsts.get(p.group, p.name))
    return homes


def _is_whole(module: nn.Module) -> bool:
    """Tell whether a module is a leaf; a norm is one even if its activation has weights of its own."""
    return is_norm(module) or not any(True for child in module.children() for _ in child.parameters())


def _home_of_loose(parameter: _Owned, uses: Iterable[tuple[int, str]]) -> str | None:
    """Find the leaf of the same call, or the last before it, among the uses of one layer group."""
    home = None
    for index, leaf in uses:
        if parameter.first_use is None or index > parameter.first_use:
            break
        home = leaf
    return home


def _leaf_names(members: Mapping[tuple[str, str], object]) -> dict[tuple[str, str], str]:
    """Shorten the leaves' paths by their wrapper prefixes, unless two would then be called the same."""
    short = {key: strip_wrappers(key[1]) or "weights" for key in members}
    n_called = Counter(short.values())
    # The same module in two groups, or two modules that differ in their wrappers only.
    return {key: name if n_called[name] == 1 else f"{name}@{key[0]}" for key, name in short.items()}


def _costs(leaf_of: Mapping[str, str], seen: Trace) -> dict[str, tuple[int, int]]:
    """Add up the multiply-adds and output elements of each leaf; a call without parameters counts to the last."""
    costs: dict[str, tuple[int, int]] = dict.fromkeys(leaf_of.values(), (0, 0))
    current = None
    for call in seen.calls:
        if call.parameters:
            current = leaf_of[call.parameters[0]]
        if current is not None:
            macs, n_activations = costs[current]
            costs[current] = (macs + call.macs, n_activations + call.n_activations)
    return costs


def _ranks(members: Mapping[tuple[str, str], Sequence[_Owned]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Order leaves by first use; one that is never used stands behind its predecessor among the modules."""
    ranks: dict[tuple[str, str], tuple[int, int]] = {}
    last = -1
    for position, (key, parameters) in enumerate(members.items()):
        # What is loose may have been used before the leaf it belongs to: the leaf's own use counts.
        own = [p for p in parameters if p.owner == key[1]] or parameters
        uses = [p.first_use for p in own if p.first_use is not None]
        last = min(uses, default=last)
        ranks[key] = (last, position)
    return ranks


def _exempt(model: nn.Module) -> frozenset[str]:
    """Return the parameters that the architecture itself takes from weight decay, where it says so."""
    names: set[str] = set()
    for path, module in model.named_modules():
        tell = getattr(module, "no_weight_decay", None)
        if callable(tell):
            names.update(f"{path}.{name}" if path else name for name in tell())
    return frozenset(names)


def _parameter(parameter: _Owned, owner: nn.Module, exempt: frozenset[str]) -> Parameter:
    tensor, last = parameter.tensor, parameter.name.rpartition(".")[2]
    is_matrix = tensor.ndim > 1 and not is_norm(owner)
    if is_matrix and kind_of(owner) == "other":
        is_matrix = tensor.squeeze().ndim > 1 and not last.endswith(UNDECAYED)
    return Parameter(parameter.name, tuple(tensor.shape), decays=is_matrix and parameter.name not in exempt)
