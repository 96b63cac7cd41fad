"""Which leaves train in a phase, and at which peak rates."""

from __future__ import annotations

from collections.abc import Mapping

from unfreeze.layers import Layers
from unfreeze.plans.phase import Phase

__all__ = ["peak_lrs", "trained_leaves"]


def trained_leaves(layers: Layers, phase: Phase) -> frozenset[str]:
    """Return the leaves that train: what `train` selects, without norm layers where `norm` is `frozen`."""
    selected = layers.select(phase.train)
    if phase.norm == "frozen":
        return frozenset(leaf.name for leaf in layers.leaves if leaf.name in selected and leaf.kind != "norm")
    return selected


def peak_lrs(layers: Layers, phase: Phase) -> Mapping[str, float]:
    """Return each trained leaf's peak rate; 0 in a phase that has no rates, because its solver takes no steps.

    It is the last of `rates` that selects the leaf, else lr x layer_decay ^ distance from the head.
    Layer-wise decay follows ELECTRA (Clark et al. 2020) and BEiT (Bao et al. 2021), absolute rates by name
    the discriminative rates of ULMFiT (Howard & Ruder 2018).
    """
    trained = trained_leaves(layers, phase)
    if phase.lr is None:
        return dict.fromkeys(trained, 0.0)
    lrs = {
        leaf.name: phase.lr * phase.layer_decay ** layers.distance(group.name)
        for group in layers.groups
        for leaf in group.leaves
        if leaf.name in trained
    }
    for selector, lr in phase.rates.items():
        lrs |= dict.fromkeys(layers.select(selector) & trained, lr)
    return lrs
