"""A linear layer fitted to vectors by L-BFGS: the minimum of a mean loss and an L2 penalty, on all vectors at once.

The optimizer is scipy's L-BFGS-B (Byrd et al. 1995, Zhu et al. 1997), which scikit-learn's logistic regression uses
too: its line search (Moré and Thuente 1994, strong Wolfe conditions) is proven, its state is double precision, and it
says why it stopped. The loss and its gradient are torch's, so that every loss of the loop can be fitted, on the device
that the vectors are on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unfreeze.data.threads import one_blas_thread

if TYPE_CHECKING:
    from unfreeze.training.loss import Loss

__all__ = [
    "Linear",
    "Standardised",
    "fit_linear",
    "l2_strengths",
    "mean_loss",
    "outputs_of",
    "standardise",
    "standardise_features",
]

STRONGEST, WEAKEST = 10.0, 1e-4  # of the L2 penalty, on standardised features
CONSTANT = 1e-6  # a feature whose standard deviation is a smaller share of its size tells nothing but rounding
FEW_VECTORS = 2  # so many times fewer than features that finding a basis costs less than it saves
N_PAIRS = 10  # of steps and differences of gradients that the curvature is estimated from
MAX_ITERATIONS = 500
LARGEST_GRADIENT = 1e-7  # of any weight, where a minimum is reached
LEAST_GAIN = 1e-8  # of one iteration, relative: float32 products tell no less


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """What a linear layer holds: weight `(n_outputs, n_features)` and bias `(n_outputs,)`, float64."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """Vectors whose features have mean 0 and the same variance, or less; a feature that was constant is 0.

    Where there are many more features than vectors, rows are written in an orthonormal basis of the space that the
    vectors span: the best weights lie in it, because what they have outside changes no output and costs an L2 penalty.

    Some features may have been left out: a layer for the vectors as they were then has weights of exactly 0 for them.

    Attributes:
        rows: float32 `(n, n_features)`, or `(n, n)` in a basis.
        mean: float64 `(n_features,)`, of the vectors as they were.
        scale: float64 `(n_features,)`, what they were multiplied by; 0 where a feature was constant.
        basis: float32 `(n_features, n)` with orthonormal columns; None: rows are features themselves.
        kept: bool, which features of the vectors as they were these are; None: all.
    """

    rows: Tensor
    mean: Tensor
    scale: Tensor
    basis: Tensor | None
    kept: Tensor | None = None

    def keep(self, features: Tensor) -> Standardised:
        """Return the same vectors with some of their features: those where bool `features` is true."""
        assert self.basis is None, "in a basis there are no features to choose from"
        assert self.kept is None, "features are left out once"
        return Standardised(self.rows[:, features], self.mean[features], self.scale[features], None, kept=features)

    def in_their_space(self) -> Standardised:
        """Return the same vectors in a basis of the space that they span, where features are many more than they."""
        n, n_features = self.rows.shape
        if self.basis is not None or FEW_VECTORS * n > n_features:
            return self
        basis, triangle = torch.linalg.qr(self.rows.T)
        return replace(self, rows=triangle.T.contiguous(), basis=basis)

    def fold(self, linear: Linear) -> Linear:
        """Return the layer that gives for the vectors as they were what `linear` gives for the standardised ones."""
        weight = linear.weight if self.basis is None else linear.weight @ self.basis.double().T
        weight = weight * self.scale
        bias = linear.bias - weight @ self.mean
        if self.kept is not None:
            known, weight = weight, weight.new_zeros(len(weight), len(self.kept))
            weight[:, self.kept] = known
        return Linear(weight, bias)

    def unfold(self, linear: Linear) -> Linear:
        """Return what `fold` makes into `linear`, for features that vary; of the others only the bias knows.

        Features that were left out count as 0.
        """
        varies = self.scale > 0
        held = linear.weight if self.kept is None else linear.weight[:, self.kept]
        weight = torch.where(varies, held / torch.where(varies, self.scale, 1.0), 0.0)
        if self.basis is not None:
            weight = weight @ self.basis.double()
        return Linear(weight, linear.bias + held @ self.mean)


def standardise(vectors: Tensor, groups: Sequence[slice] | None = None) -> Standardised:
    """Standardise vectors `(n, n_features)`, which are overwritten where they are float32.

    Each feature is divided by its standard deviation, or by the median one of its group if that is larger. What hardly
    varies in training is not blown up by it: a channel that is all but dead on grey pictures would be thousands of
    standard deviations away on the first one with a tint, and decide alone (docs/adr/0021).

    Args:
        vectors: one row for each picture.
        groups: the features of the same units, which compare; None: all.

    Raises:
        ValueError: a vector holds something that is not a finite number.
    """
    return standardise_features(vectors, groups).in_their_space()


def standardise_features(vectors: Tensor, groups: Sequence[slice] | None = None) -> Standardised:
    """Do the same, but write the vectors in no basis, however many features there are.

    Raises:
        ValueError: a vector holds something that is not a finite number.
    """
    n = len(vectors)
    mean = vectors.sum(dim=0, dtype=torch.float64) / n
    rows = vectors.float().sub_(mean)
    # The mean of what is left, a rounding error for large features, counts too.
    rest = rows.sum(dim=0, dtype=torch.float64) / n
    mean, variance = mean + rest, rows.square().sum(dim=0, dtype=torch.float64) / n - rest.square()
    if not bool(torch.isfinite(variance).all()):
        raise ValueError("Vectors must be finite numbers to be standardised.")
    std = variance.clamp(min=0).sqrt()
    varies = std > CONSTANT * torch.hypot(mean, std)
    for group in groups or (slice(None),):
        if bool(varies[group].any()):
            std[group] = std[group].clamp(min=std[group][varies[group]].median())
    scale = torch.where(varies, 1.0 / torch.where(varies, std, 1.0), 0.0)
    return Standardised(rows.sub_(rest).mul_(scale), mean, scale, basis=None)


def l2_strengths(n: int) -> tuple[float, ...]:
    """Return `n` strengths of the L2 penalty from strong to weak, evenly spaced in their logarithm.

    They lie in the middles of `n` equal parts of the range, so that few are not at its ends.

    >>> [round(strength, 6) for strength in l2_strengths(5)]
    [3.162278, 0.316228, 0.031623, 0.003162, 0.000316]
    """
    shares = [(index + 0.5) / n for index in range(n)]
    return tuple(STRONGEST * (WEAKEST / STRONGEST) ** share for share in shares)


def fit_linear(
    vectors: Standardised,
    targets: Tensor,
    loss: Loss,
    *,
    l2: float,
    start: Linear,
    check: Callable[[], None] = lambda: None,
) -> Linear:
    """Minimise loss(rows Wᵀ + b, targets) + l2 / 2 ‖W‖² over W and b; the bias is not penalised.

    With scikit-learn's C, l2 is 1 / (n C). Deterministic: the same arguments give the same bits.

    Args:
        vectors: What the layer is given.
        targets: As the loss takes them, one row for each vector.
        loss: A convex mean loss over (outputs, targets); it is called with float64 outputs.
        l2: The strength of the penalty, at least 0.
        start: Where to begin; a convex loss ends at the same minimum from everywhere, but sooner from nearby.
        check: Called before each evaluation; it may raise, to interrupt.

    Returns:
        The layer for the standardised vectors.
    """
    from scipy.optimize import minimize

    n_outputs, n_features = start.weight.shape

    def unpacked(point: np.ndarray) -> Linear:
        values = torch.from_numpy(point).to(vectors.rows.device)
        n_weights = n_outputs * n_features
        return Linear(values[:n_weights].view(n_outputs, n_features), values[n_weights:])

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        check()
        linear = unpacked(point)
        outputs = outputs_of(vectors.rows, linear).requires_grad_()
        value = loss(outputs, targets)
        (by_output,) = torch.autograd.grad(value, outputs)
        by_weight = (by_output.float().T @ vectors.rows).double() + l2 * linear.weight
        gradient = torch.cat([by_weight.flatten(), by_output.sum(dim=0)])
        return float(value.detach() + l2 / 2 * linear.weight.square().sum()), gradient.cpu().numpy()

    with one_blas_thread():  # on busy cores a team took ten times as long over L-BFGS's own sums
        found = minimize(
            evaluate,
            torch.cat([start.weight.flatten(), start.bias]).cpu().numpy(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MAX_ITERATIONS, "maxcor": N_PAIRS, "gtol": LARGEST_GRADIENT, "ftol": LEAST_GAIN},
        )
    return unpacked(found.x)


def mean_loss(vectors: Standardised, targets: Tensor, loss: Loss, linear: Linear) -> float:
    """Return the loss of a layer for the standardised vectors, without a penalty."""
    return float(loss(outputs_of(vectors.rows, linear), targets))


def outputs_of(rows: Tensor, linear: Linear) -> Tensor:
    """Return float64 `(n, n_outputs)`; the product, nearly all of the work, is computed in float32."""
    return (rows @ linear.weight.float().T).double() + linear.bias
