"""Predict any number of pictures: one after another, or into a table that can be interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.backbones.saving import MODEL_FILE, TENSORS_FILE
from unfreeze.data.listing import escape_name
from unfreeze.errors import ConfigError, DataError, FailedError, InterruptedRunError
from unfreeze.predicting.destinations import check_heat_maps, check_out
from unfreeze.predicting.heat_maps import with_heat_maps
from unfreeze.predicting.journal import Journal, journal_path
from unfreeze.predicting.rows import TableColumns, row_of
from unfreeze.predicting.tables import write_table
from unfreeze.predicting.tally import Tally

if TYPE_CHECKING:
    from unfreeze.evaluation import Prediction
    from unfreeze.predicting.predictor import Predictor
    from unfreeze.predicting.rows import Row
    from unfreeze.predicting.sources import PictureFiles

__all__ = ["check_journal", "predict_rows", "predict_table"]

Watch = Callable[[Tally], None]


def predict_rows(
    predictor: Predictor,
    files: PictureFiles,
    tally: Tally,
    *,
    heat_maps: Path | None = None,
    watch: Watch = lambda _: None,
) -> Iterator[Row]:
    """Iterate over the rows of pictures; nothing is kept.

    Args:
        predictor: what predicts.
        files: the pictures.
        tally: counts them.
        heat_maps: a directory for a heat map of each picture.
        watch: told the counts after each picture.

    Raises:
        ConfigError, ModelError: heat maps cannot be drawn, or not there.
        DataError: when all are done: none of them could be read.
        FailedError: a heat map cannot be written.
    """
    if heat_maps is not None:
        check_heat_maps(heat_maps, files)
    try:
        for row in _rows(predictor, iter(files), heat_maps, first=1):
            tally.add(row)
            watch(tally)
            yield row
    except OSError as error:
        raise FailedError(f"Could not go on: {error}.") from error
    _check_readable(tally)


def predict_table(
    predictor: Predictor,
    run: Path,
    files: PictureFiles,
    out: Path,
    *,
    resume: bool = False,
    heat_maps: Path | None = None,
    watch: Watch = lambda _: None,
) -> Tally:
    """Predict pictures into a table, which appears when it is complete; see `unfreeze.predicting.journal`.

    Args:
        predictor: what predicts.
        run: the run that it was opened from.
        files: the pictures.
        out: .csv, .parquet, .json or .jsonl.
        resume: go on with what an interrupted call has left beside `out`, if it has left anything.
        heat_maps: a directory for a heat map of each picture.
        watch: told the counts after each picture.

    Raises:
        ConfigError: `out` cannot be a table, there are rows of an interrupted one and nobody asked to go on with them,
            or the table is complete and somebody did; or heat maps cannot be drawn, or not there, or not for some rows
            only.
        DataError: none of the pictures can be read, or they are not those of the interrupted table.
        FailedError: there is no room for more, or the like; the rows so far are kept.
        InterruptedRunError: Ctrl-C or SIGTERM; the rows so far are kept.
        RunError: the rows are of another network.
    """
    check_out(out)
    if heat_maps is not None:
        check_heat_maps(heat_maps, files)
    tally = Tally()
    with _journal(run, out, resume=resume, heat_maps=heat_maps is not None) as journal:
        try:
            source = iter(files)
            for row in journal.rows():
                _check_same(row, next(source, None), journal.path)
                tally.add(row, kept=True)
            for row in _rows(predictor, source, heat_maps, first=tally.n + 1):
                journal.append(row)
                tally.add(row)
                watch(tally)
            if not tally.n_predicted:
                journal.discard()
            _check_readable(tally)
            about = {"run": escape_name(str(run)), "n_images": tally.n, "n_unreadable": tally.n_unreadable}
            write_table(out, journal, TableColumns.of(predictor.model_record), about=about)
        except KeyboardInterrupt:
            raise InterruptedRunError(f"Interrupted. {_kept(tally, journal.path)}") from None
        except OSError as error:
            raise FailedError(f"Could not go on: {error}. {_kept(tally, journal.path)}") from error
        journal.discard()
    return tally


def check_journal(run: Path, out: Path, *, resume: bool, heat_maps: bool) -> None:
    """Raise what `predict_table` would raise because of what is there already, without a network being loaded."""
    if journal_path(out).exists():  # else there are no rows to compare the network with, whose weights are hashed
        _journal(run, out, resume=resume, heat_maps=heat_maps).check()
    else:
        _check_incomplete(out, resume=resume)


def _journal(run: Path, out: Path, *, resume: bool, heat_maps: bool) -> Journal:
    _check_incomplete(out, resume=resume)
    return Journal(journal_path(out), network=_network_key(run), heat_maps=heat_maps, resume=resume)


def _check_incomplete(out: Path, *, resume: bool) -> None:
    if resume and out.exists() and not journal_path(out).exists():
        raise ConfigError(f'"{out}" is complete. To make it anew, leave --resume out.')


def _rows(predictor: Predictor, files: Iterator[Path], heat_maps: Path | None, *, first: int) -> Iterator[Row]:
    predictions: Iterator[Prediction] = predictor.stream(files)
    if heat_maps is not None:
        predictions = with_heat_maps(predictor, predictions, heat_maps, first=first)
    return map(row_of, predictions)


def _kept(tally: Tally, journal: Path) -> str:
    if not tally.n:
        return "Nothing was predicted yet."
    return f'The {tally.n} rows so far are kept in "{journal}"; go on by the same command with --resume.'


def _check_readable(tally: Tally) -> None:
    if not tally.n_predicted:
        raise DataError("None of the pictures can be read: " + "; ".join(tally.errors))


def _check_same(row: Row, path: Path | None, journal: Path) -> None:
    """Raise DataError if the next picture is not the next row's."""
    name = None if path is None else escape_name(str(path))
    if name != row["file"]:
        found = "there are no more pictures" if name is None else f'there is "{name}"'
        raise DataError(
            f'The pictures are not those of the rows in "{journal}": where these have "{row["file"]}", {found}. '
            "Give the same pictures, or delete the file and begin anew."
        )


def _network_key(run: Path) -> str:
    """Return the sha256 of a network's weights and its record."""
    digest = hashlib.sha256()
    for name in (MODEL_FILE, TENSORS_FILE):
        with (run / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
