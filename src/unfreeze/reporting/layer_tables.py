"""What trained, as rows ready to be shown: by phase, and by layer group through all phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unfreeze.reporting.tables import Table
from unfreeze.reporting.wording import count, duration, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.records import FeatureSelection, LayerRecord, RunRecord

__all__ = ["Cell", "LayerRow", "layer_rows", "phase_table"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one phase did to one layer group: its rates as text, how far it moved and how strongly to shade that."""

    trained: bool
    rates: str = ""
    strength: float = 0.0  # 0..1, by the root of how far it moved, beside the group that moved furthest
    moved: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer group of the layer map through all phases, or the groups of a stage that never trained, as one."""

    stage: str
    group: str
    n_parameters: str
    cells: tuple[Cell, ...]


def phase_table(record: RunRecord, layers: Sequence[LayerRecord]) -> Table:
    """Return one row per phase: what it trained, at which rates, for how long."""
    rows: list[tuple[str, ...]] = []
    for phase in record.phases:
        trained = [layer for layer in layers if layer.phase == phase.name and layer.trained]
        rates = sorted({lr for layer in trained for lr in layer.lrs})
        epochs = str(phase.epochs_run)
        if phase.epochs_run != phase.epochs_planned:
            epochs += f" of {phase.epochs_planned}"
        rows.append(
            (
                phase.name,
                _span([layer.group for layer in trained]),
                epochs,
                "" if phase.best_epoch is None else str(phase.best_epoch + 1),
                count(phase.n_trained),
                " to ".join(rate(lr) for lr in dict.fromkeys((*rates[:1], *rates[-1:]))),
                duration(phase.seconds),
            )
        )
    header: tuple[str, ...] = (
        "phase",
        "trained layers",
        "epochs",
        "best epoch",
        "trained parameters",
        "peak rates",
        "time",
    )
    selections = [phase.selection for phase in record.phases]
    if any(selections):
        header = (*header, "features kept")
        rows = [(*row, _kept(selection)) for row, selection in zip(rows, selections, strict=True)]
    return Table(header, tuple(rows), n_names=2)


def _kept(selection: FeatureSelection | None) -> str:
    if selection is None:
        return ""
    chosen = ", chosen on validation" if selection.shares else ""
    return f"{count(selection.n_kept)} of {count(selection.n_features)}{chosen}"


def layer_rows(record: RunRecord, layers: Sequence[LayerRecord]) -> tuple[LayerRow, ...]:
    """Return one row per layer group, input first, with one cell per phase; a stage that never trained is one row."""
    phases = [phase.name for phase in record.phases] or list(dict.fromkeys(layer.phase for layer in layers))
    found = {(layer.phase, layer.group): layer for layer in layers}
    furthest = max((layer.distance for layer in layers if layer.trained and _is_old(layer)), default=0.0)
    rows: list[LayerRow] = []
    idle: dict[str, list[LayerRecord]] = {}  # by stage, what never trained
    for group in dict.fromkeys(layer.group for layer in layers):
        of_group = [found[phase, group] for phase in phases if (phase, group) in found]
        stage = of_group[0].stage
        if not any(layer.trained for layer in of_group):
            idle.setdefault(stage, []).append(of_group[0])
            if len(idle[stage]) > 1:
                rows.pop()
            rows.append(_idle_row(stage, idle[stage], n_phases=len(phases)))
            continue
        idle.pop(stage, None)
        cells = tuple(_cell(found.get((phase, group)), furthest=furthest) for phase in phases)
        rows.append(LayerRow(stage, group, count(of_group[0].n_parameters), cells))
    return tuple(rows)


def _is_old(layer: LayerRecord) -> bool:
    """Say whether a layer was pretrained: how far a new head went from its random start says nothing."""
    return layer.group != "head" and math.isfinite(layer.distance)


def _idle_row(stage: str, layers: Sequence[LayerRecord], *, n_phases: int) -> LayerRow:
    name = layers[0].group if len(layers) == 1 else f"{layers[0].group} … {layers[-1].group} ({len(layers)})"
    n_parameters = count(sum(layer.n_parameters for layer in layers))
    return LayerRow(stage, name, n_parameters, (Cell(trained=False),) * n_phases)


def _cell(layer: LayerRecord | None, *, furthest: float) -> Cell:
    if layer is None or not layer.trained:
        return Cell(trained=False)
    rates = sorted(layer.lrs)
    moved = f"{layer.distance:.2%}" if _is_old(layer) else "new"
    return Cell(
        trained=True,
        rates=" to ".join(rate(lr) for lr in dict.fromkeys((*rates[:1], *rates[-1:]))),
        strength=round(math.sqrt(layer.distance / furthest), 3) if _is_old(layer) and furthest > 0 else 0.0,
        moved=moved,
    )


def _span(groups: Sequence[str]) -> str:
    if not groups:
        return ""
    return groups[0] if len(groups) == 1 else f"{groups[0]} … {groups[-1]} ({len(groups)})"
