"""A phase that fits the head at once: its vectors are read once, and each epoch is one strength of the L2 penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from unfreeze.backbones import Network, pooled_columns
from unfreeze.data import Batch
from unfreeze.data.threads import one_thread
from unfreeze.errors import FailedError
from unfreeze.records import FeatureSelection, Share
from unfreeze.training.device import Device
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.feeding import Feed
from unfreeze.training.group_lasso import rank_features
from unfreeze.training.lbfgs import Linear, Standardised, fit_linear, l2_strengths, mean_loss, standardise_features
from unfreeze.training.loss import Loss
from unfreeze.training.selecting import HeldOut, choose_selection, given_selection, keep_first
from unfreeze.training.validating import judge

__all__ = ["HeadFit", "read_vectors"]

LIGHT = 5e8  # multiply-adds of all outputs below which a team of threads costs more than it gains (one_thread)


class HeadFit:
    """The linear head of a network, and all that it is fitted to in a phase.

    Each epoch begins at the weights that the network holds, those of the strength before, and leaves an ordinary linear
    layer in it. Nothing else is remembered between epochs, and an epoch writes its weights only when it is done.

    Args:
        network: the network, on its device; put in evaluation mode while vectors are read.
        feed: what gives the training pictures as they are evaluated, and the part of the network that they go through.
        settings: which pictures train.
        loss: the mean loss of a batch, here of all training pictures.
        n_epochs: how many the phase is planned to have.
        share: of the features, to be kept; "auto": the one that does best on validation; None: all, and no selection.
        selection: what `auto` chose before, where the phase is taken up again.
        device: where to compute.
        check: called now and then; it may raise, to interrupt.

    Raises:
        FailedError: the network gives something else than finite numbers.
    """

    def __init__(
        self,
        network: Network,
        feed: Feed,
        settings: LoopSettings,
        *,
        loss: Loss,
        n_epochs: int,
        device: Device,
        check: Callable[[], None],
        share: Share | None = None,
        selection: FeatureSelection | None = None,
    ) -> None:
        (layer,) = network.head
        assert isinstance(layer, nn.Linear), "the plan has checked that the head is linear"
        self.strengths = l2_strengths(n_epochs)
        self._layer, self._loss, self._check = layer, loss, check
        network.eval()
        batches = feed.evaluation(settings.train)
        vectors, self._targets = read_vectors(
            feed.model, layer, batches, len(settings.train), device=device, check=check
        )
        groups = _groups(network)
        try:
            features = standardise_features(vectors, groups)
        except ValueError:
            raise FailedError(
                "The frozen layers give numbers that are not finite for some training pictures, so no head can be "
                "fitted to them; check the weights (--weights), or take another network (--model)."
            ) from None
        self.selection = selection
        if share is None:
            self._vectors = features.in_their_space()
        else:
            self._vectors = self._selected(
                features, share, lambda: _held_out(network, feed, settings, layer, device=device, check=check)
            )

    def _selected(self, features: Standardised, share: Share, held_out: Callable[[], HeldOut]) -> Standardised:
        """Return the vectors with the features that are to be kept, which may be known, given, or chosen now."""
        if self.selection is None and share != "auto":
            self.selection = given_selection(features, share)
        if self.selection is not None and self.selection.share == 1:
            return features.in_their_space()
        judging = None if self.selection is not None else held_out()
        loss, n_outputs, check = self._loss, self._layer.out_features, self._check
        with self._threads(features):
            ranking = rank_features(features, self._targets, loss, n_outputs=n_outputs, check=check)
            if judging is not None:
                self.selection = choose_selection(
                    features, self._targets, loss, ranking=ranking, strengths=self.strengths, start=self._held,
                    held_out=judging, check=check,
                )  # fmt: skip
        assert self.selection is not None, "it is known, given or chosen"
        return keep_first(features, self.selection, ranking)

    @property
    def _held(self) -> Linear:
        """What the layer holds."""
        return Linear(self._layer.weight.detach().double(), self._layer.bias.detach().double())

    def _threads(self, vectors: Standardised) -> AbstractContextManager[None]:
        """Return where to compute with vectors: on one thread, if that is light work."""
        light = vectors.rows.numel() * self._layer.out_features < LIGHT
        return one_thread() if light else nullcontext()

    @property
    def n_vectors(self) -> int:
        """The number of training pictures."""
        return len(self._targets)

    def fit(self, index: int) -> float:
        """Fit the head with one of the strengths; return the mean loss over the training pictures, without penalty."""
        layer = self._layer
        start = self._vectors.unfold(self._held)
        with self._threads(self._vectors):
            found = fit_linear(
                self._vectors, self._targets, self._loss, l2=self.strengths[index], start=start, check=self._check
            )
        folded = self._vectors.fold(found)
        with torch.no_grad():
            layer.weight.copy_(folded.weight)
            layer.bias.copy_(folded.bias)
        return mean_loss(self._vectors, self._targets, self._loss, found)


def _groups(network: Network) -> tuple[slice, ...] | None:
    """Return which of the features that a network's head reads have the same units; None: all."""
    if network.record.features != "stages":
        return None
    return pooled_columns(network.backbone, size=network.spec.size)


def read_vectors(
    model: nn.Module,
    layer: nn.Linear,
    batches: Iterable[Batch],
    n: int,
    *,
    device: Device,
    check: Callable[[], None],
) -> tuple[Tensor, Tensor]:
    """Return what a layer is given for `n` pictures, float32 `(n, n_features)` on the device, and their targets."""
    vectors = torch.empty(n, layer.in_features, device=device.torch_device)
    targets, n_read = list[Tensor](), 0

    def keep(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        vectors[n_read : n_read + len(inputs[0])] = inputs[0]

    hook = layer.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            for batch in batches:
                check()
                model(*map(device.send, batch.inputs))
                targets.append(device.send(batch.targets))
                n_read += len(batch.targets)
    finally:
        hook.remove()
    assert n_read == n, f"{n_read} of {n} pictures were given"
    return vectors, torch.cat(targets)


def _held_out(
    network: Network,
    feed: Feed,
    settings: LoopSettings,
    layer: nn.Linear,
    *,
    device: Device,
    check: Callable[[], None],
) -> HeldOut:
    """Return what the layer is given for the validation pictures, and how it is judged on them."""
    batches = feed.evaluation(settings.val)
    vectors, targets = read_vectors(feed.model, layer, batches, len(settings.val), device=device, check=check)
    truth: np.ndarray = targets.cpu().numpy()
    record, metric = network.record, settings.metric
    return HeldOut(vectors=vectors, judge=lambda outputs: judge(outputs, truth, record, metric=metric), metric=metric)
