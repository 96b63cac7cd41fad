"""What an advice asks, and the notebook of what is known so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from unfreeze.advice.choosing import beats_chance, cheapest_within_noise, could_beat_chance, gain_of
from unfreeze.advice.probing import Fold, fold_numbers
from unfreeze.advice.ways import Tried, Way, best_out_of_fold, make_way
from unfreeze.advice_records import DomainRecord, ProbeRecord, WayRecord
from unfreeze.backbones import native_size, probe_size
from unfreeze.cache import ActivationCache
from unfreeze.comparison.statistics import RowOutputs
from unfreeze.data import Split
from unfreeze.options import seed_of_data
from unfreeze.records import TrainOptions
from unfreeze.training.inputs import StudiedData
from unfreeze.training.progress import Progress, Silent, StepInfo
from unfreeze.training.settings import architecture_of

__all__ = ["Inquiry", "Look", "Notebook", "Quiet", "chosen_head", "rows_of"]

Array = NDArray[Any]

USUAL = "head2toe"  # at the larger size: the best on validation over four data sets (docs/adr/0015)


@dataclass(frozen=True, kw_only=True, eq=False)
class Inquiry:
    """What is asked.

    Attributes:
        data: the pictures that are looked at; the split's test side is empty.
        split: the whole one, of a training by the advice.
        base: the user's settings.
        given: which of them the user gave.
        models: the networks.
        metric: what decides.
        cache: where activations are kept.
        deadline: on the monotonic clock.
    """

    data: StudiedData
    split: Split
    base: TrainOptions
    given: frozenset[str]
    models: tuple[str, ...]
    metric: str
    cache: ActivationCache | None
    deadline: float

    @property
    def n_train(self) -> int:
        """Return how many pictures train in a whole training."""
        return len(self.split.train)

    @property
    def n_held_out(self) -> int:
        """Return how many validate and test in it."""
        return len(self.split.val) + len(self.split.test)

    @property
    def seconds_left(self) -> float:
        """Return how much of the budget is left."""
        return self.deadline - time.monotonic()

    def work(self, way: Way) -> float:
        """Return the multiply-adds of a whole training."""
        return way.work(n_train=self.n_train, n_held_out=self.n_held_out)

    def sizes_of(self, model: str) -> tuple[int, ...]:
        """Return the sizes to try: the user's, else the network's own, and the one that heads do better at."""
        if self.base.size is not None:
            return (self.base.size,)
        name = architecture_of(msgspec.structs.replace(self.base, model=model))
        return tuple(sorted({native_size(name)[0], probe_size(name)}))

    def way(self, name: str, *, frozen: bool = False, **changes: Any) -> Way:
        """Make a way; see `make_way`."""
        n_outputs = len(self.data.dataset.outputs)
        return make_way(name, self.base, self.given, n_outputs=n_outputs, frozen=frozen, **changes)

    def groups(self, indices: Sequence[int]) -> list[str] | None:
        """Return what each of some pictures belongs to."""
        groups = self.data.dataset.groups
        return None if groups is None else [groups[i] for i in indices]

    def truth(self, indices: Sequence[int]) -> Array:
        """Return the targets of some pictures."""
        found: Array = self.data.dataset.targets[list(indices)]
        return found


@dataclass(frozen=True, kw_only=True)
class Look:
    """What looking at the pictures by a frozen network took.

    Attributes:
        size: height of the input, px.
        reading: seconds of the pass.
        fitting: seconds of the heads on what it gave.
    """

    size: int
    reading: float
    fitting: float


@dataclass
class Notebook:
    """What is known so far.

    Attributes:
        folds: what judged heads on frozen features.
        probes: each frozen network at each size.
        looks: the last one by each network.
        domain: each network.
        tried: the ways, those on frozen features first.
        skipped: the ways that were not tried or failed, with why.
        failed: the networks that could not be measured to the end, with why.
        first_look: about how many seconds the first pass and its heads need, where the budget ended in it.
        notes: what the user should know.
        finished: whether nothing that was planned was left out for want of time, and nothing failed.
    """

    folds: tuple[Fold, ...] = ()
    probes: list[ProbeRecord] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)
    domain: list[DomainRecord] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    skipped: list[WayRecord] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    first_look: float | None = None
    notes: list[str] = field(default_factory=list)
    finished: bool = False

    def note(self, text: str) -> None:
        """Keep what the user should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def pool(self) -> tuple[int, ...]:
        """The pictures that judge heads on frozen features."""
        return tuple(sorted(index for fold in self.folds for index in fold.held))

    @property
    def held_in(self) -> tuple[int, ...] | None:
        """Which fold holds out each of them; None where the split is the only one."""
        return fold_numbers(self.folds)

    @property
    def frozen(self) -> list[Tried]:
        """The ways on frozen features."""
        return [each for each in self.tried if each.way.frozen]

    @property
    def live(self) -> list[Tried]:
        """The trainings."""
        return [each for each in self.tried if not each.way.frozen]


def chosen_head(inquiry: Inquiry, notebook: Notebook) -> tuple[Tried, bool | None] | None:
    """Return the way on frozen features to take, and whether it beats chance; None where none was tried.

    Of each network what usually does best, or what is better out of fold by more than noise; of several networks,
    which users will run for years, the cheapest within one standard error. Where not even that beats chance, the
    cheapest of all ways; so too where the pictures are so few that no answers would, and then it is not known whether
    it does: None.
    """
    frozen = notebook.frozen
    if not frozen:
        return None
    truth, groups = inquiry.truth(notebook.pool), inquiry.groups(notebook.pool)
    by_network: dict[str, list[Tried]] = {}
    for each in frozen:
        by_network.setdefault(each.way.options.model, []).append(each)
    seed = seed_of_data(inquiry.base)
    for finalist_of in (_usual_or_better, _best_by_figure):  # where the usual head has learned nothing, another may
        finalists = [finalist_of(ways, inquiry, notebook) for ways in by_network.values()]
        rows = rows_of(finalists, side="folds")
        number = cheapest_within_noise(rows, truth, metric=inquiry.metric, groups=groups, folds=notebook.held_in)
        outputs = finalists[number].folds
        assert outputs is not None
        if beats_chance(inquiry.metric, truth, outputs, groups, seed=seed):
            return finalists[number], True
    could = could_beat_chance(inquiry.metric, truth, groups, seed=seed)
    return min(frozen, key=lambda each: each.record.work), False if could else None


def _best_by_figure(ways: Sequence[Tried], inquiry: Inquiry, _notebook: Notebook) -> Tried:
    return best_out_of_fold(ways, inquiry.metric)


def _usual_or_better(ways: Sequence[Tried], inquiry: Inquiry, notebook: Notebook) -> Tried:
    """Return `USUAL` at the largest size, or the best out of fold if that is better by more than one standard error.

    Cost hardly parts them: the passes are made, and a fit takes seconds. What other data sets have shown does, as long
    as these pictures cannot tell.
    """
    best = best_out_of_fold(ways, inquiry.metric)
    usual = max((each for each in ways if each.record.strategy == USUAL), key=lambda each: each.way.size, default=best)
    if usual is best or usual.folds is None or best.folds is None:
        return best
    truth, groups = inquiry.truth(notebook.pool), inquiry.groups(notebook.pool)
    gain, error = gain_of(inquiry.metric, truth, best.folds, usual.folds, groups, folds=notebook.held_in)
    return usual if gain <= error else best  # without a figure it is not taken: then this is not so


def rows_of(tried: Sequence[Tried], *, side: Literal["folds", "val"]) -> list[RowOutputs]:
    """Return ways as rows that can be compared."""
    return [
        RowOutputs(name=f"{number}", outputs=(getattr(each, side),), cost=each.record.work)
        for number, each in enumerate(tried)
    ]


class Quiet(Silent):
    """Hands on how far a pass or a training is; its stages, phases and epochs are not worth a line.

    Args:
        progress: who is told.

    Attributes:
        share: of its pictures that a pass is through, 0 before it tells.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.share = 0.0

    def prefix(self, n: int, total: int) -> None:
        """Hand on a count."""
        self.share = n / max(total, 1)
        self._progress.prefix(n, total)

    def step(self, info: StepInfo) -> None:
        """Hand on a step."""
        self._progress.step(info)
