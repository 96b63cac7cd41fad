from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from unfreeze.errors import RunError
from unfreeze.training.checkpoint import (
    Best,
    Cursor,
    load_checkpoint,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
    save_checkpoint,
    snapshot,
)


def test_cursor_and_tensors_come_back(tmp_path: Path) -> None:
    cursor = Cursor(phase=1, step=7, phase_epochs=(2,), best=Best(epoch=1, value=0.1 + 0.2, val_loss=1 / 3))
    sections = {
        "a": {"x": torch.arange(6.0).reshape(2, 3), "zero": torch.tensor(0.0)},
        "b": {"x": torch.arange(6.0).reshape(2, 3), "zero": torch.tensor(-0.0)},
        "none": {},
    }
    save_checkpoint(tmp_path / "c" / "last.safetensors", cursor, sections)
    back, tensors = load_checkpoint(tmp_path / "c" / "last.safetensors")
    assert back == cursor
    assert list(tensors) == ["a", "b", "none"]
    assert torch.equal(tensors["b"]["x"], sections["b"]["x"])
    assert torch.signbit(tensors["b"]["zero"]), "-0.0 equals 0.0 but is not the same bits"


def test_a_metric_that_is_no_number_comes_back(tmp_path: Path) -> None:
    best = Best(epoch=0, value=math.nan, val_loss=math.inf)
    save_checkpoint(tmp_path / "last.safetensors", Cursor(best=best, loss_sum=math.nan), {})
    back, _ = load_checkpoint(tmp_path / "last.safetensors")
    assert back.best is not None
    assert math.isnan(back.best.value)
    assert back.best.val_loss == math.inf
    assert math.isnan(back.loss_sum)


def test_equal_tensors_are_written_once(tmp_path: Path) -> None:
    big = torch.randn(1000, 100)
    save_checkpoint(tmp_path / "one", Cursor(), {"a": {"x": big}})
    save_checkpoint(tmp_path / "five", Cursor(), {name: {"x": big.clone()} for name in "abcde"})
    assert (tmp_path / "five").stat().st_size < (tmp_path / "one").stat().st_size + 2000


def test_trap_27_channels_last_weights_and_moments_come_back_in_their_own_format(tmp_path: Path) -> None:
    torch.manual_seed(0)

    def build() -> tuple[nn.Module, torch.optim.Optimizer]:
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).to(memory_format=torch.channels_last)
        return network, torch.optim.AdamW(network.parameters(), lr=0.1)

    def step(network: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(2, 3, 12, 12, generator=generator).contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()

    network, optimizer = build()
    step(network, optimizer, 1)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    moments = optimizer_tensors(optimizer, names)
    save_checkpoint(tmp_path / "last", Cursor(), {"network": snapshot(network), "moments": moments})

    other, other_optimizer = build()
    _, sections = load_checkpoint(tmp_path / "last")
    restore_network(other, sections["network"])
    restore_optimizer(other_optimizer, sections["moments"], dict(other.named_parameters()))
    weight = other[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert other_optimizer.state[weight]["exp_avg"].is_contiguous(memory_format=torch.channels_last)
    step(network, optimizer, 2)
    step(other, other_optimizer, 2)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_missing_checkpoint_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint to resume from"):
        load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
