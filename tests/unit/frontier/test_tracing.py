"""What cannot be traced, copied or named ends in a reason, not in an error or a wait."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unfreeze.frontier import NoSplit, Split, split_network

PICTURES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Context:
    """Something that no graph can hold."""


class TakesContext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images: Tensor, context: Context) -> Tensor:
        assert isinstance(context, Context)
        return self.conv(images)


class GivesContext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = TakesContext(), nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images, Context()))


class Remembers(nn.Module):
    """Keeps a result of autograd, which cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.kept = self.conv.weight * 2

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images)


class Noisy(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images + torch.randn_like(images)


def test_a_frozen_module_that_is_given_what_no_graph_can_hold_ends_in_a_reason() -> None:
    network = GivesContext().eval()
    network.first.requires_grad_(requires_grad=False)
    found = split_network(network, PICTURES)
    assert isinstance(found, NoSplit)
    assert "cannot be traced" in found.reason


def test_parts_that_cannot_be_copied_end_in_a_reason() -> None:
    network = nn.Sequential(Remembers(), nn.Conv2d(4, 2, 1)).eval()
    network[0].conv.requires_grad_(requires_grad=False)
    found = split_network(network, PICTURES)
    assert isinstance(found, NoSplit)
    assert "cannot be divided" in found.reason


def test_a_frozen_module_that_draws_random_numbers_in_every_mode_is_not_computed_ahead() -> None:
    network = nn.Sequential(nn.Conv2d(3, 32, 3), Noisy(), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 2, 1)).eval()
    network.requires_grad_(requires_grad=False)
    network[3].requires_grad_()
    found = split_network(network, torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert isinstance(found, Split)
    kinds = [type(found.prefix.get_submodule(str(n.target))) for n in found.prefix.graph.nodes if n.op == "call_module"]
    assert kinds == [nn.Conv2d]
