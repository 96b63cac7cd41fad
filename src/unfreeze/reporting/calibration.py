"""What calibration did to probabilities and predictions, in words: for the report and for the methods paragraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfreeze.reporting.wording import METRIC_NAMES, count, figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unfreeze.records import RunRecord
    from unfreeze.reporting.contents import Contents

__all__ = ["calibration_limits", "calibration_methods", "calibration_references", "calibration_sentence"]


def calibration_sentence(record: RunRecord) -> str:
    """Return what was done to the probabilities, and what came of it; empty where a run says nothing of it."""
    done = record.calibration
    if done is None:
        return ""
    if done.reason == "few":
        n = count(done.n_images)
        return f"Probabilities are the network's own: {n} validation pictures are too few to calibrate them."
    if done.reason == "no_gain":
        return "Probabilities are the network's own: by validation, no temperature improves them beyond chance."
    changes = [
        f"{METRIC_NAMES[name]} from {figure(name, before.value)} to {figure(name, done.after.test[name].value)}"
        for name, before in done.before.test.items()
    ]
    return (
        f"Probabilities are calibrated: the logits are divided by a temperature of {done.temperature:.3g}, fitted on "
        f"the {count(done.n_images)} validation pictures. On test this took {' and '.join(changes)}."
    )


def calibration_methods(contents: Contents) -> Iterator[str]:
    """Return the sentences of the methods paragraph."""
    said, record = calibration_sentence(contents.record), contents.record
    if said:
        yield said.replace("fitted on", "fitted by log loss (Guo et al. 2017) on")
    conformal = contents.model.conformal if contents.model is not None else None
    if conformal is None:
        return
    what = (
        "sets of classes (the predicted one and all above a least probability; after Sadinle et al. 2019)"
        if contents.task == "classification"
        else "intervals (of one width around the predicted values; Lei et al. 2018)"
    )
    group = record.config.group
    by = f", each {group} counting as one (Lee et al. 2023)" if group else ""
    yield (
        f"Prediction {what} were calibrated to hold the truth in {conformal.level:.4g} of all cases by split conformal "
        f"prediction on the {count(conformal.n_images)} validation pictures{by}."
    )


def calibration_limits(contents: Contents) -> Iterator[str]:
    """Return what calibrated figures do not say."""
    done = contents.record.calibration
    if contents.task == "classification":
        bins = "expected calibration error depends on its 15 bins."
        if done is not None and done.reason == "fitted":
            yield f"The temperature was fitted on the pictures on which the best epoch was chosen; {bins}"
        else:
            yield f"Probabilities were not calibrated afterwards; {bins}"
    if contents.model is not None and contents.model.conformal is not None:
        yield (
            "Prediction sets or intervals were calibrated on the pictures on which the best epoch was chosen, and may "
            "hold the truth a little less often than they promise; they promise it on average, not for each class, and "
            "only for pictures from where the validation pictures came."
        )


def calibration_references(contents: Contents) -> Iterator[str]:
    """Return the keys of the works that `calibration_methods` names."""
    if contents.record.calibration is not None and contents.record.calibration.reason == "fitted":
        yield "ece"
    if contents.model is None or contents.model.conformal is None:
        return
    yield "lac" if contents.task == "classification" else "conformal"
    if contents.record.config.group:
        yield "conformal-groups"
