"""A linear layer fitted by L-BFGS is at the minimum that others find, and is an ordinary layer for the vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from unfreeze.training.lbfgs import Linear, Standardised, fit_linear, l2_strengths, mean_loss, standardise
from unfreeze.training.loss import class_weights, loss_function

N, N_FEATURES, N_CLASSES = 90, 7, 4


@pytest.fixture
def vectors() -> Tensor:
    """Features of different sizes, far from 0, as a network gives them; one is constant."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(N, N_FEATURES)) * [1, 10, 0.01, 3, 1, 0.5, 0] + [0, 50, 0.02, -3, 5, 1, 2.5]
    return torch.from_numpy(values).float()


@pytest.fixture
def classes(vectors: Tensor) -> Tensor:
    """Uneven classes that the vectors tell in part."""
    noise = np.random.default_rng(1).normal(size=N)
    return torch.from_numpy(np.digitize(each_scaled(vectors).rows[:, 1].numpy() + noise, [-0.2, 0.5, 1.5]))


def apart(n_features: int) -> list[slice]:
    """Groups of one feature each: none is compared with another, and all have variance 1."""
    return [slice(number, number + 1) for number in range(n_features)]


def each_scaled(vectors: Tensor) -> Standardised:
    return standardise(vectors.clone(), apart(N_FEATURES))


def nothing(n_outputs: int, n_features: int = N_FEATURES) -> Linear:
    return Linear(torch.zeros(n_outputs, n_features).double(), torch.zeros(n_outputs).double())


def scaled(vectors: Tensor) -> np.ndarray:
    return np.asarray(StandardScaler().fit_transform(vectors.double().numpy()))


@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-4])
def test_classes_end_at_the_optimum_of_logistic_regression(vectors: Tensor, classes: Tensor, l2: float) -> None:
    found = fit_linear(each_scaled(vectors), classes, loss_function("classification"), l2=l2, start=nothing(N_CLASSES))
    known = LogisticRegression(C=1 / (N * l2), tol=1e-8, max_iter=10_000).fit(scaled(vectors), classes.numpy())
    assert found.weight.numpy() == pytest.approx(known.coef_, abs=2e-3 * np.abs(known.coef_).max())


def test_class_weights_are_those_of_logistic_regression(vectors: Tensor, classes: Tensor) -> None:
    weights = class_weights(classes.numpy(), task="classification", n_outputs=N_CLASSES)
    loss = loss_function("classification", weights=weights)
    found = fit_linear(each_scaled(vectors), classes, loss, l2=0.01, start=nothing(N_CLASSES))
    # Balanced weights add up to n over the pictures, as torch's weighted mean divides by their sum.
    known = LogisticRegression(C=1 / (N * 0.01), class_weight="balanced", tol=1e-8, max_iter=10_000)
    known.fit(scaled(vectors), classes.numpy())
    assert found.weight.numpy() == pytest.approx(known.coef_, abs=2e-3 * np.abs(known.coef_).max())


def test_several_labels_are_as_many_logistic_regressions(vectors: Tensor, classes: Tensor) -> None:
    labels = torch.stack([classes > 0, classes == 1], dim=1).float()
    found = fit_linear(each_scaled(vectors), labels, loss_function("multilabel"), l2=0.01, start=nothing(2))
    for k in range(2):  # the mean is over labels too
        known = LogisticRegression(C=1 / (2 * N * 0.01), tol=1e-8, max_iter=10_000)
        known.fit(scaled(vectors), labels[:, k].numpy())
        assert found.weight[k].numpy() == pytest.approx(known.coef_[0], abs=2e-3 * np.abs(known.coef_).max())


def test_values_within_one_standard_deviation_are_a_ridge_regression(vectors: Tensor) -> None:
    rows = each_scaled(vectors).rows
    values = 20 + 3 * (rows[:, [0]] - 2 * rows[:, [3]]) + torch.from_numpy(np.random.default_rng(2).normal(size=(N, 1)))
    mean, std = float(values.mean()), float(values.std(correction=0))
    loss = loss_function("regression", target_mean=(mean,), target_std=(std,))
    found = fit_linear(each_scaled(vectors), values, loss, l2=0.02, start=nothing(1))
    known = Ridge(alpha=N * 0.02).fit(scaled(vectors), (values.numpy() - mean) / std)
    residuals = known.predict(scaled(vectors)) - (values.numpy()[:, 0] - mean) / std
    assert np.abs(residuals).max() < 1, "all in the quadratic part of the loss"
    assert found.weight.numpy()[0] == pytest.approx(known.coef_.ravel(), abs=1e-4)


def test_label_smoothing_keeps_probabilities_from_the_ends(vectors: Tensor, classes: Tensor) -> None:
    def largest(smoothing: float) -> float:
        rows, loss = each_scaled(vectors), loss_function("classification", label_smoothing=smoothing)
        found = fit_linear(rows, classes, loss, l2=1e-5, start=nothing(N_CLASSES))
        return float(torch.softmax(rows.rows.double() @ found.weight.T + found.bias, dim=1).max())

    assert largest(0.4) < 0.9 < largest(0.0)


def test_folding_gives_the_same_outputs_for_the_vectors_as_they_were(vectors: Tensor) -> None:
    standardised = each_scaled(vectors)
    generator = torch.Generator().manual_seed(0)
    linear = Linear(
        torch.randn(3, N_FEATURES, generator=generator).double(), torch.randn(3, generator=generator).double()
    )
    folded = standardised.fold(linear)
    expected = standardised.rows.double() @ linear.weight.T + linear.bias
    layer = torch.nn.Linear(N_FEATURES, 3)
    with torch.no_grad():
        layer.weight.copy_(folded.weight)
        layer.bias.copy_(folded.bias)
        assert torch.allclose(vectors.double() @ folded.weight.T + folded.bias, expected, atol=1e-4)
        assert torch.allclose(layer(vectors).double(), expected, atol=1e-3), "also as the float32 layer that is saved"
    again = standardised.unfold(folded)
    assert torch.allclose(again.weight[:, :-1], linear.weight[:, :-1])
    assert torch.allclose(again.bias, linear.bias)


def test_a_constant_feature_gets_no_weight_and_its_old_weight_goes_into_the_bias(vectors: Tensor) -> None:
    standardised = each_scaled(vectors)
    assert standardised.scale[-1] == 0
    assert not standardised.rows[:, -1].any()
    held = Linear(torch.ones(1, N_FEATURES).double(), torch.zeros(1).double())
    kept = standardised.fold(standardised.unfold(held))
    assert kept.weight[0, -1] == 0
    outputs = (vectors.double() @ linear.weight.T + linear.bias for linear in (held, kept))
    assert torch.allclose(*outputs, atol=1e-4)


def test_standardised_features_have_mean_0_and_variance_1(vectors: Tensor) -> None:
    rows = each_scaled(vectors).rows
    assert rows.dtype == torch.float32
    assert rows.mean(dim=0).numpy() == pytest.approx(0, abs=1e-6)
    assert rows[:, :-1].std(dim=0, correction=0).numpy() == pytest.approx(1, abs=1e-4)


def test_what_hardly_varies_is_not_scaled_up_beyond_the_median_of_its_group() -> None:
    spreads = torch.tensor([1.0, 2.0, 4.0, 0.01, 0.02, 0.04, 1e-9])
    vectors = torch.randn(200, 7, generator=torch.Generator().manual_seed(0)) * spreads
    std = vectors.double().std(dim=0, correction=0)
    found = standardise(vectors.clone(), [slice(0, 3), slice(3, 7)])
    expected = std[[1, 1, 2, 3, 4, 5, 3]]  # the lower of two in the middle is the median
    assert (1 / found.scale).numpy() == pytest.approx(expected.numpy(), rel=1e-5)


def test_a_channel_that_was_all_but_dead_in_training_does_not_decide_alone() -> None:
    """Max-pooled channels of grey pictures are zero but for rounding; a tint switches them on."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.rand(60, 20, generator=generator)
    vectors[:, -1] *= 1e-7
    values = vectors[:, :1] + 0.1 * torch.rand(60, 1, generator=generator)
    mean, std = float(values.mean()), float(values.std(correction=0))
    loss = loss_function("regression", target_mean=(mean,), target_std=(std,))
    rows = standardise(vectors.clone())
    layer = rows.fold(fit_linear(rows, values, loss, l2=1e-4, start=nothing(1, 20)))
    tinted = vectors[:5].clone()
    tinted[:, -1] = 1.0
    dark, bright = (each.double() @ layer.weight.T + layer.bias for each in (vectors[:5], tinted))
    assert (bright - dark).abs().max() < 1


def test_vectors_that_are_not_finite_are_refused(vectors: Tensor) -> None:
    vectors[3, 2] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        each_scaled(vectors)


def test_the_same_fit_has_the_same_bits_and_a_better_start_does_not_change_the_end(
    vectors: Tensor, classes: Tensor
) -> None:
    rows, loss = each_scaled(vectors), loss_function("classification")
    first, second = (fit_linear(rows, classes, loss, l2=0.01, start=nothing(N_CLASSES)) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    nearby = fit_linear(
        rows, classes, loss, l2=0.01, start=fit_linear(rows, classes, loss, l2=0.02, start=nothing(N_CLASSES))
    )
    assert torch.allclose(nearby.weight, first.weight, atol=5e-3)


def test_a_weaker_penalty_fits_the_training_vectors_better(vectors: Tensor, classes: Tensor) -> None:
    rows, loss = each_scaled(vectors), loss_function("classification")
    losses = [
        mean_loss(rows, classes, loss, fit_linear(rows, classes, loss, l2=l2, start=nothing(N_CLASSES)))
        for l2 in l2_strengths(6)
    ]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_strengths_fall_evenly_in_their_logarithm(n: int) -> None:
    strengths = l2_strengths(n)
    assert len(strengths) == n
    assert list(strengths) == sorted(strengths, reverse=True)
    logs = np.log10(strengths)
    assert np.diff(logs) == pytest.approx(-5 / n)
    assert logs.mean() == pytest.approx(-1.5)


def test_an_interrupt_comes_through_in_the_middle_of_a_fit(vectors: Tensor, classes: Tensor) -> None:
    asked = iter([False, False, True])

    def check() -> None:
        if next(asked):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_linear(
            each_scaled(vectors), classes, loss_function("classification"), l2=0.01, start=nothing(N_CLASSES),
            check=check,
        )  # fmt: skip


def test_few_vectors_of_many_features_end_at_the_same_optimum_in_their_own_space() -> None:
    generator = np.random.default_rng(0)
    many = torch.from_numpy(generator.normal(size=(30, 200)) * generator.uniform(0.1, 9, 200) + 4).float()
    labels = torch.from_numpy(generator.integers(0, 3, 30))
    vectors = standardise(many.clone(), apart(200))
    assert vectors.rows.shape == (30, 30)
    begin = Linear(torch.from_numpy(generator.normal(size=(3, 200))), torch.zeros(3).double())
    found = vectors.fold(
        fit_linear(vectors, labels, loss_function("classification"), l2=0.1, start=vectors.unfold(begin))
    )
    known = LogisticRegression(C=1 / (30 * 0.1), tol=1e-8, max_iter=10_000).fit(scaled(many), labels.numpy())
    outputs = many.double() @ found.weight.T + found.bias
    expected = known.decision_function(scaled(many))
    assert outputs.numpy() - outputs.numpy().mean(axis=1, keepdims=True) == pytest.approx(
        expected - expected.mean(axis=1, keepdims=True), abs=5e-3
    )
    again = vectors.fold(vectors.unfold(found))
    torch.testing.assert_close(again.weight, found.weight, rtol=1e-4, atol=1e-6)
