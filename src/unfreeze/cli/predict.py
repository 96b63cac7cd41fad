"""`unfreeze predict`: what a run's network says of pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import MACHINE, OUTPUT, CacheFlags, JsonFlag, WholeNumber, options_from
from unfreeze.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from unfreeze.predicting import PictureFiles, Predictor, Row, Tally
    from unfreeze.records import ModelRecord

__all__ = ["predict_command"]

N_SCORES_SHOWN = 3
N_ROWS_SHOWN = 50
N_DECISIONS_SHOWN = 10


def predict_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    images: Annotated[tuple[str, ...], Parameter(help="Pictures, folders (searched through) or globs.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(group=OUTPUT, help="Write a table (.csv, .parquet) or JSON (.json, .jsonl) instead of printing."),
    ] = None,
    resume: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Go on with an --out that was interrupted.", show_default=False),
    ] = False,
    heatmaps: Annotated[
        Path | None,
        Parameter(group=OUTPUT, help="A directory for a heat map of each picture: where it speaks for its class."),
    ] = None,
    batch_size: Annotated[WholeNumber, Parameter(group=MACHINE, help="Pictures that are computed together.")] = 32,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Parameter(group=MACHINE, help="Where to compute. [default: auto]")
    ] = "auto",
    engine: Annotated[
        Literal["auto", "openvino", "compile", "eager"],
        Parameter(
            group=MACHINE,
            help="What computes the network; auto is the fastest that agrees with PyTorch. [default: auto]",
        ),
    ] = "auto",
    flags: Annotated[CacheFlags | None, Parameter(name="*")] = None,
    json: JsonFlag = False,
) -> Answer:
    """Predict pictures with a run's network.

    A picture that cannot be read is reported and passed over.
    """
    if resume and out is None:
        raise ConfigError("--resume needs --out: the table to go on with.")
    from unfreeze.predicting import check_out

    if out is not None:
        check_out(out)  # before torch is loaded
    from unfreeze.cli.prediction_progress import watching_predictions
    from unfreeze.predicting import Predictor, check_batch_size, check_heat_maps, check_journal, predict_table

    check_batch_size(batch_size)
    files = _files_of_run(run, images)
    if heatmaps is not None:
        check_heat_maps(heatmaps, files)
    if out is not None:
        check_journal(run, out, resume=resume, heat_maps=heatmaps is not None)
    place = options_from(flags or {})
    predictor = Predictor.open(run, engine=engine, device=device, batch_size=batch_size, **place)
    with watching_predictions(files) as watch:
        if out is None:
            return _printed(run, predictor, files, heatmaps, watch, as_json=json)
        tally = predict_table(predictor, run, files, out, resume=resume, heat_maps=heatmaps, watch=watch)
    notes = _notes(tally, predictor)
    return Answer(
        as_json=json,
        payload={**_counts(run, tally), "out": str(out), "unreadable": tally.errors, "notes": notes},
        shown=[f"{tally.n_predicted} predictions written to {out}", *_summary(tally), *_shown_notes(notes)],
    )


def _files_of_run(run: Path, images: Sequence[str]) -> "PictureFiles":
    """Return the pictures; that the run can predict them at all is said before what is wrong with them."""
    from unfreeze.predicting import PictureFiles
    from unfreeze.training.directory import read_finished

    read_finished(run)
    return PictureFiles(images)


def _printed(
    run: Path,
    predictor: "Predictor",
    files: "PictureFiles",
    heatmaps: Path | None,
    watch: Any,
    *,
    as_json: bool,
) -> Answer:
    """Predict, and keep what will be printed: all rows as JSON, or the first ones."""
    from unfreeze.predicting import Tally, predict_rows

    tally, first, encoded = Tally(), list[Any](), list[msgspec.Raw]()
    try:
        for row in predict_rows(predictor, files, tally, heat_maps=heatmaps, watch=watch):
            if as_json:
                encoded.append(msgspec.Raw(msgspec.json.encode(row)))
            elif row["error"] is None and len(first) < N_ROWS_SHOWN:
                first.append(row)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "Interrupted. With --out, predictions are kept as they come, and --resume goes on."
        ) from None
    notes = _notes(tally, predictor)
    n_more = tally.n_predicted - len(first)
    more = [f"… and {n_more} more: --out predictions.csv writes all of them."] if n_more else []
    return Answer(
        as_json=as_json,
        payload={**_counts(run, tally), "predictions": encoded, "notes": notes},
        shown=[_table(first, predictor.model_record), *more, *(_summary(tally) if more else []), *_shown_notes(notes)],
    )


def _counts(run: Path, tally: "Tally") -> dict[str, Any]:
    from unfreeze.data.listing import escape_name

    return {"run": escape_name(str(run)), "n_images": tally.n, "n_unreadable": tally.n_unreadable}


def _summary(tally: "Tally") -> list[str]:
    """Say how often each class or label was predicted, the most frequent first."""
    most = tally.decided.most_common(N_DECISIONS_SHOWN)
    rest = len(tally.decided) - len(most)
    named = ", ".join(f"{name} {n}" for name, n in most)
    return [f"Predicted: {named}{f' and {rest} others' if rest else ''}."] if most else []


def _notes(tally: "Tally", predictor: "Predictor") -> list[str]:
    n_more = tally.n_unreadable - len(tally.errors)
    more = [f"{n_more} more pictures cannot be read: {tally.n_unreadable} of {tally.n} in all."] if n_more else []
    return [*predictor.notes, *tally.errors, *more]


def _shown_notes(notes: Sequence[str]) -> list[str]:
    return [f"note: {note}" for note in notes]


def _table(rows: Sequence["Row"], record: "ModelRecord") -> TableOf:
    from unfreeze.predicting import TableColumns, decision_text, set_text

    probabilities, has_sets = record.task != "regression", TableColumns.of(record).has_sets
    columns = [Column(title="file"), Column(title="prediction")]
    columns += [Column(title="most likely")] if probabilities else []
    columns += [Column(title="set" if probabilities else "interval")] if has_sets else []
    cells = []
    for row in rows:
        best = sorted(row["scores"].items(), key=lambda item: -item[1])[:N_SCORES_SHOWN]
        shown = [", ".join(f"{name} {score:.3f}" for name, score in best)] if probabilities else []
        shown += [set_text(row)] if has_sets else []
        cells.append([row["file"], decision_text(row["prediction"]), *shown])
    return TableOf(columns=columns, rows=cells)
