"""A group lasso ends where its conditions of an optimum hold, and ranks features by how much they count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import MultiTaskLasso
from torch import Tensor

from unfreeze.training.group_lasso import RANKED_AT, GroupLasso, group_lasso, rank_features
from unfreeze.training.lbfgs import Standardised, outputs_of, standardise, standardise_features
from unfreeze.training.loss import Loss, class_weights, loss_function

N, N_FEATURES, N_TOLD = 60, 90, 3


@pytest.fixture
def vectors() -> Standardised:
    """More features than vectors, alike in part; the first tell the targets, the last is constant."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(N, N_FEATURES)) + generator.normal(size=(N, 1))
    values[:, -1] = 4.0
    return standardise_features(torch.from_numpy(5 * values + 3).float())


@pytest.fixture
def values(vectors: Standardised) -> Tensor:
    generator = np.random.default_rng(1)
    signal = vectors.rows[:, :N_TOLD].double().numpy() @ generator.normal(size=(N_TOLD, 2))
    return torch.from_numpy(signal + 0.3 * generator.normal(size=(N, 2)) + 5)


@pytest.fixture
def classes(values: Tensor) -> Tensor:
    return torch.from_numpy(np.digitize(values[:, 0].numpy(), [4.5, 5.5]))


def halved_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of scikit-learn's MultiTaskLasso."""
    return (outputs - targets).square().sum() / (2 * len(outputs))


def solved(vectors: Standardised, targets: Tensor, loss: Loss, *, n_outputs: int, share: float = 0.1) -> GroupLasso:
    return group_lasso(vectors, targets, loss, n_outputs=n_outputs, share_of_strongest=share, tolerance=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.02])
def test_squares_end_at_the_optimum_of_a_multi_task_lasso(vectors: Standardised, values: Tensor, share: float) -> None:
    found = solved(vectors, values, halved_squares, n_outputs=2, share=share)
    known = MultiTaskLasso(alpha=found.penalty, tol=1e-10, max_iter=100_000).fit(vectors.rows.double(), values)
    assert found.linear.weight.numpy() == pytest.approx(known.coef_, abs=1e-3 * max(1, np.abs(known.coef_).max()))
    assert found.linear.bias.numpy() == pytest.approx(known.intercept_, abs=1e-4)
    assert set(np.flatnonzero(found.norms)) == set(np.flatnonzero((known.coef_ != 0).any(axis=0)))


@pytest.mark.parametrize("task", ["classes", "weighted classes", "labels", "values"])
def test_the_conditions_of_an_optimum_hold_for_every_task(
    vectors: Standardised, values: Tensor, classes: Tensor, task: str
) -> None:
    labels = torch.stack([classes > 0, classes == 1, classes == 2], dim=1).float()
    targets, loss = {
        "classes": (classes, loss_function("classification")),
        "weighted classes": (
            classes,
            loss_function("classification", weights=class_weights(classes.numpy(), task="classification", n_outputs=3)),
        ),
        "labels": (labels, loss_function("multilabel")),
        "values": (values[:, [0, 1, 1]], loss_function("regression", target_mean=(5.0,) * 3, target_std=(0.5,) * 3)),
    }[task]
    found = solved(vectors, targets, loss, n_outputs=3)
    weight, bias = found.linear.weight.clone().requires_grad_(), found.linear.bias.clone().requires_grad_()
    loss(vectors.rows.double() @ weight.T + bias, targets).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    counts = found.norms > 0
    assert 0 < int(counts.sum()) < N_FEATURES, "some features count, and not all"
    penalty = found.penalty
    expected = -penalty * found.linear.weight[:, counts] / found.norms[counts]
    assert weight.grad[:, counts].numpy() == pytest.approx(expected.numpy(), abs=1e-3 * penalty)
    assert float(weight.grad[:, ~counts].norm(dim=0).max()) <= (1 + 1e-3) * penalty
    assert float(bias.grad.abs().max()) <= 1e-3 * penalty
    assert found.slopes.numpy() == pytest.approx(weight.grad.norm(dim=0).numpy(), abs=1e-4 * penalty)


def test_features_that_count_come_first_and_the_constant_one_last(vectors: Standardised, classes: Tensor) -> None:
    found = solved(vectors, classes, loss_function("classification"), n_outputs=3)
    ranking = found.ranking()
    assert sorted(ranking.tolist()) == list(range(N_FEATURES))
    n_counting = int((found.norms > 0).sum())
    ranked = found.norms[ranking]
    assert bool((ranked[:n_counting] > 0).all())
    assert bool((ranked[:-1] >= ranked[1:]).all())
    slopes = found.slopes[ranking[n_counting:]]
    assert bool((slopes[:-1] >= slopes[1:]).all())
    assert int(ranking[-1]) == N_FEATURES - 1


def test_what_tells_the_classes_ranks_first_among_many_that_do_not(vectors: Standardised, values: Tensor) -> None:
    loss = loss_function("regression", target_mean=(5.0, 5.0), target_std=(1.0, 1.0))
    ranking = rank_features(vectors, values, loss, n_outputs=2)
    assert set(ranking[:N_TOLD].tolist()) == set(range(N_TOLD))


def test_ranking_is_so_exact_that_more_exactness_changes_little(vectors: Standardised, classes: Tensor) -> None:
    loss = loss_function("classification")
    roughly = rank_features(vectors, classes, loss, n_outputs=3)
    exactly = solved(vectors, classes, loss, n_outputs=3, share=RANKED_AT).ranking()
    assert len(set(roughly[:20].tolist()) & set(exactly[:20].tolist())) >= 19


def test_a_stronger_penalty_lets_fewer_features_count_and_the_strongest_none(
    vectors: Standardised, classes: Tensor
) -> None:
    loss = loss_function("classification")
    found = [solved(vectors, classes, loss, n_outputs=3, share=share) for share in (1.0, 0.5, 0.2, 0.05)]
    counts = [int((each.norms > 0).sum()) for each in found]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert float(found[0].slopes.max()) == pytest.approx(found[0].penalty)
    frequencies = torch.bincount(classes).double() / N
    outputs = outputs_of(vectors.rows, found[0].linear)
    assert torch.softmax(outputs, dim=1)[0].numpy() == pytest.approx(frequencies.numpy(), abs=1e-5)


def test_the_same_fit_has_the_same_bits(vectors: Standardised, classes: Tensor) -> None:
    first, second = (solved(vectors, classes, loss_function("classification"), n_outputs=3) for _ in range(2))
    assert torch.equal(first.linear.weight, second.linear.weight)


def test_where_no_feature_varies_all_are_ranked_alike(classes: Tensor) -> None:
    constant = standardise_features(torch.ones(N, 5))
    ranking = rank_features(constant, classes, loss_function("classification"), n_outputs=3)
    assert ranking.tolist() == [0, 1, 2, 3, 4]


def test_vectors_in_a_basis_are_refused(classes: Tensor) -> None:
    few = standardise(torch.randn(5, 200, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(AssertionError, match="needs features"):
        rank_features(few, classes[:5], loss_function("classification"), n_outputs=3)


def test_an_interrupt_comes_through_in_the_middle(vectors: Standardised, classes: Tensor) -> None:
    asked = iter([False] * 30 + [True])

    def check() -> None:
        if next(asked):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank_features(vectors, classes, loss_function("classification"), n_outputs=3, check=check)
