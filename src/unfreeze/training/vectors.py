"""What a frozen network gives for each picture, at every depth, as vectors that heads are tried on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from unfreeze.backbones import depth_columns, pooled_columns
from unfreeze.cache import ActivationCache
from unfreeze.freezing import apply_plan
from unfreeze.plans import Plan
from unfreeze.records import TrainOptions
from unfreeze.training.executing import Setup, loop_settings, make_feeder, make_loss
from unfreeze.training.head_fit import read_vectors
from unfreeze.training.inputs import StudiedData
from unfreeze.training.loss import Loss
from unfreeze.training.progress import Progress
from unfreeze.training.run import prepare

__all__ = ["DepthVectors", "read_depths"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DepthVectors:
    """All depths of one network at one size.

    Attributes:
        setup: what a training of a head on them would be made of; the network is in evaluation mode.
        loss: the mean loss of a batch.
        rows: float32 (n, d), a row for each picture of the data set, in its order; zeros for test pictures.
        columns: by depth, which columns are its; see `depth_columns`.
        groups: columns of the same units; see `pooled_columns`.
        seconds: for loading and for the pass.
    """

    setup: Setup
    loss: Loss
    rows: Tensor
    columns: dict[str, slice]
    groups: tuple[slice, ...]
    seconds: float

    def at(self, depth: str | None) -> Tensor:
        """Return the columns of one depth, of all for None."""
        return self.rows if depth is None else self.rows[:, self.columns[depth]]

    def groups_at(self, depth: str | None) -> tuple[slice, ...]:
        """Return which columns of `at(depth)` have the same units."""
        if depth is None:
            return self.groups
        start, stop = self.columns[depth].start, self.columns[depth].stop
        return tuple(slice(g.start - start, g.stop - start) for g in self.groups if start <= g.start < stop)


def read_depths(
    data: StudiedData,
    options: TrainOptions,
    *,
    plan: Plan,
    cache: ActivationCache | None,
    progress: Progress,
    check: Callable[[], None],
) -> DepthVectors:
    """Compute the vectors that `head2toe` reads, for the pictures that train and validate, by one pass.

    They are kept in the cache as a training keeps them, so that a training of `head2toe` finds them there.

    Args:
        data: the pictures; those of the split's train and validation sides are read.
        options: of a training by `head2toe`, as `settled` returns them.
        plan: its plan.
        cache: where activations are kept; None: nowhere.
        progress: who is told.
        check: called now and then; it may raise, to interrupt.

    Raises:
        UnfreezeError: the network or its weights cannot be loaded, or give something else than finite numbers.
    """
    began = time.monotonic()
    setup, _ = prepare(data, options, plan=plan, cache=cache, out=Path(), progress=progress)
    network, settings = setup.device.place(setup.network), loop_settings(setup)
    columns = depth_columns(network.backbone, size=network.spec.size)
    groups = pooled_columns(network.backbone, size=network.spec.size)
    feeder = make_feeder(setup, settings, progress)
    network.train()
    apply_plan(network, plan, step=0, steps_per_epoch=settings.steps_per_epoch)
    feed = feeder.feed(range(plan.epochs), phase=0, head_alone=True, check=check)
    (layer,) = network.head
    assert isinstance(layer, nn.Linear), "head2toe has a linear head"
    network.eval()
    order = (*settings.train, *settings.val)
    found, _ = read_vectors(feed.model, layer, feed.evaluation(order), len(order), device=setup.device, check=check)
    rows = torch.zeros(len(data.dataset), layer.in_features)
    rows[torch.as_tensor(order)] = found.cpu()
    return DepthVectors(
        setup=setup,
        loss=make_loss(setup),
        rows=rows,
        columns=columns,
        groups=groups,
        seconds=time.monotonic() - began,
    )
