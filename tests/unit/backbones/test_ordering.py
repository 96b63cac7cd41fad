"""One forward pass on shapes alone shows which parameters are used, in which order, at what cost."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from unfreeze.backbones.ordering import trace
from unfreeze.errors import ModelError

IMAGE = torch.zeros(1, 3, 16, 16)


class Functional(nn.Module):
    """Uses its norm by a function, and a table only after it was gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(10, 4))
        self.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bias = self.table[torch.arange(4, device=images.device)].mean(1).view(1, 4, 1, 1)
        maps = self.conv(images)
        norm = self.norm
        maps = functional.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False)
        return maps + bias


class NeedsValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) if x.sum().item() >= 0 else self.fc(-x)


def test_a_parameter_is_used_where_it_meets_the_image() -> None:
    seen = trace(Functional(), IMAGE)
    order = sorted(seen.first_use, key=lambda name: seen.first_use[name])
    assert set(order[:2]) == {"conv.weight", "conv.bias"}
    assert set(order[2:4]) == {"norm.weight", "norm.bias"}
    assert order[4] == "table"


@pytest.mark.slow
def test_costs_are_those_of_the_textbook() -> None:
    seen = trace(timm.create_model("resnet50", num_classes=1000), torch.zeros(1, 3, 224, 224))
    assert sum(call.macs for call in seen.calls) == pytest.approx(4.09e9, rel=0.01)
    first = seen.calls[seen.first_use["conv1.weight"]]
    assert first.macs == 64 * 112 * 112 * 3 * 7 * 7
    assert first.n_activations == 64 * 112 * 112


def test_the_network_is_left_as_it_was() -> None:
    model = Functional().train()
    model.conv.weight.requires_grad_(requires_grad=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trace(model, IMAGE)
    assert model.training
    assert model.norm.training
    assert [p.requires_grad for p in model.parameters()] == [True, True, True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(tensor.device.type == "cpu" for tensor in model.state_dict().values())


def test_a_network_that_needs_values_is_run_with_values() -> None:
    seen = trace(NeedsValues(), torch.zeros(1, 4))
    assert set(seen.first_use) == {"fc.weight", "fc.bias"}
    assert seen.output == (1, 2)


def test_inputs_may_be_tuples_and_dicts() -> None:
    assert trace(NeedsValues(), (torch.zeros(1, 4),)).output == (1, 2)
    assert trace(NeedsValues(), {"x": torch.zeros(1, 4)}).output == (1, 2)


def test_an_input_of_the_wrong_shape_is_an_error_that_says_so() -> None:
    with pytest.raises(ModelError, match=r"does not run on an input of shape \(1, 5\).*example="):
        trace(NeedsValues(), torch.zeros(1, 5))
