"""A network's layers as values: names, order, sizes, and which of them a selector means.

Two grains, as timm groups its networks: coarse stages, each of fine layer groups, each of leaves, the
modules that own weights. Everything is ordered from the input to the output; the last stage is `head`.
Nothing here loads torch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Literal

from unfreeze.errors import SelectorError
from unfreeze.selectors import (
    KINDS,
    Selector,
    nearest_names,
    parse_selector,
    path_matches,
    strip_wrappers,
    unwrap,
)

__all__ = ["LayerGroup", "Layers", "Leaf", "LeafKind", "Parameter", "Stage", "strip_wrappers", "unwrap"]

LeafKind = Literal["conv", "norm", "linear", "other"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter tensor: its full name as in `model.named_parameters()`.

    `decays` is false for what weight decay leaves alone: biases, norm scales, tokens, position and bias
    tables.
    """

    name: str
    shape: tuple[int, ...]
    decays: bool

    @property
    def n_elements(self) -> int:
        """The number of weights in it."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One module that owns weights.

    Attributes:
        name: Its path without wrapper prefixes, `layer4.0.conv1`.
        kind: What it computes; only norm leaves obey a phase's norm mode.
        parameters: Its own ones, and loose ones (class token, gamma, bias table) that it is the first to use.
        macs: Multiply-adds for one image at the size measured; 0 where it was not measured.
        n_activations: Elements of its output for one image; 0 where it was not measured.
    """

    name: str
    kind: LeafKind
    parameters: tuple[Parameter, ...]
    macs: int = 0
    n_activations: int = 0


@dataclass(frozen=True)
class LayerGroup:
    """The fine grain: leaves that share a rate under layer decay, as a residual block."""

    name: str
    leaves: tuple[Leaf, ...]

    @functools.cached_property
    def leaf_names(self) -> frozenset[str]:
        """The names of its leaves."""
        return frozenset(leaf.name for leaf in self.leaves)


@dataclass(frozen=True)
class Stage:
    """The coarse grain: layer groups that work at one resolution, as ResNet's `layer4`."""

    name: str
    groups: tuple[LayerGroup, ...]

    @functools.cached_property
    def leaf_names(self) -> frozenset[str]:
        """The names of the leaves of its groups."""
        return frozenset[str]().union(*(group.leaf_names for group in self.groups))


@dataclass(frozen=True)
class Layers:
    """All layers of one network, from input to output; every parameter belongs to exactly one leaf.

    Attributes:
        model: The network's name, for messages.
        stages: Input to output; the last is `head`, with the one group `head`.
        order: The leaves' names by first use in the graph; by default as they are listed.
        size: Height and width in pixels at which sizes were measured.
    """

    model: str
    stages: tuple[Stage, ...]
    order: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        names = [leaf.name for leaf in self.leaves]
        if not self.order:
            object.__setattr__(self, "order", tuple(names))
        assert self.stages, "layers have at least one stage"
        assert self.stages[-1].name == "head" == self.groups[-1].name, "the head is the last stage"
        assert len(self.stages[-1].groups) == 1, "the head is one layer group"
        assert all(group.leaves for group in self.groups), "a layer group has leaves"
        for each in (names, self.order, [s.name for s in self.stages], [g.name for g in self.groups]):
            assert len(set(each)) == len(each), f"a name repeats: {[name for name in each if each.count(name) > 1]}"
        assert set(self.order) == set(names), f"order and leaves differ: {set(self.order) ^ set(names)}"
        parameters = [parameter.name for parameter in self.parameters]
        assert len(set(parameters)) == len(parameters), "a parameter belongs to two leaves"

    @functools.cached_property
    def groups(self) -> tuple[LayerGroup, ...]:
        """The layer groups of all stages, input to output."""
        return tuple(chain.from_iterable(stage.groups for stage in self.stages))

    @functools.cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """The leaves of all groups, as listed."""
        return tuple(chain.from_iterable(group.leaves for group in self.groups))

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of all leaves, as listed."""
        return tuple(chain.from_iterable(leaf.parameters for leaf in self.leaves))

    @functools.cached_property
    def n_parameters(self) -> int:
        """The number of weights, as elements of all parameters."""
        return sum(parameter.n_elements for parameter in self.parameters)

    @functools.cached_property
    def leaf_by_parameter(self) -> Mapping[str, str]:
        """The leaf's name for each parameter's full name, as `unwrap` leaves it."""
        return {unwrap(parameter.name): leaf.name for leaf in self.leaves for parameter in leaf.parameters}

    def group_of(self, leaf: str) -> LayerGroup:
        """Return the layer group that a leaf belongs to."""
        return self._homes[leaf][1]

    def stage_of(self, leaf: str) -> Stage:
        """Return the stage that a leaf belongs to."""
        return self._homes[leaf][0]

    def distance(self, group: str) -> int:
        """Return how many steps below the head a layer group lies: the head 0, the group under it 1.

        It is the exponent of layer decay (Clark et al. 2020, ELECTRA; Bao et al. 2021, BEiT), as timm
        counts it.
        """
        return self._distances[group]

    def select(self, selector: str | Sequence[str]) -> frozenset[str]:
        """Return the names of the leaves that a selector means, or the union of several.

        Raises:
            SelectorError: a selector is malformed or matches nothing; the nearest names are offered.
        """
        texts = [selector] if isinstance(selector, str) else selector
        parts = (part for text in texts for part in parse_selector(text))
        return frozenset(chain.from_iterable(self._resolve(part) for part in parts))

    def names_for(self, leaves: Iterable[str]) -> tuple[str, ...]:
        """Return the fewest selectors that mean exactly these leaves: the inverse of `select`.

        Whole stages are named before groups, groups before leaves, from the input to the output.
        """
        wanted = frozenset(leaves)
        if wanted == frozenset(self.order):
            return ("all",)
        candidates = [self._cover(wanted)]
        for kind in ("kind:norm", "kind:conv", "kind:linear"):
            of_kind = self._by_kind[kind.removeprefix("kind:")]
            if of_kind and of_kind <= wanted:
                candidates.append((kind, *self._cover(wanted - of_kind)))
        return min(candidates, key=len)

    @functools.cached_property
    def _homes(self) -> Mapping[str, tuple[Stage, LayerGroup]]:
        return {leaf.name: (s, g) for s in self.stages for g in s.groups for leaf in g.leaves}

    @functools.cached_property
    def _distances(self) -> Mapping[str, int]:
        return {group.name: i for i, group in enumerate(reversed(self.groups))}

    @property
    def _head(self) -> frozenset[str]:
        return self.groups[-1].leaf_names

    @functools.cached_property
    def _by_kind(self) -> Mapping[str, frozenset[str]]:
        below = [leaf for leaf in self.leaves if leaf.name not in self._head]
        return {kind: frozenset(leaf.name for leaf in below if leaf.kind == kind) for kind in KINDS}

    def _resolve(self, selector: Selector) -> frozenset[str]:  # noqa: PLR0911 - one return for each form
        match selector.form:
            case "head":
                return self._head
            case "all":
                return frozenset(self.order)
            case "stages":
                return self._last_units(self.stages[:-1], selector)
            case "groups":
                return self._last_units(self.groups[:-1], selector)
            case "last":
                return self._last_leaves(selector.count)
            case "from":
                named = self._named(selector.name)
                first = next(i for i, name in enumerate(self.order) if name in named)
                return self._head.union(self.order[first:])
            case "kind":
                return self._by_kind[selector.name] or self._nothing(f"kind:{selector.name}")
            case "leaf":
                name = strip_wrappers(selector.name)
                return frozenset({name}) if name in self._homes else self._nothing(name)
            case "path":
                return self._named(selector.name)

    def _last_units(self, units: Sequence[Stage | LayerGroup], selector: Selector) -> frozenset[str]:
        self._check_count(selector.count, len(units), selector.form)
        kept = units[len(units) - selector.count :]  # not [-count:], which is everything where count is 0
        return self._head.union(*(unit.leaf_names for unit in kept))

    def _last_leaves(self, count: int) -> frozenset[str]:
        weighted = self._by_kind["conv"] | self._by_kind["norm"] | self._by_kind["linear"]
        positions = [i for i, name in enumerate(self.order) if name in weighted]
        self._check_count(count, len(positions), "last")
        # What carries no weight matrix (a class token, a layer scale) goes with the counted leaf before it.
        return self._head.union(self.order[positions[-count] :]) if count else self._head

    def _check_count(self, count: int, n_known: int, form: str) -> None:
        if count > n_known:
            unit = {"stages": "stages", "groups": "layer groups", "last": "leaves with weights"}[form]
            raise SelectorError(
                f'"{form}:{count}" asks for more than there is: {self.model} has {n_known} {unit} below '
                f'its head. Take a number from 0 to {n_known}, or "all".'
            )

    def _named(self, name: str) -> frozenset[str]:
        """Return what a name means: a module's path, else a stage's or group's name that is no path."""
        name = strip_wrappers(name)
        if name == "head":
            return self._head
        root = name.partition(".")[0]
        # A wildcard in front does not reach the attached head; a path that begins as the head's own does.
        reached = (leaf for leaf in self.order if leaf not in self._head or leaf.partition(".")[0] == root)
        found = frozenset(leaf for leaf in reached if path_matches(name, leaf))
        if found:
            return found
        units: tuple[Stage | LayerGroup, ...] = (*self.stages[:-1], *self.groups[:-1])
        found = frozenset[str]().union(*(unit.leaf_names for unit in units if path_matches(name, unit.name)))
        return found or self._nothing(name)

    def _nothing(self, name: str) -> frozenset[str]:
        paths = (leaf.split(".") for leaf in self.order)
        modules = [".".join(parts[:n]) for parts in paths for n in range(1, len(parts) + 1)]
        known = [stage.name for stage in self.stages] + [group.name for group in self.groups] + modules
        raise SelectorError(
            f'"{name}" matches no layer of {self.model}.{nearest_names(name, known)} '
            f"Its stages are: {', '.join(stage.name for stage in self.stages)}."
        )

    def _cover(self, wanted: frozenset[str]) -> tuple[str, ...]:
        """Name a set of leaves by whole stages, then groups, then single leaves."""
        found: list[str] = []
        for stage in self.stages:
            if self._is_name_of(stage.name, stage.leaf_names & wanted):
                found.append(stage.name)
                continue
            for group in stage.groups:
                in_group = group.leaf_names & wanted
                if self._is_name_of(group.name, in_group):
                    found.append(group.name)
                else:
                    own = (leaf.name for leaf in group.leaves if leaf.name in in_group)
                    found += [self._leaf_selector(leaf) for leaf in own]
        return tuple(found)

    def _leaf_selector(self, leaf: str) -> str:
        return leaf if self._is_name_of(leaf, frozenset({leaf})) else f"leaf:{leaf}"

    def _is_name_of(self, name: str, leaves: frozenset[str]) -> bool:
        """Tell whether a name selects just these leaves; a stage's name may also be a module's path."""
        try:
            return bool(leaves) and self.select(name) == leaves
        except SelectorError:
            return False
