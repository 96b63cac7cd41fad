"""Heads that are trained at once end as each would have ended alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unfreeze.backbones import make_head
from unfreeze.plans import rate_share
from unfreeze.records import ModelRecord, TaskName, WeightsRecord
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.loss import class_weights, loss_function
from unfreeze.training.many_heads import HeadStart, Vectors, train_heads

N, N_TRAIN, WIDTH, N_OUTPUTS = 90, 70, 24, 3
EPOCHS = 5
SCALE: dict[str, Any] = {"target_mean": (0.0,) * 3, "target_std": (1.0,) * 3}
RATES, DECAYS, SEEDS = (1e-3, 1e-1), (0.0, 0.1), (0, 1, 2)


def settings(**changes: Any) -> LoopSettings:
    whole = LoopSettings(
        train=range(N_TRAIN), val=range(N_TRAIN, N), batch_size=16, augment="none", augment_head="none", views=1,
        seed=3, metric="balanced_accuracy", clip=1.0,
    )  # fmt: skip
    return replace(whole, **changes)


def record(task: TaskName) -> ModelRecord:
    return ModelRecord(
        architecture="none", task=task, outputs=("a", "b", "c"), size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1),
        interpolation="bilinear", crop="squash", n_parameters=0, weights=WeightsRecord(kind="random", source="test"),
        **(SCALE if task == "regression" else {}),
    )  # fmt: skip


def vectors(task: TaskName) -> Vectors:
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((N, WIDTH)).astype(np.float32) * 2
    values = rows[:, :3] + generator.normal(0, 1, (N, 3))
    targets = {
        "classification": values.argmax(axis=1),
        "multilabel": (values > 0).astype(np.float32),
        "regression": values.astype(np.float32),
    }[task]
    return Vectors(rows=torch.from_numpy(rows), targets=targets)


def starts() -> list[HeadStart]:
    found = []
    for lr in RATES:
        for decay in DECAYS:
            for seed in SEEDS:
                (layer,) = make_head(WIDTH, n_outputs=N_OUTPUTS, seed=seed)
                found.append(HeadStart(weight=layer.weight.data, bias=layer.bias.data, lr=lr, weight_decay=decay))
    return found


def alone(
    start: HeadStart, data: Vectors, how: LoopSettings, loss: Callable[..., torch.Tensor], schedule: Any, warmup: float
) -> list[tuple[float, torch.Tensor, torch.Tensor]]:
    """Train one head with torch's own AdamW; return loss, weight and bias of each epoch."""
    layer = nn.Linear(WIDTH, N_OUTPUTS)
    layer.weight.data, layer.bias.data = start.weight.clone(), start.bias.clone()
    groups = [
        {"params": [layer.weight], "weight_decay": start.weight_decay},
        {"params": [layer.bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=start.lr)
    truth, found, step = torch.from_numpy(data.targets), [], 0
    for epoch in range(EPOCHS):
        order, total = torch.from_numpy(how.epoch_indices(epoch)), 0.0
        for chunk in order.split(how.batch_size):
            n_steps = EPOCHS * how.steps_per_epoch
            for group in optimizer.param_groups:
                group["lr"] = start.lr * rate_share(schedule, step, n_steps=n_steps, warmup=warmup)
            value = loss(layer(data.rows[chunk]), truth[chunk])
            optimizer.zero_grad()
            value.backward()
            if how.clip is not None:
                nn.utils.clip_grad_norm_(layer.parameters(), how.clip)
            optimizer.step()
            total, step = total + float(value.detach()) * len(chunk), step + 1
        found.append((total / len(order), layer.weight.data.clone(), layer.bias.data.clone()))
    return found


@pytest.mark.parametrize(
    ("task", "changes", "schedule", "warmup"),
    [
        ("classification", {}, "one-cycle", 0.0),
        ("classification", {"clip": None, "batch_size": 23}, "cosine", 0.2),
        ("multilabel", {"metric": "map"}, "constant", 0.0),
        ("regression", {"metric": "mae", "clip": 0.1}, "one-cycle", 0.0),
    ],
    ids=["classes", "a last batch of one, no clipping", "labels", "values"],
)
def test_each_head_ends_as_it_would_have_alone(
    task: TaskName, changes: dict[str, Any], schedule: Any, warmup: float
) -> None:
    data, how = vectors(task), settings(**changes)
    scale = SCALE if task == "regression" else {}
    weights = class_weights(data.targets, task=task, n_outputs=N_OUTPUTS) if task == "classification" else None
    loss = loss_function(task, weights=weights, **scale)
    begun = starts()
    heads = train_heads(
        begun, data, settings=how, record=record(task), loss=loss, epochs=EPOCHS, schedule=schedule, warmup=warmup
    )
    for start, head in zip(begun, heads, strict=True):
        expected = alone(start, data, how, loss, schedule, warmup)
        np.testing.assert_allclose([e.loss for e in head.epochs], [loss for loss, _, _ in expected], rtol=1e-4)
        _, weight, bias = expected[head.best.epoch]
        torch.testing.assert_close(head.weight, weight, rtol=1e-3, atol=2e-5)
        torch.testing.assert_close(head.bias, bias, rtol=1e-3, atol=2e-5)
        best = [number for number, epoch in enumerate(head.epochs) if epoch.best][-1]
        assert head.best.epoch == best


def test_a_head_that_diverges_says_when_and_leaves_the_others_alone() -> None:
    data, how = vectors("regression"), settings(metric="mae", clip=None)
    calm, wild = (starts()[index] for index in (0, 1))
    wild = replace(wild, weight=wild.weight * float("inf"))
    loss = loss_function("regression", **SCALE)
    both = train_heads([calm, wild], data, settings=how, record=record("regression"), loss=loss, epochs=2)
    (one,) = train_heads([calm], data, settings=how, record=record("regression"), loss=loss, epochs=2)
    assert (both[0].diverged, both[1].diverged) == (None, 0)
    torch.testing.assert_close(both[0].weight, one.weight)


def test_an_interrupt_is_answered_between_steps() -> None:
    def check() -> None:
        raise KeyboardInterrupt

    data = vectors("classification")
    with pytest.raises(KeyboardInterrupt):
        train_heads(
            starts(), data, settings=settings(), record=record("classification"),
            loss=loss_function("classification"), epochs=1, check=check,
        )  # fmt: skip


@pytest.mark.slow
def test_runs_of_several_seeds_are_those_of_trainings_of_their_own(image_folder: Path, tmp_path: Path) -> None:
    import unfreeze as uf
    from unfreeze.comparison import SilentComparison
    from unfreeze.training.head_runs import can_train_at_once, train_head_runs
    from unfreeze.training.inputs import open_data, plan_from_options, study_data
    from unfreeze.training.settings import settled

    options = settled(uf_options(seed=1, data_seed=0), frozenset())
    plan = plan_from_options(options, n_outputs=2, architecture=options.model)
    assert can_train_at_once(plan, options)
    run = uf.train(image_folder, out=tmp_path / "run", **changed(options))
    weights = str(run.path / "model.safetensors")
    assert not can_train_at_once(plan, uf_options(weights=weights)), "a run's weights bring the run's head"
    data = study_data(image_folder, open_data(image_folder, options), options, SilentComparison())
    wanted = [options, uf_options(seed=2, data_seed=0, size=options.size)]
    outs = [tmp_path / "one", tmp_path / "two"]
    assert train_head_runs(data, wanted, plan=plan, cache=None, outs=outs, progress=SilentComparison())
    for settings_of, out in zip(wanted, outs, strict=True):
        at_once = uf.load(out)
        own = uf.train(image_folder, out=tmp_path / f"own-{settings_of.seed}", **changed(settings_of))
        for name, value in own.model.state_dict().items():
            torch.testing.assert_close(at_once.model.state_dict()[name], value, rtol=1e-3, atol=1e-5)
        assert at_once.metrics.val["accuracy"] == own.metrics.val["accuracy"]
        assert at_once.record.split == own.record.split
        assert [layer.trained for layer in at_once.layers] == [layer.trained for layer in own.layers]
        assert {path.name for path in out.iterdir()} | {"report.html", "methods.txt"} == {
            path.name for path in own.path.iterdir()
        }


def uf_options(**changes: Any) -> Any:
    from unfreeze.records import TrainOptions

    return TrainOptions(epochs=2, batch_size=8, **{"size": 64, **changes})


def changed(options: Any) -> dict[str, Any]:
    from unfreeze.records import TrainOptions

    own = {name: getattr(options, name) for name in TrainOptions.__struct_fields__}
    return {name: value for name, value in own.items() if value != getattr(TrainOptions(), name)}


def test_the_last_epoch_is_kept_where_it_is_asked_for() -> None:
    """A head that gets worse ends where a training that never looks back ends."""
    many = {
        keep: train_heads(
            starts()[-1:], vectors("classification"), settings=settings(), record=record("classification"),
            loss=loss_function("classification"), epochs=EPOCHS, keep=keep,
        )[0]
        for keep in ("best", "last")
    }  # fmt: skip
    best, last = many["best"], many["last"]
    assert best.best == last.best, "which epoch was best is told either way"
    assert best.best.epoch < EPOCHS - 1, "else this would show nothing"
    assert not torch.equal(best.weight, last.weight)
    held = vectors("classification").rows[N_TRAIN:]
    truth = vectors("classification").targets[N_TRAIN:]
    decided = (held @ last.weight.T + last.bias).argmax(dim=1).numpy()
    shares = [np.mean(decided[truth == number] == number) for number in range(N_OUTPUTS)]
    assert last.epochs[-1].validation.metrics["balanced_accuracy"] == pytest.approx(np.mean(shares))
