"""What the end of a training says: how good it is, what it mixes up, where the time went, what to do next."""

import shlex
from collections.abc import Mapping
from typing import Any

from unfreeze.cli.wording import metrics_text, time_text
from unfreeze.evaluation import read_predictions, worst_confusions, worst_mistakes
from unfreeze.evaluation.predictions import Predictions
from unfreeze.records import ModelRecord, Timing, read_json, to_builtins
from unfreeze.run import Run

__all__ = ["outcome_payload", "outcome_text"]

N_SHOWN = 2


def outcome_payload(run: Run) -> dict[str, Any]:
    """Return a finished training for scripts."""
    return {
        "run": str(run.path),
        "primary_metric": run.record.primary_metric,
        "metrics": to_builtins(run.metrics),
        "worst": _worst(run)[0],
        "timing": to_builtins(run.record.timing),
        "notes": list(run.record.notes),
        "next": _next_command(run),
    }


def outcome_text(run: Run) -> list[str]:
    """Return a finished training for people."""
    n_test = run.record.data.split_counts["test"]
    lines = [f"On {n_test} test pictures, with 95% intervals:"]
    lines += metrics_text(run.metrics.test, first=run.record.primary_metric)
    worst = _worst(run)[1]
    if worst:
        lines += ["", "Worst on test:", *(f"  {line}" for line in worst)]
    return [
        *lines,
        "",
        f"Time:   {_timing_text(run.record.timing)}.",
        f"Run:    {run.path}",
        f"Report: {run.path / 'report.html'}",
        f"Next:   {_next_command(run)}",
    ]


def _worst(run: Run) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the worst confusions or mistakes on test, for scripts and for people."""
    task = read_json(run.path / "model.json", ModelRecord).task
    predictions = read_predictions(run.path / "predictions.csv", task=task, outputs=run.record.classes).of("test")
    if predictions.truth is None or not len(predictions):
        return [], []
    if task == "classification":
        truth, predicted = predictions.shown(predictions.truth), predictions.shown(predictions.predicted)
        found = worst_confusions(truth, predicted, n=N_SHOWN)
        return (
            [to_builtins(confusion) for confusion in found],
            [f'"{c.truth}" taken for "{c.prediction}": {c.count} of {c.n_truth} pictures' for c in found],
        )
    if task == "multilabel":
        return _worst_labels(predictions)
    mistakes = worst_mistakes(predictions, n=N_SHOWN)
    return (
        [to_builtins(mistake) for mistake in mistakes],
        [f"{mistake.file}: {mistake.prediction} instead of {mistake.truth}" for mistake in mistakes],
    )


def _worst_labels(predictions: Predictions) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the labels that are missed or wrongly found most often."""
    assert predictions.truth is not None
    has, says = predictions.truth > 0, predictions.predicted > 0
    missed, extra, n_truth = (has & ~says).sum(axis=0), (says & ~has).sum(axis=0), has.sum(axis=0)
    worst = [int(k) for k in (-(missed + extra)).argsort(kind="stable")[:N_SHOWN] if missed[k] + extra[k]]
    names = predictions.outputs
    return (
        [
            {"label": names[k], "missed": int(missed[k]), "wrongly_found": int(extra[k]), "n_truth": int(n_truth[k])}
            for k in worst
        ],
        [f'"{names[k]}" missed {missed[k]} of {n_truth[k]} times, wrongly found {extra[k]} times' for k in worst],
    )


def _timing_text(timing: Timing) -> str:
    parts = {
        "reading pictures": timing.scan_seconds,
        "loading the network": timing.load_seconds,
        "the frozen part": timing.prefix_seconds,
        "training": timing.train_seconds,
        "evaluating": timing.evaluate_seconds,
    }
    spent = ", ".join(f"{name} {time_text(seconds)}" for name, seconds in parts.items() if seconds)
    return f"{time_text(timing.total_seconds)} in all ({spent})"


def _next_command(run: Run) -> str:
    return f"unfreeze predict {shlex.quote(str(run.path))} PICTURES"
