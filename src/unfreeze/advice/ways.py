"""The ways that an advice tries: what each is called, trains, and costs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from unfreeze.advice_records import WayRecord
from unfreeze.backbones import model_layers
from unfreeze.comparison.work import estimate_work
from unfreeze.layers import Layers
from unfreeze.metrics import is_better
from unfreeze.plans import Plan
from unfreeze.records import FeatureSource, TrainOptions
from unfreeze.training.inputs import write_plan
from unfreeze.training.settings import architecture_of, settled

__all__ = ["HEAD_RATES", "HIDDEN", "Tried", "Way", "best_out_of_fold", "make_way"]

HEAD_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
HIDDEN = 512  # units


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """One way to train one network at one size.

    Attributes:
        name: unique among the ways of one network at one size and number of epochs.
        options: the settings of a training, as `settled` returns them.
        plan: what trains when.
        size: height of the input, px.
        frozen: whether nothing but a linear head trains, on vectors that all such ways share.
    """

    name: str
    options: TrainOptions
    plan: Plan
    size: int
    frozen: bool

    def work(self, *, n_train: int, n_held_out: int) -> float:
        """Return the multiply-adds of one training from an empty cache.

        For frozen ways those of the pass alone: what their heads add is a thousandth, and must not decide.
        """
        if self.frozen:
            head = self.plan.layers.groups[-1].leaf_names
            n_macs = sum(leaf.macs for leaf in self.plan.layers.leaves if leaf.name not in head)
            return float(n_macs * (n_train + n_held_out))
        return estimate_work(self.plan, self.options, n_train=n_train, n_held_out=n_held_out)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """A way with what it came to.

    Attributes:
        way: the way.
        record: its figures.
        folds: what the metric reads of its outputs out of fold; None where it was judged on validation alone.
        val: the same on the validation pictures; None where it was not tried.
    """

    way: Way
    record: WayRecord
    folds: NDArray[np.float64] | None = None
    val: NDArray[np.float64] | None = None

    def with_record(self, **changes: Any) -> Tried:
        """Return it with some fields of its record changed."""
        return Tried(
            way=self.way, record=msgspec.structs.replace(self.record, **changes), folds=self.folds, val=self.val
        )


def best_out_of_fold(tried: Sequence[Tried], metric: str) -> Tried:
    """Return the way whose metric out of fold is best; of equal ones, and where none has a figure, the first."""
    best = tried[0]
    for each in tried[1:]:
        if is_better(metric, _out_of_fold(each), _out_of_fold(best)):
            best = each
    return best


def _out_of_fold(tried: Tried) -> float:
    value = None if tried.record.folds is None else tried.record.folds.value
    return float("nan") if value is None else value


def make_way(
    name: str, base: TrainOptions, given: frozenset[str], *, n_outputs: int, frozen: bool = False, **changes: Any
) -> Way:
    """Make a way from the user's settings and what it changes in them.

    Raises:
        UnfreezeError: the settings do not allow it, or its network cannot be built.
    """
    options = settled(msgspec.structs.replace(base, **changes), given)
    layers = _layers(architecture_of(options), options.size, options.hidden, options.features or "last", n_outputs)
    assert layers.size is not None, "a known network is measured at its size"
    return Way(name=name, options=options, plan=write_plan(options, layers), size=layers.size[0], frozen=frozen)


@functools.lru_cache(maxsize=16)
def _layers(architecture: str, size: int | None, hidden: int | None, features: FeatureSource, n_outputs: int) -> Layers:
    return model_layers(architecture, size=size, hidden=hidden, features=features, n_outputs=n_outputs)
