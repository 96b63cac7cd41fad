"""A linear layer whose penalty is on whole features, so that few of them count, and the order in which they do.

The minimum of loss(rows Wᵀ + b, targets) + λ Σⱼ ‖W[:, j]‖ over W and b: a group lasso (Yuan and Lin 2006), in which a
group is one feature's weights to all outputs, as in Head2Toe (Evci et al. 2022). It is found by an accelerated proximal
gradient method (FISTA, Beck and Teboulle 2009, with backtracking and the restarts of O'Donoghue and Candès 2015), at
one penalty after another from the strongest downwards, each time on the few features that cannot stay out: those that
counted before, and those that miss the conditions of an optimum, until none does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unfreeze.training.lbfgs import Linear, Standardised, fit_linear, outputs_of

if TYPE_CHECKING:
    from unfreeze.training.loss import Loss

__all__ = ["GroupLasso", "group_lasso", "rank_features"]

RANKED_AT = 0.1  # of the least penalty at which no feature counts
STEP = 2 / 3  # at least, from one penalty to the next: so few features come in at once
TOLERANCE = 1e-2  # of the penalty: so exactly are the conditions of an optimum met where features are ranked
ON_THE_WAY = 1e-1  # the same at the penalties that only lead there
MAX_ITERATIONS = 2000  # at one penalty, on one choice of features
LONGER = 0.9  # of the curvature: each iteration tries a step that is longer by so much
ROUNDING = 1e-14  # of a loss: below it no curvature can be told


@dataclass(frozen=True, slots=True, eq=False)
class GroupLasso:
    """A layer at the minimum, and how steeply the loss falls by each feature's weights there.

    Attributes:
        linear: the layer for the standardised vectors; the weights of a feature that does not count are exactly 0.
        slopes: float64 `(n_features,)`, the norms of the loss's gradients by the weights of each feature: the penalty
            for features that count, at most the penalty for the others.
        penalty: λ.
    """

    linear: Linear
    slopes: Tensor
    penalty: float

    @property
    def norms(self) -> Tensor:
        """The norm of each feature's weights, float64 `(n_features,)`; 0 where it does not count."""
        norms: Tensor = self.linear.weight.norm(dim=0)
        return norms

    def ranking(self) -> Tensor:
        """Return the numbers of all features, int64 `(n_features,)`, from the one that counts most.

        First come those that count, by the norms of their weights; then the others, by how near they are to counting.
        """
        by_slope = self.slopes.argsort(descending=True, stable=True)
        return by_slope[self.norms[by_slope].argsort(descending=True, stable=True)]


def rank_features(
    vectors: Standardised, targets: Tensor, loss: Loss, *, n_outputs: int, check: Callable[[], None] = lambda: None
) -> Tensor:
    """Return the numbers of all features, int64 `(n_features,)`, from the one that matters most; see `group_lasso`."""
    found = group_lasso(
        vectors, targets, loss, n_outputs=n_outputs, share_of_strongest=RANKED_AT, tolerance=TOLERANCE, check=check
    )
    return found.ranking()


def group_lasso(
    vectors: Standardised,
    targets: Tensor,
    loss: Loss,
    *,
    n_outputs: int,
    share_of_strongest: float,
    tolerance: float,
    check: Callable[[], None] = lambda: None,
) -> GroupLasso:
    """Minimise loss(rows Wᵀ + b, targets) + λ Σⱼ ‖W[:, j]‖ over W and b; the bias is not penalised.

    Deterministic: the same arguments give the same bits.

    Args:
        vectors: what the layer is given, in no basis.
        targets: as the loss takes them, one row for each vector.
        loss: a convex mean loss over (outputs, targets); it is called with float64 outputs.
        n_outputs: of the layer.
        share_of_strongest: λ, as a share of the least penalty at which no feature counts; above 0, at most 1.
        tolerance: how far the conditions of an optimum may be missed, as a share of λ.
        check: called in each iteration; it may raise, to interrupt.
    """
    assert vectors.basis is None, "a penalty on features needs features"
    n_features = vectors.rows.shape[1]
    linear = _without_features(vectors, targets, loss, n_outputs=n_outputs, check=check)
    slopes = _slopes(vectors.rows, targets, loss, linear)
    strongest = float(slopes.max()) if n_features else 0.0
    n_penalties = math.ceil(math.log(share_of_strongest) / math.log(STEP)) if strongest else 0
    penalty, curvature = strongest, 1.0
    for number in range(1, n_penalties + 1):
        penalty = strongest * share_of_strongest ** (number / n_penalties)
        exact = tolerance if number == n_penalties else max(tolerance, ON_THE_WAY)
        may_count, missed = (linear.weight != 0).any(dim=0), slopes > penalty
        while bool(missed.any()):
            may_count |= missed
            part, curvature = _minimise(
                vectors.rows[:, may_count].double(), targets, loss, Linear(linear.weight[:, may_count], linear.bias),
                penalty=penalty, tolerance=exact, curvature=curvature, check=check,
            )  # fmt: skip
            linear = Linear(torch.zeros_like(linear.weight), part.bias)
            linear.weight[:, may_count] = part.weight
            slopes = _slopes(vectors.rows, targets, loss, linear)
            missed = (slopes > (1 + exact) * penalty) & ~may_count
    return GroupLasso(linear, slopes, penalty)


def _without_features(
    vectors: Standardised, targets: Tensor, loss: Loss, *, n_outputs: int, check: Callable[[], None]
) -> Linear:
    """Return the layer that is best where no feature counts: the same outputs for all vectors."""
    n_features = vectors.rows.shape[1]
    none = vectors.keep(torch.zeros(n_features, dtype=torch.bool, device=vectors.rows.device))
    zeros = vectors.mean.new_zeros(n_outputs, n_features)
    start = Linear(zeros[:, :0], zeros.new_zeros(n_outputs))
    return Linear(zeros, fit_linear(none, targets, loss, l2=0.0, start=start, check=check).bias)


def _minimise(
    rows: Tensor,
    targets: Tensor,
    loss: Loss,
    start: Linear,
    *,
    penalty: float,
    tolerance: float,
    curvature: float,
    check: Callable[[], None],
) -> tuple[Linear, float]:
    """Return the layer at the minimum, and how strongly the loss was found to be curved: one over the step's length.

    Rows are float64, all features of those that can count.

    Outputs are linear in the weights, so that those of an extrapolated point cost no product, and an iteration two.
    """
    now, outputs = start, _outputs(rows, start)
    ahead, ahead_outputs, momentum = now, outputs, 1.0
    for _ in range(MAX_ITERATIONS):
        check()
        value, by_output = _value_and_slope(loss, ahead_outputs, targets)
        slope = Linear(by_output.T @ rows, by_output.sum(dim=0))
        curvature *= LONGER
        while True:
            then = _shrunk(_moved(ahead, slope, -1 / curvature), penalty / curvature)
            then_outputs = _outputs(rows, then)
            step = _difference(then, ahead)
            expected = value + float((by_output * (then_outputs - ahead_outputs)).sum())
            bent = float(loss(then_outputs, targets)) - expected
            if not bent > curvature / 2 * _product(step, step) + ROUNDING * abs(value):
                break
            curvature *= 2
        done = curvature * max(float(step.weight.norm(dim=0).amax()), float(step.bias.abs().amax()))
        last, last_outputs, last_momentum = now, outputs, momentum
        now, outputs = then, then_outputs
        if not done > tolerance * penalty:
            break
        momentum, further = (1 + math.sqrt(1 + 4 * momentum**2)) / 2, 0.0
        if _product(step, _difference(now, last)) >= 0:
            further = (last_momentum - 1) / momentum
        else:  # it goes the wrong way: forget how fast it went
            momentum = 1.0
        ahead = _moved(now, _difference(now, last), further)
        ahead_outputs = outputs + further * (outputs - last_outputs)
    return now, curvature


def _value_and_slope(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    outputs = outputs.detach().requires_grad_()
    value = loss(outputs, targets)
    (by_output,) = torch.autograd.grad(value, outputs)
    return float(value.detach()), by_output


def _outputs(rows: Tensor, linear: Linear) -> Tensor:
    """Return float64 outputs of float64 rows: with fewer digits, short steps would look like a strong curvature."""
    return rows @ linear.weight.T + linear.bias


def _slopes(rows: Tensor, targets: Tensor, loss: Loss, linear: Linear) -> Tensor:
    """Return the norms of the gradients by each feature's weights, computed in float32."""
    _, by_output = _value_and_slope(loss, outputs_of(rows, linear), targets)
    norms: Tensor = (by_output.float().T @ rows).double().norm(dim=0)
    return norms


def _shrunk(linear: Linear, length: float) -> Linear:
    """Shorten each feature's weights by a length, to exactly 0 where they are no longer; the bias stays."""
    norms = linear.weight.norm(dim=0)
    left = torch.where(norms > length, 1 - length / norms, 0.0)
    return Linear(linear.weight * left, linear.bias)


def _moved(linear: Linear, direction: Linear, factor: float) -> Linear:
    return Linear(linear.weight + factor * direction.weight, linear.bias + factor * direction.bias)


def _difference(a: Linear, b: Linear) -> Linear:
    return Linear(a.weight - b.weight, a.bias - b.bias)


def _product(a: Linear, b: Linear) -> float:
    return float((a.weight * b.weight).sum() + (a.bias * b.bias).sum())
