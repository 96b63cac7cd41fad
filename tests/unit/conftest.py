"""Layers for tests without torch: a ResNet-50 by name, and any that Hypothesis can think of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from unfreeze.layers import LayerGroup, Layers, Leaf, Parameter, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

RESNET50_BLOCKS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}


def leaf(name: str, kind: str, *, macs: int = 10, n_activations: int = 4) -> Leaf:
    """A leaf with a weight of 6 elements and a bias of 2; only the weight of a conv or linear decays."""
    parameters = (
        Parameter(f"backbone.{name}.weight", (2, 3), decays=kind in ("conv", "linear")),
        Parameter(f"backbone.{name}.bias", (2,), decays=False),
    )
    if name.startswith("head"):
        parameters = tuple(Parameter(p.name.removeprefix("backbone."), p.shape, p.decays) for p in parameters)
    return Leaf(name, kind, parameters, macs=macs, n_activations=n_activations)


def build(stages: dict[str, dict[str, list[tuple[str, str]]]], *, head: tuple[str, ...] = ("head",)) -> Layers:
    """Build layers from `{stage: {group: [(leaf, kind), …]}}`; the head's leaves are linear."""
    below = tuple(
        Stage(stage, tuple(LayerGroup(g, tuple(leaf(*each) for each in leaves)) for g, leaves in groups.items()))
        for stage, groups in stages.items()
    )
    attached = Stage("head", (LayerGroup("head", tuple(leaf(name, "linear") for name in head)),))
    return Layers("tiny", (*below, attached), size=(32, 32))


@pytest.fixture(scope="session")
def make_layers() -> Callable[..., Layers]:
    """`make_layers({stage: {group: [(leaf, kind), …]}}, head=("head",))` → Layers."""
    return build


@pytest.fixture(scope="session")
def resnet50_layers() -> Layers:
    """ResNet-50 as timm names and groups it: stem, layer1 … layer4, 17 layer groups below the head."""
    stages: dict[str, dict[str, list[tuple[str, str]]]] = {"stem": {"stem": [("conv1", "conv"), ("bn1", "norm")]}}
    for stage, n_blocks in RESNET50_BLOCKS.items():
        stages[stage] = {}
        for block in range(n_blocks):
            name = f"{stage}.{block}"
            members = [
                (f"{name}.{part}{i}", kind) for i in (1, 2, 3) for part, kind in (("conv", "conv"), ("bn", "norm"))
            ]
            if block == 0:
                members += [(f"{name}.downsample.0", "conv"), (f"{name}.downsample.1", "norm")]
            stages[stage][name] = members
    return build(stages)


@pytest.fixture(scope="session")
def any_layers() -> st.SearchStrategy[Layers]:
    """A strategy for layers of any depth, with confusable names (`block.1`, `block.10`) and two-leaf heads."""

    @st.composite
    def layers(draw: st.DrawFn) -> Layers:
        stages: dict[str, dict[str, list[tuple[str, str]]]] = {}
        number = 0
        for stage in range(draw(st.integers(1, 4))):
            named = draw(st.sampled_from([f"stage{stage}", "pre_head"] if stage else ["stem"]))
            if named in stages:
                continue
            stages[named] = {}
            for _ in range(draw(st.integers(1, 4))):
                number += draw(st.sampled_from([1, 9]))
                kinds = draw(st.lists(st.sampled_from(["conv", "norm", "linear", "other"]), min_size=1, max_size=4))
                path = f"block.{number}"
                stages[named][path] = [(f"{path}.{kind}{i}", kind) for i, kind in enumerate(kinds)]
        return build(stages, head=draw(st.sampled_from([("head",), ("head.0", "head.2")])))

    return layers()
