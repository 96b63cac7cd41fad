"""Real networks with random weights, and the few optimizer steps that a freezing test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from unfreeze.backbones import load_network
from unfreeze.freezing import apply_plan, param_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from unfreeze.backbones import Network
    from unfreeze.plans import Plan


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Seed torch for each test, and give its state back."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Network]:
    """`make_network("resnet18", size=64)` → a network with random weights and three classes."""

    def make(name: str, *, size: int = 64) -> Network:
        return load_network(name, task="classification", outputs=("a", "b", "c"), size=size, pretrained=False)

    return make


@pytest.fixture
def images() -> torch.Tensor:
    """Four uint8 pictures of 64x64."""
    return torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)


@pytest.fixture(scope="session")
def make_optimizer() -> Callable[..., torch.optim.Optimizer]:
    """`make_optimizer(model, plan, "sgd")` → AdamW, or SGD with momentum, from the plan's groups."""

    def make(model: nn.Module, plan: Plan, solver: str = "adamw") -> torch.optim.Optimizer:
        groups = param_groups(model, plan)
        return torch.optim.SGD(groups, momentum=0.9) if solver == "sgd" else torch.optim.AdamW(groups)

    return make


@pytest.fixture(scope="session")
def train() -> Callable[..., None]:
    """`train(model, plan, optimizer, images, steps=range(4), steps_per_epoch=2)`: the plain loop of the README."""

    def run(
        model: nn.Module,
        plan: Plan,
        optimizer: torch.optim.Optimizer,
        images: torch.Tensor,
        *,
        steps: range,
        steps_per_epoch: int = 2,
        set_to_none: bool = True,
    ) -> None:
        targets = torch.arange(len(images)) % 3
        for step in steps:
            model.train()
            apply_plan(model, plan, optimizer, step=step, steps_per_epoch=steps_per_epoch)
            loss = nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad(set_to_none=set_to_none)
            loss.backward()
            optimizer.step()

    return run
