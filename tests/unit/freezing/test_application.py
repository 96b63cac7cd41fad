"""A plan applied to real networks: what is frozen stays as it is, what trains trains at the plan's rates."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from unfreeze.backbones import layers_of
from unfreeze.errors import PlanError
from unfreeze.freezing import apply_plan, layer_hashes, param_groups
from unfreeze.plans import STRATEGIES, Phase, Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from unfreeze.backbones import Network

SOLVERS = ("adamw", pytest.param("sgd", marks=pytest.mark.slow))
NETWORKS = [
    "vgg16",
    "resnet50",
    "mobilenetv2_035",
    "tf_efficientnet_lite0",
    "convnext_atto",
    "densenet121",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
]


def unfreeze_and_freeze_again(network: nn.Module, *, solver: str = "adamw") -> Plan:
    """The last stage with batch statistics, then the head alone: a phase that unfreezes, one that freezes again."""
    phases = (
        Phase("top", 1, ("stages:1",), 1e-2, norm="train", weight_decay=0.5, solver=solver),
        Phase("head", 1, ("head",), 1e-2, weight_decay=0.5, solver=solver),
    )
    return Plan(layers_of(network), phases)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_frozen_weights_and_buffers_are_bit_identical(
    make_network: Callable[..., Network],
    make_optimizer: Callable[..., torch.optim.Optimizer],
    train: Callable[..., None],
    images: torch.Tensor,
    name: str,
    solver: str,
) -> None:
    network = make_network(name)
    plan = unfreeze_and_freeze_again(network, solver=solver)
    optimizer = make_optimizer(network, plan, solver)
    before = layer_hashes(network, plan.layers)
    train(network, plan, optimizer, images, steps=range(2))
    between = layer_hashes(network, plan.layers)
    train(network, plan, optimizer, images, steps=range(2, 4))
    after = layer_hashes(network, plan.layers)
    top = {group.name for stage in plan.layers.stages[-2:] for group in stage.groups}
    assert {group for group in before if before[group] != between[group]} == top
    assert {group for group in before if between[group] != after[group]} == {"head"}


def test_trap_01_frozen_norm_layers_have_no_gradient_and_infer_again_after_every_train_call() -> None:
    norms: list[nn.Module] = [
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, affine=False),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        nn.GroupNorm(2, 4),
        nn.LayerNorm([4, 6, 6]),
        nn.SyncBatchNorm(4),
    ]
    body = nn.Sequential(nn.Conv2d(3, 4, 3), *norms, nn.Flatten())
    model = nn.Sequential(body, nn.BatchNorm1d(144), nn.Linear(144, 3))
    with torch.no_grad():
        plan = make_plan("head", layers_of(model.eval(), head="2", example=torch.zeros(2, 3, 8, 8)))
    optimizer = torch.optim.AdamW(param_groups(model, plan))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    assert len(buffers) >= 3 * 4
    for step in range(3):
        model.train()
        apply_plan(model, plan, optimizer, step=step, steps_per_epoch=3)
        assert not any(norm.training for norm in [*norms, model[1]])
        assert not any(p.requires_grad for norm in [*norms, model[1]] for p in norm.parameters())
        model(torch.randn(4, 3, 8, 8)).sum().backward()
        optimizer.step()
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "affine_trains", "statistics_move"),
    [("eval", True, False), ("train", True, True), ("frozen", False, False)],
)
def test_norm_layers_in_what_trains_obey_the_phase(
    make_network: Callable[..., Network],
    train: Callable[..., None],
    images: torch.Tensor,
    norm: str,
    affine_trains: bool,
    statistics_move: bool,
) -> None:
    network = make_network("resnet18")
    plan = Plan(layers_of(network), (Phase("top", 1, ("layer4", "head"), 1e-2, norm=norm),))
    bn = network.backbone.layer4[1].bn2
    weight, mean = bn.weight.clone(), bn.running_mean.clone()
    train(network, plan, torch.optim.AdamW(param_groups(network, plan)), images, steps=range(2))
    assert bn.training == statistics_move
    assert torch.equal(bn.weight, weight) != affine_trains
    assert torch.equal(bn.running_mean, mean) != statistics_move
    assert network.backbone.layer4[1].conv2.weight.requires_grad
    assert network.backbone.layer4[1].conv2.training


def test_trap_02_a_linear_probe_sees_the_same_features_throughout(
    make_network: Callable[..., Network], train: Callable[..., None], images: torch.Tensor
) -> None:
    network = make_network("mobilenetv2_035")
    before = network.eval().features(images)
    plan = make_plan("head", layers_of(network), epochs=2)
    train(network, plan, torch.optim.AdamW(param_groups(network, plan)), images, steps=range(4))
    assert torch.equal(network.features(images), before)  # as apply_plan left it, without network.eval()


def test_trap_03_parameters_of_equal_value_are_all_there() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    layers = layers_of(model, head="4", example=torch.zeros(1, 4))
    groups = param_groups(model, make_plan("full", layers))
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_trap_04_nothing_is_replaced_and_a_replaced_module_is_noticed(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = unfreeze_and_freeze_again(network)
    optimizer = torch.optim.AdamW(param_groups(network, plan))
    parts = [id(each) for each in (*network.modules(), *network.parameters())]
    for step in (0, 1):
        apply_plan(network, plan, optimizer, step=step, steps_per_epoch=1)
    assert [id(each) for each in (*network.modules(), *network.parameters())] == parts
    network.backbone.layer4[0].conv1 = copy.deepcopy(network.backbone.layer4[0].conv1)
    with pytest.raises(PlanError, match=r'group "layer4\.0" holds other tensors than the model has now'):
        apply_plan(network, plan, optimizer, step=0, steps_per_epoch=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STRATEGIES, "stages:2", "last:3"])
def test_trap_05_the_optimizer_really_uses_the_plans_rate_at_every_step(
    make_network: Callable[..., Network], name: str
) -> None:
    network = make_network("resnet18").double()
    plan = make_plan(name, layers_of(network), epochs=7, solver="sgd", weight_decay=0.0)
    optimizer = torch.optim.SGD(param_groups(network, plan))
    parameters = dict(network.named_parameters())
    for step in range(14):
        state = apply_plan(network, plan, optimizer, step=step, steps_per_epoch=2).state
        rates = {p: lr for group, lr in zip(plan.param_groups, state.lrs, strict=True) for p in group.parameters}
        before = {key: parameter.detach().clone() for key, parameter in parameters.items()}
        for parameter in parameters.values():
            parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
        optimizer.step()  # plain SGD on a gradient of one moves every weight by just its rate
        for key, parameter in parameters.items():
            moved = before[key] - parameter.detach()
            torch.testing.assert_close(moved, torch.full_like(moved, rates.get(key, 0.0)), rtol=1e-6, atol=1e-15)
            assert (key in state.trained_parameters) == parameter.requires_grad == (rates.get(key, 0.0) > 0)


def test_trap_06_all_groups_are_there_from_the_start(
    make_network: Callable[..., Network], train: Callable[..., None], images: torch.Tensor
) -> None:
    network = make_network("resnet18")
    plan = make_plan("gradual", layers_of(network), epochs=3)
    optimizer = torch.optim.AdamW(param_groups(network, plan))
    groups = optimizer.param_groups
    held = [[id(p) for p in group["params"]] for group in groups]
    train(network, plan, optimizer, images, steps=range(3), steps_per_epoch=1)
    assert [[id(p) for p in group["params"]] for group in optimizer.param_groups] == held
    assert [group["name"] for group in groups] == [group.name for group in plan.param_groups]
    fresh = torch.optim.AdamW(param_groups(network, plan))
    fresh.load_state_dict(optimizer.state_dict())  # saved in the last phase, loaded before the first
    torch.optim.lr_scheduler.LambdaLR(fresh, lambda _: 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow), 5]
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_trap_07_resuming_is_asking_the_plan_again(
    make_network: Callable[..., Network],
    make_optimizer: Callable[..., torch.optim.Optimizer],
    train: Callable[..., None],
    images: torch.Tensor,
    stop: int,
    solver: str,
) -> None:
    def begin() -> tuple[Network, Plan, torch.optim.Optimizer]:
        network = make_network("resnet18")
        plan = make_plan("gradual", layers_of(network), epochs=3, solver=solver, norm="train")
        return network, plan, make_optimizer(network, plan, solver)

    whole, plan, optimizer = begin()
    train(whole, plan, optimizer, images, steps=range(6))
    first, plan, optimizer = begin()
    train(first, plan, optimizer, images, steps=range(stop))
    second, plan, resumed = begin()
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(optimizer.state_dict())
    train(second, plan, resumed, images, steps=range(stop, 6))
    assert layer_hashes(second, plan.layers) == layer_hashes(whole, plan.layers)


@pytest.mark.parametrize("solver", SOLVERS)
def test_trap_08_a_frozen_parameter_has_no_gradient_no_decay_and_does_not_move(
    make_network: Callable[..., Network],
    make_optimizer: Callable[..., torch.optim.Optimizer],
    train: Callable[..., None],
    images: torch.Tensor,
    solver: str,
) -> None:
    network = make_network("resnet18")
    plan = unfreeze_and_freeze_again(network, solver=solver)
    optimizer = make_optimizer(network, plan, solver)
    # Gradients set to zero instead of None, momentum and a strong decay: all that could still move a weight.
    train(network, plan, optimizer, images, steps=range(2), set_to_none=False)
    weight = network.backbone.layer4[1].conv2.weight
    assert weight.grad is not None
    held = weight.detach().clone()
    train(network, plan, optimizer, images, steps=range(2, 4), set_to_none=False)
    assert weight.grad is None
    assert torch.equal(weight, held)
    frozen = [group for group in optimizer.param_groups if not group["name"].startswith("head")]
    assert frozen
    assert {(group["lr"], group["weight_decay"]) for group in frozen} == {(0.0, 0.0)}


def test_trap_09_wrapped_models_are_the_same_models(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = make_plan("stages:1", layers_of(network), epochs=2)
    expected = None
    for wrapped in (
        network,
        nn.DataParallel(network),
        torch.compile(network, backend="eager"),
        nn.DataParallel(torch.compile(network, backend="eager")),
    ):
        optimizer = torch.optim.AdamW(param_groups(wrapped, plan))
        for step in (0, 1):
            wrapped.train()
            apply_plan(wrapped, plan, optimizer, step=step, steps_per_epoch=1)
        flags = [p.requires_grad for p in network.parameters()], [m.training for m in network.modules()]
        expected = expected or flags
        assert flags == expected
        assert layer_hashes(wrapped, plan.layers) == layer_hashes(network, plan.layers)


@pytest.mark.parametrize("part", ["layer4", "backbone"])
def test_trap_09_wrapped_parts_are_found_too(make_network: Callable[..., Network], part: str) -> None:
    network = make_network("resnet18")
    plan = make_plan("stages:1", layers_of(network), epochs=1)
    layer3, layer4 = network.backbone.layer3, network.backbone.layer4
    if part == "backbone":
        network.backbone = nn.DataParallel(network.backbone)
    else:
        network.backbone.layer4 = torch.compile(layer4, backend="eager")
    apply_plan(network.train(), plan, torch.optim.AdamW(param_groups(network, plan)), step=0, steps_per_epoch=1)
    assert layer4[0].conv1.weight.requires_grad
    assert layer4[0].training
    assert not layer3[0].bn1.training


@pytest.mark.slow
def test_trap_12_a_model_compiled_for_its_phase_has_gradients_where_it_trains(
    make_network: Callable[..., Network], images: torch.Tensor
) -> None:
    network = make_network("resnet18")
    plan = make_plan("gradual", layers_of(network), epochs=2)
    optimizer = torch.optim.AdamW(param_groups(network, plan))
    compiled: nn.Module = network
    for step in range(2):
        network.train()
        applied = apply_plan(network, plan, optimizer, step=step, steps_per_epoch=1)
        if applied.phase_started:
            torch.compiler.reset()
            compiled = torch.compile(network, backend="eager")
        optimizer.zero_grad()
        compiled(images).sum().backward()
        graded = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
        assert graded == applied.state.trained_parameters


@pytest.mark.slow
def test_trap_15_tokens_and_tables_train_with_the_layer_group_that_uses_them(
    make_network: Callable[..., Network],
) -> None:
    network = make_network("vit_tiny_patch16_224")
    layers = layers_of(network)
    apply_plan(network, make_plan("stages:12", layers, epochs=1), step=0, steps_per_epoch=1)
    assert not network.backbone.cls_token.requires_grad
    assert not network.backbone.pos_embed.requires_grad
    apply_plan(network, make_plan("full", layers, epochs=1), step=0, steps_per_epoch=1)
    assert network.backbone.cls_token.requires_grad
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.slow
def test_one_optimizer_step_advances_adam_once_for_all_rates(
    make_network: Callable[..., Network], train: Callable[..., None], images: torch.Tensor
) -> None:
    # The popular snippet calls apply_gradients once for each rate, which advances Adam several times a step.
    network = make_network("resnet18")
    plan = make_plan("layerwise", layers_of(network), epochs=3)
    optimizer = torch.optim.AdamW(param_groups(network, plan))
    train(network, plan, optimizer, images, steps=range(3), steps_per_epoch=1)
    assert {state["step"].item() for state in optimizer.state.values()} == {3.0}


@pytest.mark.slow
def test_applying_twice_changes_nothing(make_network: Callable[..., Network]) -> None:
    network = make_network("mobilenetv2_035")
    plan = make_plan("stages:2", layers_of(network), epochs=4)
    optimizer = torch.optim.AdamW(param_groups(network, plan))

    def seen() -> tuple[object, ...]:
        rates = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        return rates, [p.requires_grad for p in network.parameters()], [m.training for m in network.modules()]

    network.train()
    first = apply_plan(network, plan, optimizer, step=5, steps_per_epoch=2)
    before = seen()
    assert apply_plan(network, plan, optimizer, step=5, steps_per_epoch=2) == first
    assert seen() == before


def test_steps_may_be_asked_for_in_any_order(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = make_plan("gradual", layers_of(network), epochs=3)
    optimizer = torch.optim.AdamW(param_groups(network, plan))
    seen: dict[int, object] = {}
    for step in (0, 2, 1, 2, 0, 1):
        network.train()
        apply_plan(network, plan, optimizer, step=step, steps_per_epoch=1)
        now = [group["lr"] for group in optimizer.param_groups], [m.training for m in network.modules()]
        assert seen.setdefault(step, now) == now


def test_the_first_step_of_each_phase_says_so(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = make_plan("gradual", layers_of(network), epochs=3)
    started = [apply_plan(network, plan, step=step, steps_per_epoch=2).phase_started for step in range(6)]
    assert started == [True, False] * 3
    early = make_plan("gradual", layers_of(network), epochs=6)
    applied = apply_plan(network, early, step=2, steps_per_epoch=2, phase_epochs=(1,))
    assert applied.phase_started
    assert applied.position == (1, 0)


def test_a_rate_held_in_a_tensor_is_filled_in_place(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = make_plan("head", layers_of(network), epochs=1)
    optimizer = torch.optim.AdamW([{**g, "lr": torch.tensor(g["lr"])} for g in param_groups(network, plan)])
    tensor = optimizer.param_groups[0]["lr"]
    state = apply_plan(network, plan, optimizer, step=1, steps_per_epoch=4).state
    assert optimizer.param_groups[0]["lr"] is tensor
    assert tensor.item() == pytest.approx(state.lrs[0])


def test_an_optimizer_that_is_not_the_plans_is_refused_before_anything_is_written(
    make_network: Callable[..., Network],
) -> None:
    network = make_network("resnet18")
    plan = make_plan("head", layers_of(network))
    with pytest.raises(PlanError, match=r'no parameter group "head" .* param_groups\(model, plan\)'):
        apply_plan(network, plan, torch.optim.AdamW(network.parameters()), step=0, steps_per_epoch=1)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_groups_of_the_users_own_are_left_alone(make_network: Callable[..., Network]) -> None:
    network = make_network("resnet18")
    plan = make_plan("head", layers_of(network))
    own = {"params": [nn.Parameter(torch.zeros(1))], "lr": 0.25}
    optimizer = torch.optim.SGD([*param_groups(network, plan), own])
    apply_plan(network, plan, optimizer, step=3, steps_per_epoch=4)
    assert optimizer.param_groups[-1]["lr"] == 0.25


def test_a_plan_for_another_network_is_refused(make_network: Callable[..., Network]) -> None:
    plan = make_plan("head", layers_of(make_network("resnet18")))
    other = make_network("vgg16")
    for use in (lambda: param_groups(other, plan), lambda: apply_plan(other, plan, step=0, steps_per_epoch=1)):
        with pytest.raises(PlanError, match=r"for the layers of .*lacks \d+ of their .* parameters.*not theirs"):
            use()


def test_the_module_named_twice_by_a_backbones_own_classifier_is_told_apart() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential()
            self.backbone.add_module("fc", nn.Linear(4, 4))
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.backbone(x))

    model = Own()
    plan = make_plan("head", layers_of(model, head="fc", example=torch.zeros(1, 4)))
    apply_plan(model, plan, step=0, steps_per_epoch=1)
    assert model.fc.weight.requires_grad
    assert not model.backbone.fc.weight.requires_grad
    assert (model.fc.training, model.backbone.fc.training) == (True, False)
