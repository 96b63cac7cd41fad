"""What the service answers, as JSON and in its OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unfreeze.records import ConformalRecord, TaskName
from unfreeze.reporting.wording import METRIC_NAMES, figure, interval

if TYPE_CHECKING:
    from unfreeze.evaluation import Prediction
    from unfreeze.records import Interval
    from unfreeze.serving.limits import Limits

__all__ = [
    "Answer",
    "ConformalAnswer",
    "ErrorAnswer",
    "ErrorBody",
    "HealthAnswer",
    "LimitsAnswer",
    "MetricAnswer",
    "ModelAnswer",
    "PictureAnswer",
    "PredictAnswer",
    "conformal_answer",
    "limits_answer",
    "metric_answer",
    "picture_answer",
    "refused_picture",
]


class Answer(BaseModel):
    """The base of all answers: frozen, and what is not said in them is not allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ErrorBody(Answer):
    """What went wrong: `code` for programs, `message` for people."""

    code: str
    message: str


class ErrorAnswer(Answer):
    """The answer to a request that is not done."""

    error: ErrorBody


class PictureAnswer(Answer):
    """What the network says of one picture, or why it cannot be read."""

    file: str = Field(description="The name that the picture was uploaded with.")
    prediction: str | list[str] | float | dict[str, float] | None = Field(
        default=None, description="A class, the labels found, a value, or the values by target; null with an error."
    )
    scores: dict[str, float] = Field(
        default={}, description="Probability of each class or label; of a regression the values by target."
    )
    members: list[str] | None = Field(
        default=None,
        alias="set",
        description="The prediction set, the most probable first; only where the run has prediction sets.",
    )
    intervals: dict[str, tuple[float, float]] | None = Field(
        default=None, description="Lower and upper end by target; only where the run has intervals."
    )
    error: ErrorBody | None = Field(default=None, description="Why the picture cannot be read; null where it can.")


class PredictAnswer(Answer):
    """The answers to all pictures of a request, in their order."""

    predictions: list[PictureAnswer]


class HealthAnswer(Answer):
    """The service is up."""

    status: Literal["ok"] = "ok"


class MetricAnswer(Answer):
    """A metric on test pictures with its 95% interval; null where the data cannot tell."""

    name: str
    title: str = Field(description="The name in words.")
    value: float | None
    low: float | None
    high: float | None
    text: str = Field(description="The value as it is shown.")


class ConformalAnswer(Answer):
    """The share of truths that prediction sets or intervals are to hold."""

    level: float


class LimitsAnswer(Answer):
    """The limits of one request."""

    max_upload_bytes: int
    max_pixels: int
    max_files: int


class ModelAnswer(Answer):
    """What the network is, and how sure it can be."""

    name: str = Field(description="The run's name.")
    task: TaskName
    classes: list[str] = Field(description="Names of the classes, labels or targets.")
    model: str = Field(description="The architecture, as timm calls it.")
    size: tuple[int, int] = Field(description="Height and width of the input, in pixels.")
    n_train: int
    n_test: int
    metric: MetricAnswer | None
    temperature: float
    conformal: ConformalAnswer | None
    heat_maps: bool = Field(description="Whether /explain can draw.")
    about: list[str] = Field(description="The same in plain words.")
    limits: LimitsAnswer
    version: str = Field(description="Of unfreeze.")


def picture_answer(file: str, prediction: Prediction) -> PictureAnswer:
    """Return what is answered for a picture that was predicted; sets and intervals only where the run has them."""
    decided = prediction.prediction
    found: dict[str, Any] = {
        "file": file,
        "prediction": list(decided) if isinstance(decided, tuple) else decided,
        "scores": dict(prediction.scores),
        "error": None,
    }
    if prediction.classes is not None:
        found["set"] = list(prediction.classes)
    if prediction.intervals is not None:
        found["intervals"] = dict(prediction.intervals)
    return PictureAnswer.model_validate(found)


def refused_picture(file: str, *, code: str, message: str) -> PictureAnswer:
    """Return what is answered for a picture that cannot be read."""
    return PictureAnswer(file=file, prediction=None, scores={}, error=ErrorBody(code=code, message=message))


def conformal_answer(record: ConformalRecord | None) -> ConformalAnswer | None:
    """Return what is told of a network's prediction sets."""
    return None if record is None else ConformalAnswer(level=record.level)


def limits_answer(limits: Limits) -> LimitsAnswer:
    """Return what is told of a service's limits."""
    return LimitsAnswer(
        max_upload_bytes=limits.max_upload_bytes, max_pixels=limits.max_pixels, max_files=limits.max_files
    )


def metric_answer(name: str, value: Interval, *, title: str | None = None, with_limits: bool = False) -> MetricAnswer:
    """Return what is told of a metric.

    Args:
        name: the metric's.
        value: with its 95% interval.
        title: the name in words; None: the metric's own.
        with_limits: whether `text` has the interval too, where there is one.
    """
    limits = interval(name, value) if with_limits else ""
    shown = figure(name, value.value)
    return MetricAnswer(
        name=name,
        title=title or METRIC_NAMES[name],
        value=value.value,
        low=value.low,
        high=value.high,
        text=f"{shown} ({limits})" if limits else shown,
    )
