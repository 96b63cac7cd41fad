"""What the network is and how sure it can be, told from the run's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfreeze.reporting.wording import METRIC_NAMES, OUTPUT_WORDS, count, figure, interval
from unfreeze.serving.answers import ModelAnswer, conformal_answer, limits_answer, metric_answer
from unfreeze.version import __version__

if TYPE_CHECKING:
    from unfreeze.records import Interval, ModelRecord, RunRecord
    from unfreeze.serving.limits import Limits

__all__ = ["describe_model"]

SMALL_TEST = 100  # pictures
TASKS = {
    "classification": "It tells {n} classes apart.",
    "multilabel": "It looks for {n} labels, of which a picture may have several or none.",
    "regression": "It estimates {n} values.",
}
ONE = {"multilabel": "It says whether a picture has one label.", "regression": "It estimates one value."}


def describe_model(record: RunRecord, model: ModelRecord, *, name: str, limits: Limits, heat_maps: bool) -> ModelAnswer:
    """Return what /model answers.

    Args:
        record: the run's.
        model: the network's.
        name: the run's name.
        limits: of the service.
        heat_maps: whether they can be drawn.
    """
    value = record.metrics.test.get(record.primary_metric)
    n_test = record.data.split_counts.get("test", 0)
    return ModelAnswer(
        name=name,
        task=model.task,
        classes=list(model.outputs),
        model=model.architecture,
        size=model.size,
        n_train=record.data.split_counts.get("train", 0),
        n_test=n_test,
        metric=None if value is None else metric_answer(record.primary_metric, value),
        temperature=model.temperature,
        conformal=conformal_answer(model.conformal),
        heat_maps=heat_maps,
        about=[
            _what(record, model),
            *([] if value is None else _how_sure(record.primary_metric, value, n_test)),
            *_sets(model),
            *_unknown(model),
        ],
        limits=limits_answer(limits),
        version=__version__,
    )


def _what(record: RunRecord, model: ModelRecord) -> str:
    n_train = count(record.data.split_counts.get("train", 0))
    n = len(model.outputs)
    task = ONE[model.task] if n == 1 and model.task in ONE else TASKS[model.task].format(n=count(n))
    return (
        f"{task} It is {model.architecture}, fine-tuned on {n_train} pictures, and sees each at "
        f"{model.size[1]} × {model.size[0]} pixels."
    )


def _how_sure(name: str, value: Interval, n_test: int) -> list[str]:
    """Say what the metric means for pictures like the test pictures."""
    if value.value is None:
        return []
    limits = interval(name, value)
    if name in {"accuracy", "balanced_accuracy"}:
        each = ", each class counting the same" if name == "balanced_accuracy" else ""
        found = (
            f"Of 100 pictures like its {count(n_test)} test pictures it names about {100 * value.value:.0f} right{each}"
        )
    else:
        found = f"Its {METRIC_NAMES[name]} on {count(n_test)} test pictures is {figure(name, value.value)}"
    sentences = [f"{found} (95% interval {limits})." if limits else f"{found}."]
    if n_test < SMALL_TEST:
        sentences.append("That is few: the figure could be quite different on others.")
    return sentences


def _sets(model: ModelRecord) -> list[str]:
    if model.conformal is None:
        return []
    share = f"{100 * model.conformal.level:.0f} of 100"
    if model.task == "regression":
        return [f"The interval around a value holds the true one in at least {share} cases."]
    return [f"The set beside a prediction holds the true class in at least {share} cases."]


def _unknown(model: ModelRecord) -> list[str]:
    """Say what no metric tells: a network answers for every picture, also for those it cannot know."""
    if model.task != "classification":
        return []
    word = OUTPUT_WORDS[model.task]
    return [f"It knows no other {word}: of a picture of something else it still names one of these."]
