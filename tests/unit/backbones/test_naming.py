"""Networks by the names that people give them."""

from __future__ import annotations

import pytest

from unfreeze.backbones import BUNDLED, check_model_name, known_models
from unfreeze.errors import ModelError


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("resnet50", "resnet50"), ("ResNet50", "resnet50"), ("resnet-50", "resnet50"), ("VGG16", "vgg16"),
        ("MobileNetV2", "mobilenetv2_100"), ("EfficientNet-B0", "efficientnet_b0"), ("DenseNet121", "densenet121"),
        ("EfficientNet-Lite0", "tf_efficientnet_lite0"), ("vit_b_16", "vit_base_patch16_224"),
        ("swin_t", "swin_tiny_patch4_window7_224"), ("resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("tf_efficientnet_b0_ns", "tf_efficientnet_b0.ns_jft_in1k"),
    ],
)  # fmt: skip
def test_spelling_does_not_matter(said: str, meant: str) -> None:
    assert check_model_name(said) == meant


@pytest.mark.parametrize(
    ("said", "nearest"),
    [("resnet5O", "resnet50"), ("vgg-17", "vgg16"), ("resnet50.a1_in2k", "resnet50.a1_in1k"), ("zzzzzz", "lists all")],
)
def test_an_unknown_network_is_an_error_that_names_the_nearest(said: str, nearest: str) -> None:
    with pytest.raises(ModelError, match=nearest):
        check_model_name(said)


def test_known_models_are_listed_bundled_first_with_sizes() -> None:
    known = {model.name: model for model in known_models()}
    assert list(known)[: len(BUNDLED)] == list(BUNDLED)
    assert known["resnet50"].n_parameters == 23_508_032
    assert known["resnet50"].weights == "hub"
    assert known["tf_efficientnet_lite2"].size == (260, 260)
    assert known["tf_efficientnet_lite0"].weights == "bundled"
    assert len(known) > 1000
