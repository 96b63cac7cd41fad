"""What the service of a lesson answers, as JSON and in its OpenAPI document."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from unfreeze.serving.answers import Answer, LimitsAnswer, MetricAnswer, limits_answer, metric_answer
from unfreeze.teaching.fitting import Judgement
from unfreeze.teaching.names import is_recorded

if TYPE_CHECKING:
    from unfreeze.data import Fingerprint
    from unfreeze.serving import Limits
    from unfreeze.teaching.adding import Added
    from unfreeze.teaching.lesson import Lesson
    from unfreeze.teaching.saving import Saving
    from unfreeze.teaching.snapshot import Snapshot
    from unfreeze.teaching.state import State, Taught, Work

__all__ = [
    "AddedAnswer",
    "AdditionsAnswer",
    "ClassNameAnswer",
    "DoneAnswer",
    "PicturesAnswer",
    "StateAnswer",
    "additions_answer",
    "pictures_answer",
    "state_answer",
]

N_MISTAKES = 24
N_CONFUSIONS = 6

_metric = partial(metric_answer, with_limits=True)


class AddedAnswer(Answer):
    """What became of one picture."""

    name: str = Field(description="The name that it was uploaded with.")
    outcome: Literal["added", "known", "refused"]
    file: str | None = Field(description="Where it lies, relative to the folder; null where it was refused.")
    reason: str | None = Field(description="Why it was not added; null where it was.")


class AdditionsAnswer(Answer):
    """What became of the pictures of a request, in their order."""

    pictures: list[AddedAnswer]


class ClassNameAnswer(Answer):
    """What a class is called now."""

    name: str


class DoneAnswer(Answer):
    """It is done, or will be in a moment: /teach/state says."""

    status: Literal["ok"] = "ok"


class PictureOfClass(Answer):
    """A picture of a class."""

    file: str
    version: str = Field(description="Another one where the content is another.")
    recorded: bool = Field(description="Whether it is a frame of a recording.")


class PicturesAnswer(Answer):
    """The pictures of a class."""

    pictures: list[PictureOfClass]


class ClassAnswer(Answer):
    """A class: how many pictures it has, and how many of them are recognised."""

    name: str
    n_pictures: int
    recall: MetricAnswer | None = Field(description="By cross-validation; null where that cannot be told.")


class WorkAnswer(Answer):
    """What is being done now."""

    doing: Literal["loading", "reading", "computing", "fitting", "judging", "saving", "resting"]
    n: int
    total: int | None


class ConfusionAnswer(Answer):
    """How many pictures of one class were taken for another while they were held out."""

    truth: str
    prediction: str
    n: int


class MistakeAnswer(Answer):
    """A picture that was taken for another class while it was held out."""

    file: str
    truth: str
    prediction: str
    probability: float


class TaughtAnswer(Answer):
    """What has been learned."""

    is_current: bool = Field(description="Whether it was learned from the pictures as they are now.")
    classes: list[str]
    n_pictures: int
    seconds: float = Field(description="That fitting the head, and judging it, took.")
    n_folds: int | None
    n_units: int | None = Field(description="Pictures, where those that are alike or of one recording count once.")
    accuracy: MetricAnswer | None
    balanced_accuracy: MetricAnswer | None
    untold: str | None = Field(description="Why it cannot be told how good it is; null where it can, or will be.")
    confusions: list[ConfusionAnswer]
    mistakes: list[MistakeAnswer]


class SavingAnswer(Answer):
    """How far a run has come that is being saved, or that was the last one."""

    status: Literal["waiting", "running", "done", "failed"]
    stage: str
    n: int
    total: int | None
    notes: list[str]
    run: str | None = Field(description="The run directory.")
    commands: list[str] = Field(description="What to do with the run on the command line.")
    error: str | None


class StateAnswer(Answer):
    """All that there is to be seen of a lesson now."""

    folder: str
    model: str
    size: tuple[int, int] | None = Field(description="Height and width that the network sees pictures at.")
    version: int = Field(description="Counts the changes of the pictures.")
    is_settled: bool = Field(description="Whether nothing is under way and all that can be learned is.")
    classes: list[ClassAnswer]
    unreadable: list[str] = Field(description="Why some files are not pictures that can be learned.")
    work: WorkAnswer
    missing: list[str] = Field(description="What is missing before all classes are learned.")
    failure: str | None
    notes: list[str]
    taught: TaughtAnswer | None
    saving: SavingAnswer | None
    limits: LimitsAnswer


def state_answer(lesson: Lesson, state: State, limits: Limits) -> StateAnswer:
    """Return what /teach/state answers."""
    snapshot, judgement = state.snapshot, None if state.taught is None else state.taught.judgement
    recall = judgement.recall if isinstance(judgement, Judgement) else {}
    return StateAnswer(
        folder=str(lesson.album.folders.root.resolve()),
        model=lesson.options.model,
        size=None if lesson.options.size is None else (lesson.options.size, lesson.options.size),
        version=snapshot.version,
        is_settled=state.is_settled,
        classes=[
            ClassAnswer(
                name=name,
                n_pictures=n,
                recall=_metric("accuracy", recall[name], title="recognised") if name in recall else None,
            )
            for name, n in snapshot.counts.items()
        ],
        unreadable=list(snapshot.unreadable.values()),
        work=_work(state.work),
        missing=list(state.missing),
        failure=state.failure,
        notes=list(state.notes),
        taught=None if state.taught is None else _taught(state.taught, snapshot),
        saving=None if state.saving is None else _saving(state.saving),
        limits=limits_answer(limits),
    )


def additions_answer(pictures: Sequence[Added]) -> AdditionsAnswer:
    """Return what is answered for pictures that were to be added."""
    return AdditionsAnswer(
        pictures=[
            AddedAnswer(name=each.name, outcome=each.outcome, file=each.file, reason=each.reason) for each in pictures
        ]
    )


def pictures_answer(pictures: Sequence[Fingerprint]) -> PicturesAnswer:
    """Return what is answered for the pictures of a class."""
    return PicturesAnswer(
        pictures=[
            PictureOfClass(file=each.file, version=each.sha256[:16], recorded=is_recorded(each.file))
            for each in pictures
        ]
    )


def _work(work: Work) -> WorkAnswer:
    return WorkAnswer(doing=work.doing, n=work.n, total=work.total)


def _taught(taught: Taught, snapshot: Snapshot) -> TaughtAnswer:
    found = taught.judgement if isinstance(taught.judgement, Judgement) else None
    return TaughtAnswer(
        is_current=taught.version == snapshot.version,
        classes=list(taught.head.classes),
        n_pictures=len(taught.files),
        seconds=round(taught.seconds, 3),
        n_folds=None if found is None else found.n_folds,
        n_units=None if found is None else found.n_units,
        accuracy=None if found is None else _metric("accuracy", found.accuracy),
        balanced_accuracy=None if found is None else _metric("balanced_accuracy", found.balanced_accuracy),
        untold=taught.judgement if isinstance(taught.judgement, str) else None,
        confusions=[
            ConfusionAnswer(truth=real, prediction=guess, n=n)
            for real, guess, n in (() if found is None else found.confusions[:N_CONFUSIONS])
        ],
        mistakes=[
            MistakeAnswer(
                file=taught.files[each.index],
                truth=taught.files[each.index].partition("/")[0],
                prediction=each.prediction,
                probability=each.probability,
            )
            for each in (() if found is None else found.mistakes[:N_MISTAKES])
        ],
    )


def _saving(saving: Saving) -> SavingAnswer:
    run = None if saving.run is None else str(saving.run)
    quoted = "" if run is None else shlex.quote(run)
    return SavingAnswer(
        status=saving.status,
        stage=saving.stage,
        n=saving.n,
        total=saving.total,
        notes=list(saving.notes),
        run=run,
        commands=[] if run is None else [f"unfreeze serve {quoted}", f"unfreeze predict {quoted} PICTURES/"],
        error=saving.error,
    )
