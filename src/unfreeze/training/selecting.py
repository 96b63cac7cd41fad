"""Which share of its features a fitted head keeps: given, or chosen on validation among a few."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from unfreeze.records import FeatureSelection
from unfreeze.training.checkpoint import Best
from unfreeze.training.lbfgs import Linear, Standardised, fit_linear
from unfreeze.training.loss import Loss
from unfreeze.training.state import improves
from unfreeze.training.validating import Validation

__all__ = ["SHARES", "HeldOut", "choose_selection", "given_selection", "keep_first", "told"]

SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # the cautious first: a smaller one must be better


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Validation pictures, and how a layer is judged on them.

    Attributes:
        vectors: float32 `(n, n_features)`, as the layer is given them.
        judge: returns the figures of float32 outputs `(n, n_outputs)` on the CPU.
        metric: the figure that chooses.
    """

    vectors: Tensor
    judge: Callable[[Tensor], Validation]
    metric: str


def given_selection(vectors: Standardised, share: float) -> FeatureSelection:
    """Return what a share means for vectors; features that are constant do not count, and one at least is kept."""
    n_features = int((vectors.scale > 0).sum())
    return FeatureSelection(share=share, n_kept=max(1, math.ceil(share * n_features)), n_features=n_features)


def keep_first(vectors: Standardised, selection: FeatureSelection, ranking: Tensor) -> Standardised:
    """Return the vectors with the features that a selection keeps, in the space that they span."""
    if selection.n_kept >= selection.n_features:
        return vectors.in_their_space()
    kept = torch.zeros(len(ranking), dtype=torch.bool, device=ranking.device)
    kept[ranking[: selection.n_kept]] = True
    return vectors.keep(kept).in_their_space()


def choose_selection(
    vectors: Standardised,
    targets: Tensor,
    loss: Loss,
    *,
    ranking: Tensor,
    strengths: Sequence[float],
    start: Linear,
    held_out: HeldOut,
    check: Callable[[], None] = lambda: None,
) -> FeatureSelection:
    """Fit a layer to each share of the features at each strength of the L2 penalty; keep the share of the best.

    Args:
        vectors: what the layer is given, in no basis.
        targets: as the loss takes them, one row for each vector.
        loss: a convex mean loss.
        ranking: the numbers of all features, from the one that matters most.
        strengths: of the penalty, from strong to weak.
        start: where to begin, a layer for the vectors as they were.
        held_out: what judges.
        check: called before each evaluation; it may raise, to interrupt.
    """

    def best_of(selection: FeatureSelection) -> Best:
        part = keep_first(vectors, selection, ranking)
        linear, best = part.unfold(start), None
        for number, l2 in enumerate(strengths):
            linear = fit_linear(part, targets, loss, l2=l2, start=linear, check=check)
            now = _judged(part.fold(linear), held_out, number)
            best = now if improves(held_out.metric, now, best) else best
        assert best is not None, "there is at least one strength"
        return best

    tried = [given_selection(vectors, share) for share in SHARES]
    found = [best_of(selection) for selection in tried]
    chosen = 0
    for number, best in enumerate(found):
        if improves(held_out.metric, best, found[chosen]):
            chosen = number
    values = tuple(None if math.isnan(best.value) else best.value for best in found)
    return msgspec.structs.replace(tried[chosen], shares=SHARES, values=values)


def told(selection: FeatureSelection) -> str:
    """Return what a selection kept, in one line."""
    how = "chosen on validation" if selection.shares else "as given"
    return (
        f"The head keeps {selection.n_kept:,} of {selection.n_features:,} features "
        f"({100 * selection.share:.3g}%, {how}), those that a group lasso ranks first."
    )


def _judged(linear: Linear, held_out: HeldOut, number: int) -> Best:
    """Return how a layer for the vectors as they were does on the pictures held out."""
    outputs = held_out.vectors @ linear.weight.float().T + linear.bias.float()
    found = held_out.judge(outputs.cpu())
    return Best(epoch=number, value=found.metrics[held_out.metric], val_loss=found.loss)
