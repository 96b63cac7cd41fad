"""Every parameter belongs to exactly one layer group, under names that people know."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from unfreeze.backbones import layers_of, model_layers
from unfreeze.backbones.building import build_meta, native_size
from unfreeze.errors import ModelError, SelectorError
from unfreeze.layers import Layers

CLASSIC = (
    "vgg16", "resnet50", "mobilenetv2_100", "tf_efficientnet_lite0", "convnext_tiny", "densenet121",
    "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
)  # fmt: skip
# One of each family, with what makes them differ: callable matchers, several branches, tokens used late,
# fused attention, convolutions with reparameterised branches, weights shared or standardised when used.
FAMILIES = (
    "beit_base_patch16_224", "botnet26t_256", "cait_xxs24_224", "coat_tiny", "coatnet_0_rw_224", "convit_tiny",
    "crossvit_9_240", "cspresnet50", "davit_tiny", "deit_tiny_distilled_patch16_224", "dla34", "dpn68",
    "edgenext_small", "efficientformer_l1", "efficientvit_b0", "eva02_tiny_patch14_224", "fastvit_t8",
    "focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_100", "hgnetv2_b0", "hiera_tiny_224", "hrnet_w18_small",
    "inception_v3", "inception_resnet_v2", "levit_128", "maxvit_tiny_rw_224", "mixer_b16_224",
    "mobilenetv3_small_100", "mobilenetv4_conv_small", "mobileone_s0", "mobilevit_xxs", "mvitv2_tiny",
    "nasnetalarge", "nest_tiny", "nfnet_f0", "pit_ti_224", "poolformer_s12", "pvt_v2_b0", "rdnet_tiny", "regnetx_002",
    "repvgg_a0", "repvit_m0_9", "res2net50_26w_4s", "resnest14d", "resnetv2_50", "rexnet_100", "selecsls42",
    "senet154", "sequencer2d_s", "skresnet18", "swinv2_tiny_window8_256", "tiny_vit_5m_224", "tnt_s_patch16_224",
    "tresnet_m", "twins_pcpvt_small", "visformer_tiny", "volo_d1_224", "vovnet39a", "xception41",
    "xcit_nano_12_p8_224",
)  # fmt: skip


def assert_partition(layers: Layers, model: nn.Module) -> None:
    """Every parameter once, with its shape; names of stages, groups and leaves are checked by Layers itself."""
    expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert {parameter.name: parameter.shape for parameter in layers.parameters} == expected
    assert len(layers.parameters) == len(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIC)
def test_layer_groups_partition_the_parameters(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=3)
    layers = layers_of(model)
    assert_partition(layers, model)
    assert layers.stages[0].name == "stem"
    assert layers.stages[-1].name == "head"
    assert all(leaf.macs > 0 for leaf in layers.leaves if leaf.kind in {"conv", "linear"})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if timm.is_model(name)])
def test_layer_groups_partition_the_parameters_of_every_family(name: str) -> None:
    layers = model_layers(name)
    model = build_meta(name, native_size(name))
    below = {f"backbone.{n}" for n, _ in model.named_parameters()}
    assert {p.name for p in layers.parameters} == below | {"head.0.weight", "head.0.bias"}
    assert len(layers.stages) > 2


def test_resnet50_has_the_names_that_people_know() -> None:
    layers = model_layers("resnet50")
    assert [stage.name for stage in layers.stages] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert [group.name for group in layers.groups][:3] == ["stem", "layer1.0", "layer1.1"]
    assert len(layers.groups) == 18
    assert layers.leaves[0].name == "conv1"
    assert [leaf.name for leaf in layers.groups[-1].leaves] == ["head.0"]


def test_both_readings_of_the_last_20_on_resnet50() -> None:
    layers = model_layers("resnet50")
    assert layers.select("last:12") == layers.select("from:layer4.1")
    assert layers.select("last:20") == layers.select(["layer4", "head"])


@pytest.mark.slow
def test_efficientnet_is_named_by_its_blocks() -> None:
    layers = model_layers("tf_efficientnet_lite0")
    assert [stage.name for stage in layers.stages] == ["stem", *(f"blocks.{i}" for i in range(7)), "head"]
    assert layers.group_of("conv_head").name == "blocks.6.0"


@pytest.mark.slow
def test_swin_groups_its_downsampling_with_the_block_behind_it() -> None:
    layers = model_layers("swin_tiny_patch4_window7_224")
    assert [stage.name for stage in layers.stages] == ["stem", *(f"layers.{i}" for i in range(4)), "head"]
    assert layers.group_of("layers.1.downsample.reduction").name == "layers.1.blocks.0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "leaf"),
    [("densenet121", "features.norm5"), ("convnext_atto", "head.norm"), ("mobilenetv3_small_050", "conv_head")],
)
def test_what_timm_counts_into_its_top_group_is_pre_head(name: str, leaf: str) -> None:
    layers = model_layers(name)
    assert layers.stages[-2].name == "pre_head"
    assert layers.stage_of(leaf).name == "pre_head"
    assert leaf not in layers.select("head")


def test_vgg_ends_in_its_last_convolution() -> None:
    layers = model_layers("vgg16", hidden=1024)
    assert layers.stages[-2].name == "features.28"
    assert [leaf.name for leaf in layers.groups[-1].leaves] == ["head.0", "head.2"]
    assert layers.groups[-1].leaves[0].parameters[0].shape == (1024, 512)


@pytest.mark.slow
def test_trap_15_loose_parameters_belong_to_the_leaf_that_first_uses_them() -> None:
    home = {p.name: leaf.name for leaf in model_layers("vit_tiny_patch16_224").leaves for p in leaf.parameters}
    assert home["backbone.cls_token"] == home["backbone.pos_embed"] == "patch_embed.proj"
    home = {p.name: leaf.name for leaf in model_layers("beit_base_patch16_224").leaves for p in leaf.parameters}
    assert home["backbone.blocks.3.attn.q_bias"] == "blocks.3.attn.qkv"
    assert home["backbone.blocks.3.attn.relative_position_bias_table"] == "blocks.3.attn.qkv"
    assert home["backbone.blocks.3.gamma_1"] == "blocks.3.attn.proj"
    home = {p.name: leaf.name for leaf in model_layers("convnext_atto").leaves for p in leaf.parameters}
    assert home["backbone.stages.1.blocks.0.gamma"] == "stages.1.blocks.0.mlp.fc2"


@pytest.mark.slow
def test_weight_decay_spares_biases_norms_tokens_and_tables() -> None:
    decays = {p.name: p.decays for p in model_layers("swin_tiny_patch4_window7_224").parameters}
    decays |= {p.name: p.decays for p in model_layers("vit_tiny_patch16_224").parameters}
    decays |= {p.name: p.decays for p in model_layers("convnext_atto").parameters}
    spared = ("bias", "norm1.weight", "norm2.weight", "cls_token", "pos_embed", "relative_position_bias_table", "gamma")
    for name, does in decays.items():
        assert does != name.endswith(spared) or ".norm" in name or "stem.1" in name or "downsample.0" in name, name
    assert not decays["backbone.stem.1.weight"]
    assert decays["backbone.blocks.0.attn.qkv.weight"]


@pytest.mark.slow
def test_distances_are_timms_layer_decay_exponents_on_vit() -> None:
    with torch.device("meta"):
        model = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    layers = layers_of(model)
    distance = {
        p.name: layers.distance(layers.group_of(leaf.name).name) for leaf in layers.leaves for p in leaf.parameters
    }
    names = {id(p): name for name, p in model.named_parameters()}
    for group in param_groups_layer_decay(model, layer_decay=0.75):
        for parameter in group["params"]:
            assert group["lr_scale"] == pytest.approx(0.75 ** distance[names[id(parameter)]])


class Branched(nn.Module):
    """Defined in another order than used, with a loose parameter and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.top = nn.Linear(8, 2)
        self.unused = nn.Linear(3, 3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 1)))
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.top((self.body(images) * self.scale).mean((2, 3)))


def test_any_module_is_grouped_by_its_children_in_the_order_of_execution() -> None:
    model = Branched()
    layers = layers_of(model, example=torch.zeros(1, 3, 8, 8))
    assert_partition(layers, model)
    assert [leaf.name for leaf in layers.groups[-1].leaves] == ["top"]
    assert layers.order == ("body.0", "body.1", "body.2.1", "scale", "top", "unused")
    assert [group.name for group in layers.groups] == ["scale", "unused", "body.0", "body.1", "body.2", "head"]


def test_any_module_is_grouped_by_the_users_patterns() -> None:
    model = Branched()
    groups = {"low": "body.{0,1}", "high": "{body.2,scale,unused}"}
    layers = layers_of(model, head="top", example=torch.zeros(1, 3, 8, 8), groups=groups)
    assert_partition(layers, model)
    assert [group.name for group in layers.groups] == ["low", "high", "head"]
    assert layers.group_of("body.1").name == "low"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"low": "bodi.0"}, "matches nothing"),
        ({"low": "body", "high": "body.2"}, "name it once"),
        ({"low": "body"}, "in no group"),
        ({"head": "body"}, 'cannot be called "head"'),
    ],
)
def test_patterns_that_do_not_partition_are_errors(groups: dict[str, str], message: str) -> None:
    with pytest.raises(SelectorError, match=message):
        layers_of(Branched(), head="top", example=torch.zeros(1, 3, 8, 8), groups=groups)


def test_a_head_that_is_not_there_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r'no module "tip".*Did you mean "top"'):
        layers_of(Branched(), head="tip", example=torch.zeros(1, 3, 8, 8))
    with pytest.raises(ModelError, match="num_classes=0"):
        layers_of(timm.create_model("resnet18", num_classes=0))


@pytest.mark.slow
def test_trap_09_wrappers_change_no_name() -> None:
    model = timm.create_model("resnet18", num_classes=2)
    expected = layers_of(model)
    assert layers_of(nn.DataParallel(model)) == expected
    assert layers_of(torch.compile(model)) == expected
