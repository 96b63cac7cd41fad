"""`--lr auto`: the rate that a range test tells, and a training that does not notice that there was a test."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unfreeze as uf
from unfreeze.backbones import Network
from unfreeze.errors import ConfigError, InterruptedRunError
from unfreeze.freezing import apply_plan
from unfreeze.history import read_history
from unfreeze.records import RangeTest, TrainOptions
from unfreeze.training import PhaseInfo, Silent, StepInfo
from unfreeze.training.checkpoint import snapshot
from unfreeze.training.executing import loop_settings, make_feeder, make_loss
from unfreeze.training.inputs import open_data, plan_from_options, study_data
from unfreeze.training.loss import Loss
from unfreeze.training.range_test import (
    AutoRate,
    has_diverged,
    pick_rate,
    range_test,
    smoothed,
    sweep_rates,
    told,
)
from unfreeze.training.run import prepare
from unfreeze.training.settings import settled

SETTINGS: dict[str, Any] = {
    "model": "test_resnet",
    "pretrained": False,
    "size": 32,
    "strategy": "head",
    "epochs": 2,
    "batch_size": 4,
}


def quadratic_sweep(curvature: float, *, n: int = 100, seed: int = 0) -> list[float]:
    """Losses of gradient descent on curvature / 2 · |w|² at rising rates, with a little noise."""
    noise, w, losses = np.random.default_rng(seed), np.full(50, 1.0), list[float]()
    for rate in sweep_rates(n):
        loss = float(curvature / 2 * np.mean(w**2)) * (1 + 0.02 * noise.normal())
        if losses and (not math.isfinite(loss) or loss > 4 * losses[0]):
            break
        losses.append(loss)
        w = w - rate * curvature * w
    return losses


@pytest.mark.parametrize("curvature", [1.0, 10.0, 100.0])
def test_the_rate_on_a_quadratic_is_stable_and_useful(curvature: float) -> None:
    """Descent is stable below 2 / curvature; the rate picked is below that, and not by orders of magnitude."""
    losses = quadratic_sweep(curvature)
    lr = pick_rate(sweep_rates(100), losses)
    assert lr is not None
    assert 0.02 / curvature < lr < 1 / curvature


def test_the_rate_on_logistic_losses_lies_where_they_fall_before_the_least_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 20, generator=generator)
    targets = (features @ torch.randn(20, 3, generator=generator)).argmax(1)
    layer = torch.nn.Linear(20, 3)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer, losses, rates = torch.optim.AdamW(layer.parameters()), list[float](), sweep_rates(100)
    for i, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        rows = slice(20 * (i % 20), 20 * (i % 20) + 20)
        loss = torch.nn.functional.cross_entropy(layer(features[rows]), targets[rows])
        losses.append(float(loss.detach()))
        if has_diverged(losses):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    lr = pick_rate(rates, losses)
    assert lr is not None
    least = rates[int(np.argmin(smoothed(losses)))]
    assert least / 100 < lr < least


def test_one_bad_batch_moves_the_rate_little() -> None:
    rates = sweep_rates(100)
    losses = [2 / (1 + (rate / 0.003) ** 2) for rate in rates]
    lr = pick_rate(rates, losses)
    assert lr == pytest.approx(0.003, rel=0.1)
    for bad in range(0, 100, 7):
        spoilt = pick_rate(rates, [*losses[:bad], losses[bad] + 1, *losses[bad + 1 :]])
        assert spoilt is not None
        assert 0.003 / 4 < spoilt < 0.003 * 4


def test_flat_losses_and_losses_that_only_rise_tell_no_rate() -> None:
    rates, noise = sweep_rates(100), np.random.default_rng(1).normal(0, 0.02, 100)
    assert pick_rate(rates, [2.0] * 100) is None
    assert pick_rate(rates, list(2 + noise)) is None
    assert pick_rate(rates, [2.0 * 1.1**i for i in range(30)]) is None
    assert pick_rate(rates, [0.0] * 100) is None
    assert pick_rate(rates, []) is None


def test_smoothing_is_centred_and_keeps_the_ends() -> None:
    assert smoothed([1.0, 2.0, 6.0]) == (1.0, 3.0, 6.0)
    line = [float(i) for i in range(40)]
    assert smoothed(line) == pytest.approx(line)


def test_a_sweep_ends_where_the_loss_is_far_above_its_least_or_not_finite() -> None:
    assert not has_diverged([5.0])
    assert has_diverged([math.nan])
    assert has_diverged([1.0, 0.5, math.inf])
    assert not has_diverged([1.0, 1.0, 1.0, 9.0])  # one bad batch
    assert has_diverged([1.0, 1.0, 1.0, 9.0, 9.0, 9.0])


def test_what_a_test_told_is_said_with_what_was_taken() -> None:
    test = RangeTest(lr=0.0031, outcome="found", rates=(), losses=(1.0,) * 80, smoothed=(), seconds=0.42)
    assert told(test) == "Rate 0.0031 found by a range test (80 steps, 0.42 s)."


def weights_of(run: uf.Run) -> bytes:
    return (run.path / "model.safetensors").read_bytes()


def history_of(run: uf.Run) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(run.path / "history.jsonl")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"strategy": "lp-ft"}, marks=pytest.mark.slow),
        pytest.param({"strategy": "layerwise", "solver": "sgd"}, marks=pytest.mark.slow),
    ],
    ids=["head", "lp-ft", "layerwise by SGD"],
)
def test_a_training_by_a_rate_that_was_found_is_the_one_by_that_rate_given(
    image_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    settings = {**SETTINGS, **changes}
    found = uf.train(image_folder, out=tmp_path / "auto", lr="auto", **settings)
    test = found.record.range_test
    assert test is not None
    given = uf.train(image_folder, out=tmp_path / "given", **{**settings, "lr": test.lr})
    assert weights_of(found) == weights_of(given)
    assert history_of(found) == history_of(given)
    assert (found.path / "plan.toml").read_text() == (given.path / "plan.toml").read_text()
    assert found.record.config.lr == "auto"
    assert given.record.range_test is None


@pytest.fixture
def sweep(image_folder: Path, tmp_path: Path) -> tuple[Network, Callable[..., RangeTest | None]]:
    """A network whose norm layers learn statistics, and a range test on it: `sweep(loss=…, stop=…)`."""
    options = settled(TrainOptions(**{**SETTINGS, "strategy": "full", "lr": "auto", "cache": False}), frozenset())
    dataset = open_data(image_folder, options)
    written = plan_from_options(options, n_outputs=len(dataset.outputs), architecture="test_resnet")
    plan = at_rate(written, 1e-3)
    data = study_data(image_folder, dataset, options, Silent())
    setup, _ = prepare(data, options, plan=plan, cache=None, out=tmp_path / "run", progress=Silent())
    settings, network = loop_settings(setup), setup.device.place(setup.network)
    network.train()
    apply_plan(network, plan, None, step=0, steps_per_epoch=settings.steps_per_epoch)
    feeder = make_feeder(setup, settings, Silent())
    feed = feeder.feed(range(plan.epochs), phase=0, head_alone=False, check=lambda: None)

    def run(loss: Loss | None = None, stop: Callable[[], bool] = lambda: False) -> RangeTest | None:
        return range_test(
            network, feed, AutoRate(plan_at=lambda lr: at_rate(plan, lr), default=1e-3, plan_file=tmp_path / "no"),
            epochs=range(plan.epochs), settings=settings, loss=loss or make_loss(setup), device=setup.device, stop=stop,
        )  # fmt: skip

    return network, run


def at_rate(plan: uf.Plan, lr: float) -> uf.Plan:
    return replace(plan, phases=tuple(replace(phase, lr=lr, norm="train") for phase in plan.phases))


def bits_of(network: Network) -> list[bytes]:
    return [value.numpy().tobytes() for value in snapshot(network).values()]


@pytest.mark.slow
def test_after_a_test_the_network_is_bit_for_bit_what_it_was_also_when_it_is_given_up(
    sweep: tuple[Network, Callable[..., RangeTest | None]],
) -> None:
    network, run = sweep
    before = bits_of(network)
    first = run()
    assert bits_of(network) == before
    assert first is not None
    assert len(set(first.losses)) > 5, "nothing trained"
    again = run()
    assert again is not None
    assert again.losses == first.losses
    answers = iter([False] * 5 + [True])
    assert run(stop=lambda: next(answers)) is None
    assert bits_of(network) == before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_loss_that_is_never_finite_or_never_falls_leaves_the_default_rate(
    sweep: tuple[Network, Callable[..., RangeTest | None]],
) -> None:
    _, run = sweep
    never = run(loss=lambda outputs, _targets: outputs.sum() * math.nan)
    flat = run(loss=lambda outputs, _targets: outputs.sum() * 0 + 2)
    assert never is not None
    assert flat is not None
    assert (never.outcome, never.lr, never.losses) == ("diverged", 1e-3, ())
    assert (flat.outcome, flat.lr) == ("flat", 1e-3)
    assert "the default" in told(never)
    assert "the default" in told(flat)


class InterruptedAt(Silent):
    """Sends this process an interrupt at a step; at step 0 when the phase begins, before its range test."""

    def __init__(self, step: int) -> None:
        self.left = step

    def phase(self, info: PhaseInfo) -> None:
        if self.left == 0 and info.finds_rate:
            os.kill(os.getpid(), signal.SIGINT)

    def step(self, info: StepInfo) -> None:
        assert info.lr >= 0
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 0], ids=["in training", "in the range test"])
def test_resuming_follows_the_rate_that_was_found(image_folder: Path, tmp_path: Path, step: int) -> None:
    settings = {**SETTINGS, "strategy": "layerwise", "epochs": 1, "lr": "auto"}
    whole = uf.train(image_folder, out=tmp_path / "whole", **settings)
    with pytest.raises(InterruptedRunError):
        uf.train(image_folder, out=tmp_path / "parts", progress=InterruptedAt(step), **settings)
    parts = uf.train(out=tmp_path / "parts", resume=True, lr="auto")
    assert weights_of(parts) == weights_of(whole)
    assert history_of(parts) == history_of(whole)
    assert parts.record.range_test is not None
    assert whole.record.range_test is not None
    assert parts.record.range_test.losses == whole.record.range_test.losses


def test_the_run_keeps_the_curve_and_its_texts_tell_of_it(image_folder: Path, tmp_path: Path) -> None:
    notes = list[str]()

    class Listening(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    run = uf.train(image_folder, out=tmp_path / "run", lr="auto", progress=Listening(), **SETTINGS)
    test = run.record.range_test
    assert test is not None
    assert len(test.rates) == len(test.losses) == len(test.smoothed) > 10
    assert told(test) in notes
    assert "range test" in (run.path / "methods.txt").read_text()
    assert "Range test" in (run.path / "report.html").read_text()
    assert json.loads((run.path / "run.json").read_text())["config"]["lr"] == "auto"


def test_a_rate_to_be_found_contradicts_what_has_none_or_says_its_own(image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'--lr auto contradicts solver "lbfgs"'):
        uf.train(image_folder, out=tmp_path / "run", lr="auto", solver="lbfgs")
    (tmp_path / "plan.toml").write_text(uf.plan_for("test_resnet").to_toml())
    with pytest.raises(ConfigError, match="--lr contradicts --plan"):
        uf.train(image_folder, out=tmp_path / "run", lr="auto", plan=tmp_path / "plan.toml")
    with pytest.raises(ConfigError, match="on pictures"):
        uf.plan_for("test_resnet", lr="auto")
    with pytest.raises(ConfigError, match=r'--lr must be a number above 0, or "auto"'):
        uf.train(image_folder, out=tmp_path / "run", lr="fast")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_in_a_comparison_each_training_finds_its_own_rate(image_folder: Path, tmp_path: Path) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "strategy"}
    found = uf.compare(image_folder, strategies=["head"], seeds=2, lr="auto", out=tmp_path / "grid", **settings)
    runs = [uf.load(path.parent) for path in sorted((found.path / "runs").glob("*/run.json"))]
    tests = [run.record.range_test for run in runs]
    assert len(tests) == 2
    assert all(tests)
    assert tests[0] != tests[1]
