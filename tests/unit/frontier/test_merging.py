"""Several prefixes as one module give what each gives alone, for no more work than the largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, fx, nn

from unfreeze.frontier import Split, merge_prefixes, split_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network

TRAINED = {
    "resnet18": ("head", "layer4", "layer3.1.conv2"),
    "convnext_atto": ("head", "stages.3", "from:stages.2.blocks.3.norm"),
    "vit_tiny_patch16_224": ("head", "blocks.11", "from:blocks.6.mlp.fc1"),
    "densenet121": ("head", "features.denseblock4", "from:features.denseblock3.denselayer20"),
    "tf_efficientnet_lite0": ("head", "blocks.6", "from:blocks.4"),
    "swin_tiny_patch4_window7_224": ("head", "layers.3", "from:layers.2.blocks.2"),
}
QUICK = ("resnet18", "vit_tiny_patch16_224")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TRAINED]
)
def test_a_merged_prefix_gives_each_frontier_in_one_pass(
    name: str, make_network: Callable[[str], Network], begin_phase: Callable[..., None]
) -> None:
    network = make_network(name)
    images = torch.randint(0, 256, (3, 3, *network.spec.size), dtype=torch.uint8)
    splits = []
    for train in TRAINED[name]:
        begin_phase(network, train)
        split = split_network(network, images)
        assert isinstance(split, Split)
        splits.append(split)
    begin_phase(network, "head")
    merged = merge_prefixes([split.prefix for split in splits], images)
    assert merged is not None
    others = torch.randint(0, 256, (5, 3, *network.spec.size), dtype=torch.uint8)
    with torch.no_grad():
        got, expected = merged(others), [tensor for split in splits for tensor in split.prefix(others)]
    assert all(map(torch.equal, got, expected))
    assert len(got) == len(expected)
    assert all(split.prefix(others) is not None for split in splits), "the prefixes are as they were"


def traced(*modules: nn.Module) -> fx.GraphModule:
    """Return a prefix of modules, one after another, whose output is a tuple."""

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(modules)

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            for part in self.parts:
                images = part(images)
            return (images,)

    return fx.symbolic_trace(Chain())


def test_what_a_later_part_changes_in_place_has_been_set_aside() -> None:
    layer, images = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)
    whole, part = traced(layer, nn.ReLU(inplace=True)), traced(layer)
    merged = merge_prefixes([whole, part], images)
    assert merged is not None
    with torch.no_grad():
        changed, kept = merged(images)
    assert changed.min() >= 0 > kept.min()


def test_prefixes_that_do_not_lie_on_one_way_are_not_merged() -> None:
    images = torch.randn(2, 3, 8, 8)
    assert merge_prefixes([traced(nn.Conv2d(3, 4, 3)), traced(nn.Conv2d(3, 4, 3))], images) is None
