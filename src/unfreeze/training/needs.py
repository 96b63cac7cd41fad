"""What the phases of a plan need of a network's frozen part, known before they begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from torch import Tensor

from unfreeze.backbones import Network
from unfreeze.data.spec import Augment
from unfreeze.freezing import apply_plan
from unfreeze.frontier import NoSplit, Split, split_network
from unfreeze.plans import Plan
from unfreeze.training.epochs import LoopSettings

__all__ = ["Need", "NeedsOfPhases", "Row", "rows_of", "views_of"]

Row = tuple[int, int]  # picture, view
View = tuple[Augment, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Need:
    """What phases need of a frozen prefix.

    Attributes:
        split: the network in two parts.
        rows: by how views vary, which rows are needed for certain.
        n_rows: how many rows the phase needs in all.
        phase: the number of the last phase that needs them.
    """

    split: Split
    rows: Mapping[Augment, Sequence[Row]]
    n_rows: int
    phase: int

    @property
    def n_bytes(self) -> int:
        """What all rows take."""
        return self.n_rows * self.split.n_bytes


def views_of(settings: LoopSettings, epochs: range, *, head_alone: bool, steps: bool = True) -> dict[View, None]:
    """Return the views that the training pictures are needed in, each once and in order.

    Without steps a solver sees every picture once, as it is evaluated.
    """
    if not steps:
        return {("none", 0): None}
    found: dict[View, None] = {}
    for epoch in epochs:
        augment = settings.augment_of(epoch, head_alone=head_alone)
        found[augment, 0 if augment == "none" else settings.view(epoch)] = None
    return found


def rows_of(settings: LoopSettings, views: Iterable[View], *, held_out: Iterable[int]) -> dict[Augment, list[Row]]:
    """Return which (picture, view) are needed, by how views vary; those held out as they are evaluated."""
    wanted: dict[Augment, dict[Row, None]] = {"none": dict.fromkeys((index, 0) for index in held_out)}
    for augment, view in views:
        wanted.setdefault(augment, {}).update(dict.fromkeys((index, view) for index in settings.train))
    return {augment: list(rows) for augment, rows in wanted.items()}


class NeedsOfPhases:
    """Finds where the network will be split later, by applying the plan for later phases and then for this one again.

    Args:
        network: the network; afterwards it is in the present phase again.
        plan: what trains when.
        settings: the loop's.
        held_out: the pictures of validation and test.
        example: what to split with.
        quota_bytes: what a split's rows may take.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        settings: LoopSettings,
        *,
        held_out: Sequence[int],
        example: Tensor,
        quota_bytes: int,
    ) -> None:
        self.network, self.plan, self.settings, self.held_out = network, plan, settings, held_out
        self.example, self.quota_bytes = example, quota_bytes
        self._found: dict[int, Split | NoSplit] = {}

    def split(self, phase: int, *, n_rows: int) -> Split | NoSplit:
        """Return where the network, to which the plan has been applied, is split in a phase."""
        found = self._found.pop(phase, None)
        if found is None:
            return split_network(self.network, self.example, n_rows=n_rows, quota_bytes=self.quota_bytes)
        return replace(found)  # the same parts, but the hash of what weights they have now

    def after(self, phase: int, *, begun: int) -> tuple[Need, ...]:
        """Return what later phases need of layers that do not train before they begin.

        An early stop moves the epochs of later phases, and with them the views: what is returned is needed wherever
        phases end.

        Args:
            phase: the number of the present phase.
            begun: the epoch in which it began.
        """
        latest = list(accumulate((each.epochs for each in self.plan.phases[phase:]), initial=begun))
        needs: list[Need] = []
        changed = self._trained()
        earliest = begun
        try:
            for later in range(phase + 1, len(self.plan.phases)):
                before = self.plan.phases[later - 1]
                earliest += before.epochs if before.patience is None else 1
                self._apply(later)
                need = self._need(later, range(earliest, latest[later - phase] + 1))
                if need is not None and not any(id(each) in changed for each in need.split.prefix.parameters()):
                    needs.append(need)
                changed |= self._trained()
        finally:
            self._apply(phase)
        return tuple(needs)

    def _need(self, phase: int, starts: range) -> Need | None:
        n_epochs = self.plan.phases[phase].epochs
        head_alone = self.plan.trains_head_alone(phase)
        steps = self.plan.phases[phase].takes_steps
        possible = [
            views_of(self.settings, range(start, start + n_epochs), head_alone=head_alone, steps=steps)
            for start in starts
        ]
        planned = rows_of(self.settings, possible[-1], held_out=self.held_out)
        certain = [view for view in possible[0] if all(view in views for views in possible)]
        n_rows = sum(map(len, planned.values()))
        found = self._found[phase] = self.split(phase, n_rows=n_rows)
        if isinstance(found, NoSplit):
            return None
        rows = rows_of(self.settings, certain, held_out=self.held_out)
        return Need(split=found, rows=rows, n_rows=n_rows, phase=phase)

    def _apply(self, phase: int) -> None:
        """Put the network into the state of a phase; rates are left alone."""
        n_epochs = sum(each.epochs for each in self.plan.phases[:phase])
        self.network.train()
        apply_plan(self.network, self.plan, step=n_epochs, steps_per_epoch=1)

    def _trained(self) -> set[int]:
        return {id(parameter) for parameter in self.network.parameters() if parameter.requires_grad}
