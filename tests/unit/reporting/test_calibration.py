"""What the report and the methods paragraph say of calibrated probabilities and prediction sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from unfreeze.records import (
    CalibrationRecord,
    ConformalRecord,
    Interval,
    ModelRecord,
    RunMetrics,
    RunRecord,
    TaskName,
    TrainOptions,
    read_json,
    write_json,
)
from unfreeze.reporting import write_methods, write_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GROUPED = TrainOptions(group="patient", conformal=0.9)


def figures(log_loss: float, ece: float) -> RunMetrics:
    sides = {"log_loss": log_loss, "ece": ece}
    found = {name: Interval(value=value, low=None, high=None) for name, value in sides.items()}
    return RunMetrics(val=found, test=found)


def told(run: Path, reason: Any, *, temperature: float = 1.0, conformal: ConformalRecord | None = None) -> str:
    """Return the methods paragraph of a run that was calibrated; the report must say the same of it."""
    record = read_json(run / "run.json", RunRecord)
    done = CalibrationRecord(
        temperature=temperature, reason=reason, n_images=60, before=figures(0.5, 0.1), after=figures(0.4, 0.05)
    )
    write_json(run / "run.json", msgspec.structs.replace(record, calibration=done))
    model = read_json(run / "model.json", ModelRecord)
    write_json(run / "model.json", msgspec.structs.replace(model, temperature=temperature, conformal=conformal))
    return write_methods(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_temperature_is_told_with_what_it_did(make_run: Callable[..., Path], task: TaskName) -> None:
    run = make_run(task)
    text = told(run, "fitted", temperature=1.3456)
    said = "log loss from 0.500 to 0.400 and calibration error from 0.100 to 0.050"
    assert "temperature of 1.35, fitted by log loss (Guo et al. 2017) on the 60 validation pictures" in text
    assert said in text
    assert text.count("Guo, C.") == 1
    assert said in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reason", "why"), [("few", "60 validation pictures are too few"), ("no_gain", "beyond chance")]
)
def test_probabilities_that_were_left_alone_are_told_with_the_reason(
    make_run: Callable[..., Path], reason: str, why: str
) -> None:
    run = make_run()
    text = told(run, reason)
    assert "Probabilities are the network's own" in text
    assert why in text
    assert "Probabilities were not calibrated afterwards" in text
    assert why in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "what", "who"),
    [("classification", "sets of classes", "Sadinle, M."), ("regression", "intervals (of one width", "Lei, J.")],
)
def test_prediction_sets_are_told_with_their_limits(
    make_run: Callable[..., Path], task: TaskName, what: str, who: str
) -> None:
    run = make_run(task, config=GROUPED)
    text = told(run, "no_gain", conformal=ConformalRecord(level=0.9, thresholds=(0.4,) * 3, n_images=60))
    assert f"Prediction {what}" in text
    assert "hold the truth in 0.9 of all cases" in text
    assert "each patient counting as one (Lee et al. 2023)" in text
    assert "they promise it on average, not for each class" in text
    assert who in text
    assert "Lee, Y." in text
