"""`unfreeze predict`: what a run's network says of pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import OUTPUT, JsonFlag, WholeNumber
from unfreeze.errors import ConfigError, DataError
from unfreeze.records import write_text

if TYPE_CHECKING:
    from unfreeze.evaluation import Prediction

__all__ = ["predict_command"]

N_SCORES_SHOWN = 3


def predict_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    images: Annotated[tuple[str, ...], Parameter(help="Pictures, folders (searched through) or globs.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Write a table (.csv) or JSON (.json) instead of printing.")
    ] = None,
    batch_size: Annotated[WholeNumber, Parameter(group=OUTPUT, help="Pictures that are computed together.")] = 32,
    json: JsonFlag = False,
) -> Answer:
    """Predict pictures with a run's network.

    A picture that cannot be read is reported and passed over.
    """
    _check(out, batch_size)
    import unfreeze as uf

    found = uf.load(run).predict(images, batch_size=batch_size)
    unreadable = [prediction for prediction in found if prediction.error is not None]
    if len(unreadable) == len(found):
        raise DataError("None of the pictures can be read: " + "; ".join(_error_text(p) for p in unreadable[:3]))
    rows = [_payload(prediction) for prediction in found]
    payload = {"run": str(run), "n_images": len(found), "n_unreadable": len(unreadable), "predictions": rows}
    notes = [f"note: {_error_text(prediction)}" for prediction in unreadable]
    if out is None:
        return Answer(as_json=json, payload=payload, shown=[_table(found), *notes])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, msgspec.json.encode(payload).decode() + "\n" if out.suffix == ".json" else _csv(found))
    n_predicted = len(found) - len(unreadable)
    return Answer(
        as_json=json,
        payload={**payload, "out": str(out)},
        shown=[f"{n_predicted} predictions written to {out}", *notes],
    )


def _check(out: Path | None, batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1, but got {batch_size}.")
    if out is None:
        return
    if out.suffix not in {".csv", ".json"}:
        raise ConfigError(f'--out must end in .csv or .json, but got "{out}".')
    if out.is_dir():
        raise ConfigError(f'--out "{out}" is a directory; name a file in it.')


def _payload(prediction: "Prediction") -> dict[str, Any]:
    return {
        "file": prediction.file,
        "prediction": prediction.prediction,
        "scores": dict(prediction.scores),
        **({} if prediction.classes is None else {"set": prediction.classes}),
        **({} if prediction.intervals is None else {"intervals": dict(prediction.intervals)}),
        "error": prediction.error,
    }


def _error_text(prediction: "Prediction") -> str:
    error = prediction.error or ""
    return error if prediction.file in error else f"{prediction.file}: {error}"


def _decision_text(prediction: "Prediction") -> str:
    decision = prediction.prediction
    if decision is None:
        return ""
    if isinstance(decision, str):
        return decision
    if isinstance(decision, Mapping):
        return ", ".join(f"{name}={value:.6g}" for name, value in decision.items())
    if isinstance(decision, Sequence):
        from unfreeze.evaluation import join_labels

        joined: str = join_labels(decision)
        return joined
    return f"{decision:.6g}"


def _is_probabilities(found: Sequence["Prediction"]) -> bool:
    """Tell whether scores are probabilities; those of a regression are the predicted values again."""
    decided = next(prediction.prediction for prediction in found if prediction.error is None)
    return isinstance(decided, str | tuple)


def _table(found: Sequence["Prediction"]) -> TableOf:
    probabilities = _is_probabilities(found)
    columns = [Column(title="file"), Column(title="prediction")]
    columns += [Column(title="most likely")] if probabilities else []
    columns += [Column(title="set" if probabilities else "interval")] if _is_conformal(found) else []
    rows = []
    for prediction in found:
        if prediction.error is not None:
            continue
        best = sorted(prediction.scores.items(), key=lambda item: -item[1])[:N_SCORES_SHOWN]
        shown = [", ".join(f"{name} {score:.3f}" for name, score in best)] if probabilities else []
        shown += [_set_text(prediction)] if _is_conformal(found) else []
        rows.append([prediction.file, _decision_text(prediction), *shown])
    return TableOf(columns=columns, rows=rows)


def _is_conformal(found: Sequence["Prediction"]) -> bool:
    """Tell whether the run has prediction sets or intervals."""
    readable = next(prediction for prediction in found if prediction.error is None)
    return readable.classes is not None or readable.intervals is not None


def _set_text(prediction: "Prediction") -> str:
    """Return the prediction set, or the interval of each target, as text."""
    from unfreeze.evaluation import join_labels

    if prediction.classes is not None:
        joined: str = join_labels(prediction.classes)
        return joined
    ends = {name: f"{low:.6g} to {high:.6g}" for name, (low, high) in (prediction.intervals or {}).items()}
    return ", ".join(ends.values() if len(ends) == 1 else (f"{name} {text}" for name, text in ends.items()))


def _csv(found: Sequence["Prediction"]) -> str:
    """Return the predictions as a table: file, prediction, set or interval, a column for each score, and error."""
    names = list(next(prediction.scores for prediction in found if prediction.error is None))
    columns = {
        "file": [prediction.file for prediction in found],
        **(_class_columns(found, names) if _is_probabilities(found) else _value_columns(found, names)),
        "error": [prediction.error or "" for prediction in found],
    }
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _class_columns(found: Sequence["Prediction"], names: Sequence[str]) -> dict[str, list[str]]:
    columns = {"prediction": [_decision_text(prediction) for prediction in found]}
    if _is_conformal(found):
        columns["set"] = [_set_text(prediction) for prediction in found]
    for name in names:
        columns[f"prob:{name}"] = [_number(prediction.scores.get(name)) for prediction in found]
    return columns


def _value_columns(found: Sequence["Prediction"], names: Sequence[str]) -> dict[str, list[str]]:
    columns = {}
    for name in names:
        of = f":{name}" if len(names) > 1 else ""  # one target: its value is the prediction
        columns[f"prediction{of}"] = [_number(prediction.scores.get(name)) for prediction in found]
        if _is_conformal(found):
            ends = [(prediction.intervals or {}).get(name, (None, None)) for prediction in found]
            columns[f"low{of}"] = [_number(low) for low, _ in ends]
            columns[f"high{of}"] = [_number(high) for _, high in ends]
    return columns


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"
