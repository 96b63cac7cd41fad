"""A plan is a value: what trains, and at which rate, as a pure function of the plan and a position in it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from unfreeze.errors import PlanError, raise_together
from unfreeze.layers import Layers
from unfreeze.plans.checks import find_problems
from unfreeze.plans.phase import NormMode, Phase, PlanSettings
from unfreeze.plans.rates import peak_lrs, trained_leaves
from unfreeze.plans.schedules import rate_share

__all__ = ["ParamGroup", "Plan", "PlanState", "Position"]


class Position(NamedTuple):
    """Where a training is: the phase's index, and the optimizer steps taken in it."""

    phase: int
    step: int


@dataclass(frozen=True, slots=True)
class ParamGroup:
    """Parameters that share a layer group, their rates in every phase, and whether weight decay applies.

    `lrs` holds the peak rate of each phase: None where the group is frozen, 0 where a solver without rates trains it.
    """

    name: str
    parameters: tuple[str, ...]
    decays: bool
    lrs: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PlanState:
    """What holds at one position.

    Attributes:
        phase: The phase's index.
        name: The phase's name.
        step: Optimizer steps taken in the phase.
        lrs: Rates of `Plan.param_groups`, in their order; 0.0 where frozen, and where the solver has no rates.
        weight_decays: Weight decays of the same; 0.0 in the same places.
        trained_leaves: Names of the leaves that train.
        trained_parameters: Full names of the parameters that train.
        norm: The mode of norm layers in what trains.
    """

    phase: int
    name: str
    step: int
    lrs: tuple[float, ...]
    weight_decays: tuple[float, ...]
    trained_leaves: frozenset[str]
    trained_parameters: frozenset[str]
    norm: NormMode


@dataclass(frozen=True)
class Plan:
    """Phases, resolved against one network's layers.

    Selectors are replaced by the names that they mean, so two plans are equal where they train the same.

    Raises:
        PlanError: on construction, listing everything that is wrong with the phases.
    """

    layers: Layers
    phases: tuple[Phase, ...]
    settings: PlanSettings = field(default_factory=PlanSettings)

    def __post_init__(self) -> None:
        raise_together(find_problems(self.layers, self.phases), PlanError)
        resolved = (
            replace(phase, train=self.layers.names_for(self.layers.select(phase.train)), rates=dict(phase.rates))
            for phase in self.phases
        )
        object.__setattr__(self, "phases", tuple(resolved))

    @staticmethod
    def from_toml(source: str | Path, *, layers: Layers) -> Plan:
        """Read a plan from a TOML file, or from TOML text, and resolve it against a network's layers.

        Raises:
            PlanError: the file is missing, is not TOML, or says something unknown or impossible; all at once.
        """
        from unfreeze.plans.toml import read_plan

        return read_plan(source, layers=layers)

    def to_toml(self) -> str:
        """Return the plan as TOML text, which `from_toml` turns into an equal plan."""
        from unfreeze.plans.toml import format_plan

        return format_plan(self)

    @property
    def epochs(self) -> int:
        """The epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    def selected(self, phase: int) -> frozenset[str]:
        """Return the leaves that a phase selects: those that train, and norm layers that it freezes."""
        return self._selected[phase]

    def trained(self, phase: int) -> frozenset[str]:
        """Return the names of the leaves that train in a phase."""
        return self._trained[phase]

    def trains_head_alone(self, phase: int) -> bool:
        """Say whether a phase changes nothing but the head."""
        return self.trained(phase) <= self.layers.groups[-1].leaf_names

    def peak_lrs(self, phase: int) -> Mapping[str, float]:
        """Return the peak rate of each leaf that trains in a phase, by the leaf's name."""
        return self._peak_lrs[phase]

    @functools.cached_property
    def param_groups(self) -> tuple[ParamGroup, ...]:
        """The optimizer's groups, from the input to the head; what never trains is in none of them.

        One for each distinct (layer group, rates over the phases, weight decay or not), the same from the
        first phase to the last, so that an optimizer's state fits at every position.
        """
        members: dict[tuple[str, tuple[float | None, ...], bool], list[str]] = {}
        for group in self.layers.groups:
            for leaf in group.leaves:
                lrs = tuple(peaks.get(leaf.name) for peaks in self._peak_lrs)
                if any(lr is not None for lr in lrs):
                    for parameter in leaf.parameters:
                        members.setdefault((group.name, lrs, parameter.decays), []).append(parameter.name)
        return tuple(
            ParamGroup(_group_name(key, members), tuple(names), key[2], key[1]) for key, names in members.items()
        )

    def position(self, step: int, *, steps_per_epoch: int, phase_epochs: Sequence[int] = ()) -> Position:
        """Return where a training is after a number of optimizer steps.

        Args:
            step: Optimizer steps since the training began.
            steps_per_epoch: Optimizer steps in one epoch.
            phase_epochs: Epochs that the finished phases really took, where an early stop ended one; the rest
                take what is planned.

        Raises:
            PlanError: the step lies beyond the plan's end, or `phase_epochs` does not fit the phases.
        """
        if steps_per_epoch < 1 or step < 0:
            raise PlanError(
                f"A position needs steps_per_epoch of at least 1 and step of at least 0, "
                f"but got {steps_per_epoch} and {step}."
            )
        self._check_phase_epochs(phase_epochs)
        planned = [phase.epochs for phase in self.phases]
        left = step
        for index, epochs in enumerate([*phase_epochs, *planned[len(phase_epochs) :]]):
            if left < epochs * steps_per_epoch:
                return Position(index, left)
            left -= epochs * steps_per_epoch
        raise PlanError(
            f"Step {step} lies beyond the plan: its phases end after {step - left} steps "
            f"({steps_per_epoch} in an epoch). Stop there, or give a phase more epochs."
        )

    def state(self, position: Position, *, steps_per_epoch: int) -> PlanState:
        """Return what trains at a position, and at which rates.

        A schedule runs over the epochs that are planned for its phase: an early stop cuts it short.
        """
        phase = self.phases[position.phase]
        n_steps = phase.epochs * steps_per_epoch
        share = rate_share(phase.schedule, position.step, n_steps=n_steps, warmup=phase.warmup)
        peaks = [group.lrs[position.phase] for group in self.param_groups]
        decays = (
            phase.weight_decay if group.decays and peak else 0.0
            for group, peak in zip(self.param_groups, peaks, strict=True)
        )
        return PlanState(
            phase=position.phase,
            name=phase.name,
            step=position.step,
            lrs=tuple(0.0 if peak is None else peak * share for peak in peaks),
            weight_decays=tuple(decays),
            trained_leaves=self._trained[position.phase],
            trained_parameters=self._trained_parameters[position.phase],
            norm=phase.norm,
        )

    @functools.cached_property
    def _selected(self) -> tuple[frozenset[str], ...]:
        return tuple(self.layers.select(phase.train) for phase in self.phases)

    @functools.cached_property
    def _trained(self) -> tuple[frozenset[str], ...]:
        return tuple(trained_leaves(self.layers, phase) for phase in self.phases)

    @functools.cached_property
    def _peak_lrs(self) -> tuple[Mapping[str, float], ...]:
        return tuple(peak_lrs(self.layers, phase) for phase in self.phases)

    @functools.cached_property
    def _trained_parameters(self) -> tuple[frozenset[str], ...]:
        return tuple(
            frozenset(p.name for leaf in self.layers.leaves if leaf.name in trained for p in leaf.parameters)
            for trained in self._trained
        )

    def _check_phase_epochs(self, phase_epochs: Sequence[int]) -> None:
        planned = [phase.epochs for phase in self.phases]
        fits = len(phase_epochs) <= len(planned) and all(
            1 <= took <= epochs for took, epochs in zip(phase_epochs, planned, strict=False)
        )
        if not fits:
            raise PlanError(
                f"phase_epochs says how many epochs the finished phases took, each from 1 to what is planned "
                f"({planned}), but got {list(phase_epochs)}."
            )


def _group_name(
    key: tuple[str, tuple[float | None, ...], bool],
    keys: Mapping[tuple[str, tuple[float | None, ...], bool], object],
) -> str:
    """Name a param group by its layer group, with what sets it apart from others of the same one."""
    group, lrs, decays = key
    trajectories = list(dict.fromkeys(k[1] for k in keys if k[0] == group))
    number = f"#{trajectories.index(lrs) + 1}" if len(trajectories) > 1 else ""
    return f"{group}{number}" if decays else f"{group}{number} (no decay)"
