"""Which modules run as in training and which as in inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from unfreeze.backbones import layers_of
from unfreeze.freezing import apply_plan
from unfreeze.plans import Phase, Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network
    from unfreeze.layers import Layers


def apply(model: nn.Module, layers: Layers, *train: str, norm: str = "eval") -> nn.Module:
    plan = Plan(layers, (Phase("only", 1, train, 1e-3, norm=norm),))
    apply_plan(model.train(), plan, step=0, steps_per_epoch=1)
    return model


def test_trap_13_dropout_and_stochastic_depth_in_the_frozen_part_are_off(images: torch.Tensor) -> None:
    import timm

    model = timm.create_model("convnext_atto", num_classes=3, drop_path_rate=0.5, drop_rate=0.5)
    layers = layers_of(model, example=torch.zeros(1, 3, 64, 64))
    apply(model, layers, "head")
    frozen = [m for name, m in model.named_modules() if "drop_path" in name and not isinstance(m, nn.Identity)]
    assert frozen
    assert not any(module.training for module in frozen)
    pixels = images.float()
    assert torch.equal(model.forward_features(pixels), model.forward_features(pixels))


def test_trap_13_stochastic_depth_is_on_where_its_block_trains(make_network: Callable[..., Network]) -> None:
    import timm

    model = timm.create_model("convnext_atto", num_classes=3, drop_path_rate=0.5)
    layers = layers_of(model, example=torch.zeros(1, 3, 64, 64))
    apply(model, layers, "stages:2")
    paths = {name: m.training for name, m in model.named_modules() if name.endswith("drop_path")}
    assert {name: on for name, on in paths.items() if on} == {n: True for n in paths if n.startswith("stages.3")}
    assert make_network  # the same holds without a timm head of its own


def classifier() -> tuple[nn.Sequential, Layers]:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()),
        nn.Sequential(nn.Dropout(), nn.Linear(4, 3)),
    )
    return model, layers_of(model.eval(), head="1.1", example=torch.zeros(2, 4))


def test_dropout_goes_with_the_leaf_before_it_or_else_with_its_parent() -> None:
    model, layers = classifier()
    apply(model, layers, "head")
    assert [module.training for module in model[0]] == [False] * 5
    assert [module.training for module in model[1]] == [True, True]
    apply(model, layers, "0.2", "0.3", "head")
    assert [module.training for module in model[0]] == [False, False, True, False, True]
    apply(model, layers, "all", norm="train")
    assert all(module.training for module in model.modules())


def test_dropout_after_a_frozen_norm_layer_in_what_trains_stays_on() -> None:
    model, layers = classifier()
    apply(model, layers, "all", norm="frozen")
    assert [module.training for module in model[0]] == [True, True, True, False, True]
    assert model.training


def test_a_container_trains_only_if_all_in_it_does() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 64), nn.Linear(64, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(nn.functional.dropout(self.a(x), training=self.training))

    model = Functional()
    layers = layers_of(model.eval(), head="b", example=torch.zeros(1, 4))
    x = torch.ones(1, 4)
    apply(model, layers, "head")
    assert torch.equal(model(x), model(x))
    apply(model, layers, "all")
    assert not torch.equal(model(x), model(x))


def test_attention_dropout_before_the_first_trained_leaf_is_off() -> None:
    import timm

    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=3, img_size=32, attn_drop_rate=0.5, proj_drop_rate=0.5
    )
    layers = layers_of(model, example=torch.zeros(1, 3, 32, 32))
    apply(model, layers, "blocks.11.attn.proj", "head")
    attention = model.blocks[11].attn
    assert (attention.training, attention.attn_drop.training, attention.proj_drop.training) == (False, False, True)


def test_everything_trains_under_full_but_norm_layers_keep_their_statistics(
    make_network: Callable[..., Network],
) -> None:
    network = make_network("resnet18")
    layers = layers_of(network)
    apply_plan(network.eval(), make_plan("full", layers, epochs=1), step=0, steps_per_epoch=1)
    for module in network.modules():
        assert module.training == (not isinstance(module, nn.BatchNorm2d))
