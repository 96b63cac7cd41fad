"""LogME and the H-score against the definitions, computed without their short cuts."""

from __future__ import annotations

import numpy as np
import pytest

from unfreeze.advice.transferability import h_score, log_me, shrinkage_of


def drawn(n: int, d: int, *, seed: int = 0, n_classes: int = 3, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return features whose class means lie apart, and the classes."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, n_classes, n)
    centres = generator.normal(size=(n_classes, d)) * apart
    return centres[classes] + generator.normal(size=(n, d)), classes


def evidence(features: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> float:
    """The log evidence of y = F m + noise per picture, as the density of a normal distribution."""
    from scipy.stats import multivariate_normal

    covariance = features @ features.T / alpha + np.eye(len(y)) / beta
    return float(multivariate_normal.logpdf(y, cov=covariance)) / len(y)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (20, 40)])
def test_log_me_is_the_highest_evidence_of_the_linear_model(n: int, d: int) -> None:
    from scipy.optimize import minimize

    features, classes = drawn(n, d)
    expected = []
    for number in np.unique(classes):
        y = (classes == number).astype(float)
        start = [0.0, 0.0]
        found = minimize(lambda log, y=y: -evidence(features, y, *np.exp(log)), start, method="Nelder-Mead")
        expected.append(-found.fun)
    assert log_me(features, classes) == pytest.approx(np.mean(expected), abs=2e-3)


def test_log_me_is_higher_where_features_tell_more() -> None:
    scores = [log_me(*drawn(200, 10, apart=apart)) for apart in (0.0, 0.5, 2.0)]
    assert scores == sorted(scores)
    assert scores[2] > scores[0] + 0.1


def test_log_me_of_values_does_not_depend_on_their_unit() -> None:
    features, _ = drawn(80, 6)
    values = features @ np.arange(6.0) + 1
    assert log_me(features, values) == pytest.approx(log_me(features, 1000 * values))
    assert log_me(features, np.stack([values, values], axis=1)) == pytest.approx(log_me(features, values))


def test_the_h_score_is_its_definition_and_at_most_the_number_of_classes_less_one() -> None:
    features, classes = drawn(300, 6)
    means = np.stack([features[classes == c].mean(axis=0) for c in classes])
    direct = np.trace(np.linalg.inv(np.cov(features.T, bias=True)) @ np.cov(means.T, bias=True))
    assert h_score(features, classes) == pytest.approx(direct)
    assert 0 < h_score(features, classes) < 2


def test_shrinkage_keeps_the_h_score_from_its_bound_where_features_outnumber_pictures() -> None:
    features, classes = drawn(30, 100, apart=0.0)
    assert h_score(features, classes) == pytest.approx(2, abs=1e-6)
    amount = shrinkage_of(features)
    assert 0 < amount <= 1
    assert h_score(features, classes, shrinkage=amount) < 1


def test_labels_that_do_not_vary_tell_nothing_and_count_for_nothing() -> None:
    features, classes = drawn(60, 5)
    labels = np.eye(3)[classes]
    with_flat = np.column_stack([labels, np.zeros(60)])
    assert log_me(features, with_flat) == pytest.approx(log_me(features, labels))
    assert np.isnan(log_me(features, np.zeros((60, 1))))
