"""What a phase is about to do, in words, and what it has done, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import torch

from unfreeze.errors import FailedError
from unfreeze.layers import LayerGroup, strip_wrappers
from unfreeze.plans import Phase, Plan
from unfreeze.records import LayerRecord, PhaseRecord
from unfreeze.training.checkpoint import Cursor
from unfreeze.training.lbfgs import l2_strengths
from unfreeze.training.progress import PhaseInfo

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["assert_frozen", "layer_records", "phase_info", "phase_record"]


class _Settings(Protocol):
    @property
    def metric(self) -> str: ...

    @property
    def steps_per_epoch(self) -> int: ...


def phase_info(plan: Plan, index: int, settings: _Settings, *, finds_rate: bool = False) -> PhaseInfo:
    """Describe a phase before it begins, with `finds_rate` before its rates are known."""
    phase, trained, lrs = plan.phases[index], plan.trained(index), plan.peak_lrs(index)
    groups = [group.name for group in plan.layers.groups if any(leaf.name in trained for leaf in group.leaves)]
    n_trained = sum(
        parameter.n_elements for leaf in plan.layers.leaves if leaf.name in trained for parameter in leaf.parameters
    )
    return PhaseInfo(
        index=index,
        n_phases=len(plan.phases),
        name=phase.name,
        epochs=phase.epochs,
        n_steps=phase.epochs * settings.steps_per_epoch,
        n_trained=n_trained,
        n_parameters=plan.layers.n_parameters,
        trained=groups[0] if len(groups) == 1 else f"{groups[0]} … {groups[-1]}",
        lr_min=min(lrs.values()),
        lr_max=max(lrs.values()),
        finds_rate=finds_rate,
        solver=phase.solver,
        select_features=phase.select_features,
        norm=phase.norm,
        metric=settings.metric,
    )


def layer_records(
    plan: Plan,
    index: int,
    *,
    before: Mapping[str, str],
    after: Mapping[str, str],
    start: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
) -> tuple[LayerRecord, ...]:
    """Record what a phase did to every layer group.

    Args:
        plan: the plan.
        index: which phase.
        before: sha256 of each layer group when the phase began.
        after: sha256 of each layer group after it.
        start: the network's tensors by name when the phase began.
        end: the same after it.
    """
    trained, lrs = plan.trained(index), plan.peak_lrs(index)
    began = {strip_wrappers(name): value for name, value in start.items()}
    ended = {strip_wrappers(name): value for name, value in end.items()}
    return tuple(
        LayerRecord(
            phase=plan.phases[index].name,
            group=group.name,
            stage=plan.layers.stage_of(group.leaves[0].name).name,
            trained=any(leaf.name in trained for leaf in group.leaves),
            n_parameters=sum(p.n_elements for leaf in group.leaves for p in leaf.parameters),
            n_trained=sum(p.n_elements for leaf in group.leaves if leaf.name in trained for p in leaf.parameters),
            lrs=tuple(sorted({lrs[leaf.name] for leaf in group.leaves if lrs.get(leaf.name)})),
            norm=_norm_mode(plan, index, group),
            sha256_before=before[group.name],
            sha256_after=after[group.name],
            distance=0.0 if before[group.name] == after[group.name] else _distance(group, began, ended),
        )
        for group in plan.layers.groups
    )


def phase_record(phase: Phase, cursor: Cursor, layers: Sequence[LayerRecord], *, n_epochs: int) -> PhaseRecord:
    """Record how a phase went; the cursor stands at its end, after `n_epochs`."""
    best = None if cursor.phase_best is None else cursor.phase_best.epoch
    l2 = None
    if best is not None and not phase.takes_steps:
        l2 = l2_strengths(phase.epochs)[best - sum(cursor.phase_epochs)]
    return PhaseRecord(
        name=phase.name,
        epochs_planned=phase.epochs,
        epochs_run=n_epochs,
        best_epoch=best,
        l2=l2,
        selection=cursor.selection,
        n_trained=sum(layer.n_trained for layer in layers),
        seconds=round(cursor.phase_seconds, 3),
    )


def _norm_mode(plan: Plan, index: int, group: LayerGroup) -> Literal["eval", "train", "frozen", "none"]:
    norms = [leaf for leaf in group.leaves if leaf.kind == "norm"]
    if not norms:
        return "none"
    return plan.phases[index].norm if any(leaf.name in plan.trained(index) for leaf in norms) else "frozen"


def _distance(group: LayerGroup, start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> float:
    """Return ‖w − w₀‖ / ‖w₀‖ over all parameters of a layer group, in float64."""
    names = [strip_wrappers(p.name) for leaf in group.leaves for p in leaf.parameters]
    # Contiguous, because a sum in the order of another memory format has other last digits.
    began, ended = ([values[n].double().contiguous() for n in names] for values in (start, end))
    moved = sum(float(torch.sum((b - a) ** 2)) for a, b in zip(began, ended, strict=True))
    norm = sum(float(torch.sum(a**2)) for a in began)
    return float((moved / norm) ** 0.5) if norm else 0.0


def assert_frozen(records: Sequence[LayerRecord]) -> None:
    """Raise if a layer group that was frozen in a phase is not bit-identical after it, buffers included.

    Raises:
        FailedError: which groups moved.
    """
    moved = [record.group for record in records if not record.trained and record.sha256_before != record.sha256_after]
    if moved:
        raise FailedError(
            f'Frozen layers changed in phase "{records[0].phase}": {", ".join(moved)}. Report this, please.'
        )
