"""A share of the features is kept as it is given, or as validation chooses; the layer stays one for all features."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from unfreeze.training.group_lasso import rank_features
from unfreeze.training.lbfgs import Linear, Standardised, fit_linear, l2_strengths, standardise_features
from unfreeze.training.loss import loss_function
from unfreeze.training.selecting import SHARES, HeldOut, choose_selection, given_selection, keep_first, told
from unfreeze.training.validating import Validation

N, N_FEATURES, N_CLASSES = 40, 300, 2
LOSS = loss_function("classification")
NOTHING = Linear(torch.zeros(N_CLASSES, N_FEATURES).double(), torch.zeros(N_CLASSES).double())


def drawn(seed: int, *, told_by: int) -> tuple[Tensor, Tensor]:
    """Vectors whose class the first features tell together, among many that tell nothing; the last is constant."""
    values = torch.randn(N, N_FEATURES, generator=torch.Generator().manual_seed(seed))
    values[:, -1] = 1.0
    return values, (values[:, :told_by].sum(dim=1) > 0).long()


@pytest.fixture
def vectors() -> Standardised:
    return standardise_features(drawn(0, told_by=2)[0])


def judging(truth: Tensor) -> Callable[[Tensor], Validation]:
    def judge(outputs: Tensor) -> Validation:
        right = float((outputs.argmax(dim=1) == truth).double().mean())
        return Validation(metrics={"accuracy": right}, loss=float(LOSS(outputs, truth)))

    return judge


def test_a_share_is_of_features_that_vary_and_at_least_one_is_kept(vectors: Standardised) -> None:
    sizes = [given_selection(vectors, share).n_kept for share in (1e-9, 0.01, 0.1, 0.5, 1.0)]
    assert sizes == [1, 3, 30, 150, 299]
    assert given_selection(vectors, 0.1).n_features == N_FEATURES - 1
    assert given_selection(vectors, 0.1).shares == ()


def test_a_larger_share_holds_all_features_of_a_smaller_one(vectors: Standardised) -> None:
    ranking = rank_features(vectors, drawn(0, told_by=2)[1], LOSS, n_outputs=N_CLASSES)
    kept = [keep_first(vectors, given_selection(vectors, share), ranking).kept for share in (0.01, 0.1, 0.5)]
    for smaller, larger in pairwise(kept):
        assert smaller is not None
        assert larger is not None
        assert bool(larger[smaller].all())
        assert int(larger.sum()) > int(smaller.sum())


def test_all_features_are_the_vectors_as_without_a_selection(vectors: Standardised) -> None:
    ranking = torch.arange(N_FEATURES)
    kept, plain = keep_first(vectors, given_selection(vectors, 1.0), ranking), vectors.in_their_space()
    assert kept.kept is None
    assert torch.equal(kept.rows, plain.rows)


@pytest.mark.parametrize("n_kept", [5, 100], ids=["features", "in their space"])
def test_a_fitted_layer_is_exactly_0_where_features_were_left_out_and_gives_the_same_outputs(
    vectors: Standardised, n_kept: int
) -> None:
    values, classes = drawn(0, told_by=2)
    ranking = rank_features(vectors, classes, LOSS, n_outputs=N_CLASSES)
    part = keep_first(vectors, given_selection(vectors, n_kept / (N_FEATURES - 1)), ranking)
    assert (part.basis is None) == (n_kept == 5)
    found = fit_linear(part, classes, LOSS, l2=0.01, start=part.unfold(NOTHING))
    folded = part.fold(found)
    left_out = torch.ones(N_FEATURES, dtype=torch.bool)
    left_out[ranking[:n_kept]] = False
    assert not folded.weight[:, left_out].any()
    assert bool((folded.weight[:, ~left_out] != 0).all())
    outputs = values.double() @ folded.weight.T + folded.bias
    expected = part.rows.double() @ found.weight.T + found.bias
    assert outputs.numpy() == pytest.approx(expected.numpy(), abs=1e-4)
    again = part.fold(part.unfold(folded))
    torch.testing.assert_close(again.weight, folded.weight, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(again.bias, folded.bias, rtol=1e-4, atol=1e-6)


def test_validation_chooses_few_features_where_few_tell_the_classes(vectors: Standardised) -> None:
    classes, (held, truth) = drawn(0, told_by=2)[1], drawn(1, told_by=2)
    ranking = rank_features(vectors, classes, LOSS, n_outputs=N_CLASSES)
    held_out = HeldOut(vectors=held, judge=judging(truth), metric="accuracy")
    found = choose_selection(
        vectors, classes, LOSS, ranking=ranking, strengths=l2_strengths(4), start=NOTHING, held_out=held_out
    )
    assert found.shares == SHARES
    assert found.share <= 0.05
    assert found.n_kept == given_selection(vectors, found.share).n_kept
    by_share = dict(zip(SHARES, found.values, strict=True))
    best, of_all = by_share[found.share], by_share[1.0]
    assert best is not None
    assert of_all is not None
    assert best == max(value for value in found.values if value is not None)
    assert best > of_all


def test_where_validation_cannot_tell_all_features_are_kept(vectors: Standardised) -> None:
    same = Validation(metrics={"accuracy": 0.5}, loss=1.0)
    found = choose_selection(
        vectors, drawn(0, told_by=2)[1], LOSS, ranking=torch.arange(N_FEATURES), strengths=l2_strengths(2),
        start=NOTHING,
        held_out=HeldOut(vectors=drawn(1, told_by=2)[0], judge=lambda _outputs: same, metric="accuracy"),
    )  # fmt: skip
    assert found.share == 1.0
    assert found.values == (0.5,) * len(SHARES)


def test_what_was_kept_is_told_in_one_line(vectors: Standardised) -> None:
    text = told(given_selection(vectors, 0.1))
    assert "30 of 299 features (10%, as given)" in text
