"""A split trains exactly what the network trains: gradients are compared, because outputs hide what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from unfreeze.frontier import NoSplit, Split, split_network
from unfreeze.frontier.cutting import make_prefix, make_suffix, possible_cuts, study
from unfreeze.frontier.tracing import open_mixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network

# From the head alone to half of the network.
TRAINED = {
    "vgg11": ("features.18", "features.8"),
    "resnet18": ("layer4", "layer3.1.conv2"),
    "mobilenetv2_100": ("blocks.6", "from:blocks.4"),
    "tf_efficientnet_lite0": ("blocks.6", "from:blocks.4"),
    "convnext_atto": ("stages.3", "from:stages.2.blocks.3.norm"),
    "densenet121": ("features.denseblock4", "from:features.denseblock3.denselayer20"),
    "vit_tiny_patch16_224": ("blocks.11", "from:blocks.6.mlp.fc1"),
    "swin_tiny_patch4_window7_224": ("layers.3", "from:layers.2.blocks.2"),
    "eva02_tiny_patch14_224": ("blocks.11", "from:blocks.6"),
    "beit_base_patch16_224": ("blocks.3", "from:blocks.2"),
}
QUICK = ("resnet18", "convnext_atto", "vit_tiny_patch16_224")  # a kind of each; the others in all tests
CASES = [
    pytest.param(name, train, marks=() if name in QUICK else pytest.mark.slow)
    for name, trained in TRAINED.items()
    for train in ("head", *trained)
]


def split_or_fail(network: nn.Module, images: Tensor, **settings: int) -> Split:
    split = split_network(network, images, **settings)
    assert isinstance(split, Split), split
    return split


def run_split(split: Split, images: Tensor) -> Tensor:
    with torch.no_grad():
        tensors = split.prefix(images)
    return split.suffix(*tensors)


def learn(network: nn.Module, compute: Callable[[], Tensor], *, seed: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of one step, and the gradient of each parameter that gets one."""
    network.zero_grad(set_to_none=True)
    torch.manual_seed(seed)
    logits = compute()
    loss = nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 3)
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def assert_learns_the_same(network: nn.Module, split: Split, images: Tensor, begin: Callable[[], None]) -> None:
    begin()
    loss, gradients = learn(network, lambda: network(images))
    begin()
    split_loss, split_gradients = learn(network, lambda: run_split(split, images))
    assert torch.equal(split_loss, loss)
    assert split_gradients.keys() == gradients.keys() == {n for n, p in network.named_parameters() if p.requires_grad}
    for name, gradient in gradients.items():
        assert torch.equal(split_gradients[name], gradient), name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "train"), CASES)
def test_trap_21_every_trained_parameter_gets_the_gradient_it_gets_without_a_split(
    make_network: Callable[[str], Network],
    begin_phase: Callable[..., None],
    make_images: Callable[..., Tensor],
    name: str,
    train: str,
) -> None:
    network = make_network(name)
    begin_phase(network, "head", train)
    split = split_or_fail(network, make_images(network))
    assert split.prefix_macs > 0
    for n_images in (4, 1):  # trap 23: the batch of the example is in neither part; the last batch may be one image
        images = make_images(network, n_images)
        assert_learns_the_same(network, split, images, lambda: begin_phase(network, "head", train))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "tf_efficientnet_lite0"])
def test_batch_statistics_of_what_trains_are_updated_as_without_a_split(
    make_network: Callable[[str], Network],
    begin_phase: Callable[..., None],
    make_images: Callable[..., Tensor],
    name: str,
) -> None:
    network = make_network(name)
    begin_phase(network, "head", TRAINED[name][0], norm="train")
    images = make_images(network, 4)
    before = {n: b.clone() for n, b in network.named_buffers()}
    split = split_or_fail(network, images)
    assert all(torch.equal(b, before[n]) for n, b in network.named_buffers()), "splitting changes no statistics"
    _, gradients = learn(network, lambda: network(images))
    whole = {n: b.clone() for n, b in network.named_buffers()}
    network.load_state_dict(before, strict=False)
    _, split_gradients = learn(network, lambda: run_split(split, images))
    assert any(not torch.equal(b, before[n]) for n, b in network.named_buffers())
    assert all(torch.equal(b, whole[n]) for n, b in network.named_buffers())
    assert all(torch.equal(split_gradients[n], gradient) for n, gradient in gradients.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loose"),
    [
        ("convnext_atto", "backbone.stages.3.blocks.0.gamma"),
        ("swin_tiny_patch4_window7_224", "backbone.layers.2.blocks.3.attn.relative_position_bias_table"),
        ("eva02_tiny_patch14_224", "backbone.blocks.7.attn.q_bias"),
        ("beit_base_patch16_224", "backbone.blocks.2.attn.q_bias"),
        ("vit_tiny_patch16_224", "backbone.cls_token"),
        ("vit_tiny_patch16_224", "backbone.pos_embed"),
    ],
)
def test_trap_21_a_parameter_read_as_an_attribute_trains_even_if_it_is_all_that_trains_of_its_module(
    make_network: Callable[[str], Network], make_images: Callable[..., Tensor], name: str, loose: str
) -> None:
    network = make_network(name).eval().requires_grad_(requires_grad=False)
    network.head.requires_grad_()
    network.get_parameter(loose).requires_grad_()
    images = make_images(network, 3)
    split = split_or_fail(network, images[:2])
    assert_learns_the_same(network, split, images, lambda: None)
    assert network.get_parameter(loose).grad.abs().sum() > 0


def test_the_parts_hold_the_networks_own_parameters(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("convnext_atto")
    begin_phase(network, "head", "stages.3")
    before = set(vars(network)), {n: p.requires_grad for n, p in network.named_parameters()}
    modes = [m.training for m in network.modules()]
    split = split_or_fail(network, make_images(network))
    own = {id(parameter) for parameter in network.parameters()}
    assert {id(p) for part in (split.prefix, split.suffix) for p in part.parameters()} == own
    assert (set(vars(network)), {n: p.requires_grad for n, p in network.named_parameters()}) == before
    assert [m.training for m in network.modules()] == modes
    trained = {n for n, p in network.named_parameters() if p.requires_grad}
    assert {n for n, p in split.prefix.named_parameters() if p.requires_grad} == set()
    assert {n for n, p in split.suffix.named_parameters() if p.requires_grad} == trained


def test_the_frontier_says_what_the_prefix_gives(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("resnet18")
    begin_phase(network, "head", "layer4")
    split = split_or_fail(network, make_images(network))
    tensors = split.prefix(make_images(network, 5))
    assert [(5, *tensor.shape) for tensor in split.frontier] == [tuple(tensor.shape) for tensor in tensors]
    assert [tensor.dtype for tensor in split.frontier] == [tensor.dtype for tensor in tensors]
    assert split.n_bytes == sum(tensor[0].nbytes for tensor in tensors) == 256 * 4 * 4 * 4
    assert split.frontier[0].name == "backbone_layer3"


@pytest.mark.slow
def test_the_head_alone_is_split_off_without_opening_the_backbone(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("swin_tiny_patch4_window7_224")
    begin_phase(network, "head")
    split = split_or_fail(network, make_images(network))
    assert [(tensor.name, tensor.shape) for tensor in split.frontier] == [("backbone", (768,))]
    assert {n for n, _ in split.suffix.named_parameters()} == {"head.0.weight", "head.0.bias"}


@pytest.mark.slow
def test_trap_15_tables_that_do_not_depend_on_the_image_are_not_at_the_frontier(
    make_network: Callable[[str], Network], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("eva02_tiny_patch14_224").eval().requires_grad_(requires_grad=False)
    network.backbone.blocks[8:].requires_grad_()
    network.head.requires_grad_()
    split = split_or_fail(network, make_images(network))
    assert [tensor.shape for tensor in split.frontier] == [(10, 192)]  # tokens; the blocks read rotary tables as well
    assert any("rope" in str(node.target) for node in split.suffix.graph.nodes)


@pytest.mark.slow
def test_trap_22_splitting_again_after_the_phase_changed_follows_it(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("vit_tiny_patch16_224")
    images = make_images(network, 3)
    for train in ("head", "blocks.11", "from:blocks.6"):
        begin_phase(network, "head", train)
        split = split_or_fail(network, images)
        assert_learns_the_same(network, split, images, lambda train=train: begin_phase(network, "head", train))


@pytest.mark.slow
def test_trap_13_a_frozen_part_whose_dropout_runs_is_not_computed_once(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("vit_tiny_patch16_224")
    begin_phase(network, "head")
    network.backbone.blocks[6].train()
    images = make_images(network, 3)
    split = split_network(network, images)
    assert isinstance(split, NoSplit), "the backbone is one node, and random"
    network.backbone.blocks[8].mlp.fc1.weight.requires_grad_()  # now it is opened
    opened = split_or_fail(network, images)
    assert opened.frontier[0].name == "backbone_blocks_5"
    assert_learns_the_same(network, opened, images, lambda: None)


def test_dropout_that_a_part_trained_in_part_calls_as_a_function_is_live() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.linear = nn.Linear(4, 3)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.conv(images.float())
            return self.linear(nn.functional.dropout(maps, 0.5, self.training).mean((2, 3)))

    network = Dropping()
    network.conv.requires_grad_(requires_grad=False)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    assert [tensor.name for tensor in split_or_fail(network, images).frontier] == ["conv"]
    assert_learns_the_same(network, split_or_fail(network, images), images, lambda: None)
    assert [tensor.shape for tensor in split_or_fail(network.eval(), images).frontier] == [(4,)]


def test_trap_23_what_the_graph_knows_of_the_batch_size_follows_the_batch() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.linear = nn.Linear(4, 3)
            self.token = nn.Parameter(torch.randn(1, 1, 4), requires_grad=False)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.conv(images.float())
            n_images, n_channels, height, width = maps.shape
            rows = maps.view(n_images, n_channels, height // 2, 2, width).permute(0, 2, 3, 4, 1)
            windows = rows.reshape(n_images * height // 2, 2 * width, n_channels)
            mixed = self.linear(windows).view(n_images, -1, 3)
            tokens = self.linear(self.token.expand(n_images, 2, -1))
            return (mixed.mean(1) + tokens.mean(1)) / n_images

    network = Windows()
    network.conv.requires_grad_(requires_grad=False)
    example = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    split = split_or_fail(network, example)
    # The windows of all images are rows there: the cut lies where an image is a row.
    assert split.frontier[0].shape[-1] == 4
    assert len(split.frontier) == 1
    for n_images in (1, 2, 7):
        images = torch.randint(0, 256, (n_images, 3, 8, 8), dtype=torch.uint8)
        assert_learns_the_same(network, split, images, lambda: None)


def test_the_suffix_leaves_its_inputs_unchanged_wherever_the_cut_lies() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(64, 3))
    network[0].requires_grad_(requires_grad=False)
    images = torch.randn(4, 3, 4, 4)
    graph = study(open_mixed(network).graph, images)
    for cut in possible_cuts(graph):
        prefix, suffix = make_prefix(graph, cut), make_suffix(graph, cut)
        tensors = prefix(images)
        kept = [tensor.clone() for tensor in tensors]
        assert torch.equal(suffix(*tensors), network(images))
        assert all(torch.equal(a, b) for a, b in zip(tensors, kept, strict=True))


def test_a_list_of_tensors_passes_the_frontier_in_its_parts() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList([nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)])

        def forward(self, images: Tensor) -> list[Tensor]:
            return [conv(images) for conv in self.convs]

    class Join(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, maps: list[Tensor]) -> Tensor:
            maps[1] = maps[1] * 2  # HRNet's stages write into the list that they are given
            return self.linear(torch.cat([each.mean((2, 3)) for each in maps], dim=1))

    network = nn.Sequential(Fork(), Join())
    network[0].requires_grad_(requires_grad=False)
    split = split_or_fail(network, torch.randn(2, 3, 4, 4))
    assert [tensor.shape for tensor in split.frontier] == [(4, 4, 4), (2, 4, 4)]
    assert_learns_the_same(network, split, torch.randn(3, 3, 4, 4), lambda: None)


def test_a_module_that_cannot_be_traced_stays_whole_and_the_cut_lies_before_it() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, rows: Tensor) -> Tensor:
            hidden = self.first(rows)
            return self.second(hidden if hidden.sum() > 0 else -hidden)

    network = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), Branching())
    network[0].requires_grad_(requires_grad=False)
    network[2].first.requires_grad_(requires_grad=False)
    split = split_or_fail(network, torch.randn(2, 5))
    assert [tensor.name for tensor in split.frontier] == ["_1"]
    assert_learns_the_same(network, split, torch.randn(4, 5), lambda: None)


def test_no_split_where_nothing_is_frozen(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("resnet18")
    begin_phase(network, "all")
    assert split_network(network, make_images(network)) == NoSplit("no layer is frozen below the first that trains")


def test_no_split_says_which_part_cannot_be_traced() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, rows: Tensor) -> Tensor:
            return self.second(self.first(rows) if rows.sum() > 0 else -self.first(rows))

    network = nn.Sequential(Branching())
    network[0].first.requires_grad_(requires_grad=False)
    assert split_network(network, torch.randn(2, 4)).reason.startswith(
        "0 (Branching) trains in part and cannot be traced (TraceError: symbolically traced variables"
    )
    assert split_network(network[0], torch.randn(2, 4)).reason.startswith("Branching cannot be traced (TraceError")


def test_no_split_where_a_graph_computes_something_else_than_the_network() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, rows: Tensor) -> Tensor:
            return self.second(self.first(rows) if isinstance(rows, Tensor) else -self.first(rows))

    network = Asking()
    network.first.requires_grad_(requires_grad=False)
    assert split_network(network, torch.randn(2, 4)) == NoSplit(
        "the graph of Asking does not compute what the network does"
    )


def test_no_split_where_nothing_fits_the_quota(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("resnet18")
    begin_phase(network, "head")
    reason = "1000 images of at least 2,048 bytes do not fit the quota of 2,047,999 bytes"
    images = make_images(network)
    assert split_network(network, images, n_rows=1000, quota_bytes=2_047_999) == NoSplit(reason)
    assert isinstance(split_network(network, images, n_rows=1000, quota_bytes=2_048_000), Split)


@pytest.mark.slow
def test_a_quota_moves_the_cut_to_where_fewer_bytes_pass(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("densenet121")
    begin_phase(network, "head", "from:features.denseblock3.denselayer20")
    images = make_images(network, 3)
    deepest = split_or_fail(network, images)
    assert (len(deepest.frontier), deepest.recomputed_macs) == (20, 0)
    earlier = split_or_fail(network, images, n_rows=100, quota_bytes=100 * deepest.n_bytes - 1)
    assert earlier.n_bytes < deepest.n_bytes
    assert earlier.recomputed_macs > 0
    assert earlier.prefix_macs + earlier.recomputed_macs == deepest.prefix_macs
    begin = lambda: begin_phase(network, "head", "from:features.denseblock3.denselayer20")  # noqa: E731
    assert_learns_the_same(network, earlier, images, begin)


@pytest.mark.slow
def test_trap_12_a_compiled_suffix_trains_one_phase_at_a_time(
    make_network: Callable[[str], Network], begin_phase: Callable[..., None], make_images: Callable[..., Tensor]
) -> None:
    network = make_network("convnext_atto")
    images = make_images(network, 2)
    for train in ("head", "stages.3"):
        begin_phase(network, "head", train)
        split = split_or_fail(network, images)
        torch.compiler.reset()
        compiled = torch.compile(split.suffix, backend="aot_eager")
        with torch.no_grad():
            tensors = split.prefix(images)
        _, gradients = learn(network, lambda compiled=compiled, tensors=tensors: compiled(*tensors))
        assert gradients.keys() == {n for n, p in network.named_parameters() if p.requires_grad}
