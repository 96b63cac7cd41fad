"""Tables of predictions: whole or not at all, interrupted at any moment and gone on with, in four forms."""

from __future__ import annotations

import csv
import json
import os
import resource
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import unfreeze as uf
from unfreeze.errors import ConfigError, DataError, FailedError, InterruptedRunError, RunError
from unfreeze.predicting import PictureFiles, Predictor, TableColumns, predict_table
from unfreeze.predicting.journal import Journal, journal_path
from unfreeze.predicting.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from unfreeze.predicting import Tally


def interrupt_after(n: int) -> Callable[[Tally], None]:
    """Return what presses Ctrl-C when n pictures have been predicted."""

    def watch(tally: Tally) -> None:
        if tally.n == n:
            raise KeyboardInterrupt

    return watch


@pytest.fixture
def limit_files() -> Iterator[Callable[[int], None]]:
    """`limit_files(n_bytes)`: from now on no file of this process grows beyond it, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Interrupted(PictureFiles):
    """Pictures before whose first one somebody presses Ctrl-C."""

    def __iter__(self) -> Iterator[Path]:
        raise KeyboardInterrupt


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def values_in(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table in any form, their numbers as such."""
    match path.suffix:
        case ".csv":
            rows = csv_rows(path)
            return [
                {name: float(value) if name.startswith("prob:") and value else value for name, value in row.items()}
                for row in rows
            ]
        case ".parquet":
            return pl.read_parquet(path).to_dicts()
        case ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))["predictions"]
        case _:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row.pop("scores") | row | {"set": "|".join(row.get("set") or [])} for row in rows]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a table is to be, in a folder of its own."""
    return tmp_path / "tables" / "p.csv"


def test_all_forms_say_the_same(predictor: Predictor, run: Path, pictures: Path, out: Path) -> None:
    files = PictureFiles([pictures])
    paths = [out.with_suffix(suffix) for suffix in (".csv", ".parquet", ".json", ".jsonl")]
    for path in paths:
        tally = predict_table(predictor, run, files, path)
        assert (tally.n, tally.n_unreadable, tally.n_predicted, len(tally.errors)) == (23, 6, 17, 5)
    assert left_in(out.parent) == ["p.csv", "p.json", "p.jsonl", "p.parquet"], "and nothing half-written"

    rows, frame = csv_rows(paths[0]), pl.read_parquet(paths[1])
    content = json.loads(paths[2].read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in paths[3].read_text(encoding="utf-8").splitlines()]
    columns = ["file", "prediction", "set", "prob:cat", "prob:dog", "error"]
    assert list(rows[0]) == frame.columns == columns
    assert content["predictions"] == lines
    assert (content["run"], content["n_images"], content["n_unreadable"]) == (str(run), 23, 6)
    assert [row["file"] for row in rows] == [str(file) for file in files]
    for row, values, line in zip(rows, frame.to_dicts(), lines, strict=True):
        assert row["file"] == values["file"] == line["file"]
        assert row["error"] == (values["error"] or "") == (line["error"] or "")
        assert row["prediction"] == (values["prediction"] or "") == (line["prediction"] or "")
        if line["error"] is None:
            assert float(row["prob:cat"]) == pytest.approx(line["scores"]["cat"], rel=1e-6)
            assert values["prob:cat"] == line["scores"]["cat"]
            assert row["set"].split("|") == line["set"]
        else:
            assert row["prob:cat"] == ""
            assert values["prob:cat"] is None


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
@pytest.mark.parametrize("n", [1, 4, 17, 23])
def test_an_interrupted_table_goes_on_and_is_the_one_that_was_never_interrupted(
    predictor: Predictor, run: Path, pictures: Path, out: Path, suffix: str, n: int
) -> None:
    files, path, whole = PictureFiles([pictures]), out.with_suffix(suffix), out.with_name(f"whole{suffix}")
    predict_table(predictor, run, files, whole)
    with pytest.raises(InterruptedRunError, match=rf'The {n} rows so far are kept in ".*p\{suffix}.partial"; go on'):
        predict_table(predictor, run, files, path, watch=interrupt_after(n))
    assert not path.exists()
    assert left_in(out.parent) == [f"p{suffix}.partial", f"whole{suffix}"]
    seen: list[int] = []
    tally = predict_table(predictor, run, files, path, resume=True, watch=lambda counts: seen.append(counts.n))
    assert (tally.n, tally.n_kept, tally.n_unreadable) == (23, n, 6)
    assert seen == list(range(n + 1, 24)), "what was done is not done again"
    assert left_in(out.parent) == [f"p{suffix}", f"whole{suffix}"]
    for one, other in zip(values_in(path), values_in(whole), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("torn", [b'{"file":"x', b"{}garbage\n", b"\0\0\0\0\n", b'{"file"'])
def test_a_torn_last_line_is_dropped(predictor: Predictor, run: Path, pictures: Path, out: Path, torn: bytes) -> None:
    files = PictureFiles([pictures])
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, watch=interrupt_after(7))
    with journal_path(out).open("ab") as file:
        file.write(torn)
    tally = predict_table(predictor, run, files, out, resume=True)
    assert tally.n_kept == 7
    assert [row["file"] for row in csv_rows(out)] == [str(file) for file in files]


def test_a_journal_cut_at_any_byte_has_its_complete_rows(tmp_path: Path) -> None:
    path, rows = tmp_path / "j", [{"file": 'a,\n"b".png'}, {"file": "ü"}]
    with Journal(path, network="n", resume=False) as journal:
        for row in rows:
            journal.append(row)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 3, "a head and two rows"
    for n in range(len(whole) + 1):
        path.write_bytes(whole[:n])
        with Journal(path, network="n", resume=True) as journal:
            assert list(journal.rows()) == rows[: max(0, sum(end <= n for end in ends) - 1)]
            journal.append({"file": "last"})
            assert list(journal.rows())[-1] == {"file": "last"}


def test_a_table_is_not_begun_anew_over_rows_that_are_kept(
    predictor: Predictor, run: Path, pictures: Path, out: Path
) -> None:
    files = PictureFiles([pictures])
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, watch=interrupt_after(5))
    kept = journal_path(out).read_bytes()
    with pytest.raises(ConfigError, match="Go on with it by --resume, or delete it"):
        predict_table(predictor, run, files, out)
    assert journal_path(out).read_bytes() == kept


def test_other_pictures_or_another_network_are_not_gone_on_with(
    predictor: Predictor, run: Path, pictures: Path, out: Path, tmp_path: Path
) -> None:
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, PictureFiles([pictures]), out, watch=interrupt_after(5))
    kept = journal_path(out).read_bytes()
    with pytest.raises(DataError, match=r'have ".*00.png", there is ".*01.png"'):
        predict_table(predictor, run, PictureFiles([pictures / "01.png"]), out, resume=True)
    with pytest.raises(DataError, match="there are no more pictures"):
        predict_table(predictor, run, PictureFiles([pictures / "00.png"]), out, resume=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.json").write_bytes(b"another")
    (other / "model.safetensors").write_bytes(b"another")
    with pytest.raises(RunError, match="are of another network"):
        predict_table(predictor, other, PictureFiles([pictures]), out, resume=True)
    assert journal_path(out).read_bytes() == kept
    journal_path(out).write_text("my notes\n", encoding="utf-8")
    with pytest.raises(RunError, match="was not written by this unfreeze"):
        predict_table(predictor, run, PictureFiles([pictures]), out, resume=True)
    assert journal_path(out).read_text(encoding="utf-8") == "my notes\n"


def test_resuming_begins_where_nothing_was_left_and_refuses_where_all_is_done(
    predictor: Predictor, run: Path, pictures: Path, out: Path
) -> None:
    files = PictureFiles([pictures])
    with pytest.raises(InterruptedRunError, match="Nothing was predicted yet"):
        predict_table(predictor, run, Interrupted([pictures]), out)
    assert left_in(out.parent) == []
    assert predict_table(predictor, run, files, out, resume=True).n_kept == 0
    with pytest.raises(ConfigError, match="is complete"):
        predict_table(predictor, run, files, out, resume=True)


def test_where_nothing_can_be_read_nothing_is_left(predictor: Predictor, run: Path, pictures: Path, out: Path) -> None:
    with pytest.raises(DataError, match=r"None of the pictures can be read: .*03\.png"):
        predict_table(predictor, run, PictureFiles([pictures / "03.png"]), out)
    assert left_in(out.parent) == []


def test_a_kill_loses_no_row(predictor: Predictor, run: Path, pictures: Path, out: Path) -> None:
    def watch(tally: Tally) -> None:
        assert journal_path(out).read_bytes().count(b"\n") == 1 + tally.n

    predict_table(predictor, run, PictureFiles([pictures]), out, watch=watch)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
def test_the_rows_are_let_go_only_when_the_table_is_on_the_disk(
    predictor: Predictor, run: Path, pictures: Path, out: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, real_fsync = out.with_suffix(suffix), list[int](), os.fsync

    def fsync(handle: int) -> None:
        assert journal_path(path).exists()
        synced.append(os.fstat(handle).st_ino)
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    predict_table(predictor, run, PictureFiles([pictures]), path)
    assert synced == [path.stat().st_ino, out.parent.stat().st_ino]


@pytest.mark.parametrize("n_bytes", [100, 1500])
def test_a_full_disk_keeps_the_rows(
    predictor: Predictor,
    run: Path,
    pictures: Path,
    out: Path,
    n_bytes: int,
    limit_files: Callable[[int], None],
) -> None:
    files = PictureFiles([pictures])

    def fill(tally: Tally) -> None:
        if tally.n == 4:
            limit_files(n_bytes)

    with pytest.raises(FailedError, match=r"File too large.* The \d+ rows so far are kept in .*--resume"):
        predict_table(predictor, run, files, out, watch=fill)
    n_kept = journal_path(out).read_bytes().count(b"\n") - 1
    assert n_kept >= 4
    assert left_in(out.parent) == ["p.csv.partial"]
    limit_files(1 << 30)
    assert predict_table(predictor, run, files, out, resume=True).n_kept == n_kept
    assert len(csv_rows(out)) == 23


def test_a_table_for_which_there_is_no_room_keeps_the_rows_and_the_one_before(
    predictor: Predictor, run: Path, pictures: Path, out: Path, limit_files: Callable[[int], None]
) -> None:
    files = PictureFiles([pictures])
    out.parent.mkdir()
    out.write_text("the one before", encoding="utf-8")

    def fill(tally: Tally) -> None:
        if tally.n == 23:
            limit_files(100)

    with pytest.raises(FailedError, match=r"The 23 rows so far are kept in .*--resume"):
        predict_table(predictor, run, files, out, watch=fill)
    assert left_in(out.parent) == ["p.csv", "p.csv.partial"]
    assert out.read_text(encoding="utf-8") == "the one before"
    limit_files(1 << 30)
    assert predict_table(predictor, run, files, out, resume=True).n_kept == 23
    assert len(csv_rows(out)) == 23


def test_where_not_even_one_row_has_room_nothing_is_left(tmp_path: Path, limit_files: Callable[[int], None]) -> None:
    path = tmp_path / "j"
    limit_files(10)
    with (
        pytest.raises(ConfigError, match=r'j" cannot be written \(File too large\); name another --out'),
        Journal(path, network="n", resume=False),
    ):
        pass
    limit_files(1 << 30)
    with Journal(path, network="n", resume=False) as journal:
        assert list(journal.rows()) == []
    assert left_in(tmp_path) == []


def test_what_others_have_beside_a_table_is_left_alone(
    predictor: Predictor, run: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "[new] *?"
    (folder / "p.parquet.parts").mkdir(parents=True)
    (folder / "p.parquet.parts" / "mine").touch()
    (folder / "p.parquet.part").write_text("mine", encoding="utf-8")
    before = {file.name for file in folder.iterdir()}
    predict_table(predictor, run, PictureFiles([pictures]), folder / "p.parquet")
    assert {file.name for file in folder.iterdir()} == before | {"p.parquet"}
    assert (folder / "p.parquet.parts" / "mine").exists()
    assert len(pl.read_parquet(folder / "p.parquet", glob=False)) == 23


def test_a_file_whose_name_is_no_text_has_a_row_with_its_error(
    predictor: Predictor, run: Path, pictures: Path, out: Path
) -> None:
    (pictures / os.fsdecode(b"00caf\xe9.png")).write_bytes((pictures / "00.png").read_bytes())
    files = PictureFiles([pictures, *pictures.iterdir()])
    with pytest.raises(InterruptedRunError):
        predict_table(predictor, run, files, out, watch=interrupt_after(5))
    tally = predict_table(predictor, run, files, out, resume=True)
    assert (tally.n, tally.n_unreadable, tally.n_kept) == (24, 7, 5)
    strange = csv_rows(out)[1]
    assert strange["file"] == f"{pictures}/00caf\\xe9.png"
    assert strange["prediction"] == ""
    assert "not valid UTF-8" in strange["error"]


@pytest.mark.parametrize(
    "name",
    [os.fsdecode(b"caf\xe9.csv"), "file/p.csv", "/proc/none/p.csv"],
    ids=["no text", "below a file", "where nothing can be made"],
)
def test_a_table_that_cannot_be_written_is_an_error_at_once(
    predictor: Predictor, run: Path, pictures: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    before = left_in(tmp_path)
    with pytest.raises(ConfigError, match=r'--out ".*name another|--out ".* Name another'):
        predict_table(predictor, run, PictureFiles([pictures]), tmp_path / name)
    assert left_in(tmp_path) == before


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_labels_and_values_are_predicted_into_tables(
    make_image_table: Callable[..., Path], tmp_path: Path, task: str
) -> None:
    labels = {"red": [i % 2 for i in range(40)], "striped": [i // 2 % 2 for i in range(40)]}
    columns = labels if task == "multilabel" else {"weight": [float(i % 13) for i in range(40)]}
    table = make_image_table(columns)
    options: dict[str, Any] = {"task": task, "target": tuple(columns), "epochs": 1, "size": 32}
    options |= {} if task == "multilabel" else {"conformal": 0.6}
    trained = uf.train(table, out=tmp_path / "run", model="test_efficientnet", pretrained=False, **options)
    expected = {each.file: each for each in trained.predict(table.parent / "images")}
    predictor = Predictor.open(trained.path, engine="eager")
    for suffix in (".csv", ".parquet", ".json", ".jsonl"):
        out = tmp_path / f"p{suffix}"
        predict_table(predictor, trained.path, PictureFiles([table.parent / "images"]), out)
        rows = values_in(out)
        assert [row["file"] for row in rows] == list(expected)
        for row in rows:
            known = expected[row["file"]]
            assert not row["error"]
            if task == "multilabel":
                shown = row["prediction"]
                found = shown if isinstance(shown, list) else [name for name in shown.split("|") if name]
                assert found == list(known.prediction)
                prefix = "prob:" if suffix in {".csv", ".parquet"} else ""
                for name, score in known.scores.items():
                    assert row[prefix + name] == pytest.approx(score, abs=1e-5)
            else:
                assert float(row["prediction"]) == pytest.approx(known.scores["weight"], abs=1e-4)
                ends = row["intervals"]["weight"] if "intervals" in row else (float(row["low"]), float(row["high"]))
                assert ends == pytest.approx(known.intervals["weight"], abs=1e-4)


def test_two_processes_do_not_write_one_table(predictor: Predictor, run: Path, pictures: Path, out: Path) -> None:
    with (
        Journal(journal_path(out), network="n", resume=False),
        pytest.raises(ConfigError, match="Another process is writing"),
    ):
        predict_table(predictor, run, PictureFiles([pictures]), out)


@pytest.mark.parametrize(
    ("task", "outputs", "has_sets", "names"),
    [
        ("classification", ("a", "b"), True, ("file", "prediction", "set", "prob:a", "prob:b", "error")),
        ("multilabel", ("a", "b"), False, ("file", "prediction", "prob:a", "prob:b", "error")),
        ("regression", ("w",), False, ("file", "prediction", "error")),
        ("regression", ("w",), True, ("file", "prediction", "low", "high", "error")),
        (
            "regression",
            ("w", "h"),
            True,
            ("file", "prediction:w", "low:w", "high:w", "prediction:h", "low:h", "high:h", "error"),
        ),
    ],
)
def test_the_columns_follow_from_the_network(
    task: Any, outputs: tuple[str, ...], has_sets: bool, names: tuple[str, ...]
) -> None:
    columns = TableColumns(task=task, outputs=outputs, has_sets=has_sets)
    assert columns.names == names
    empty = columns.csv_cells({"file": "x", "prediction": None, "scores": {}, "error": "broken"})
    assert empty == ["x", *[""] * (len(names) - 2), "broken"]
    row: dict[str, Any] = {"file": "x", "scores": dict.fromkeys(outputs, 0.25), "prediction": 0.25, "error": None}
    if task != "regression":
        row["prediction"] = "a" if task == "classification" else ["a", "b|c"]
    if has_sets:
        row |= {"set": ["a"]} if task == "classification" else {"intervals": {name: [0, 1] for name in outputs}}
    cells = dict(zip(names, columns.csv_cells(row), strict=True))
    assert cells[columns.numbers[0]] == "0.25"
    assert cells.get("prediction", "0.25") == {"classification": "a", "multilabel": "a|b\\|c"}.get(task, "0.25")
    assert cells.get("low", "0") == "0"


def test_where_no_label_is_found_is_not_where_nothing_could_be_read(tmp_path: Path) -> None:
    columns = TableColumns(task="multilabel", outputs=("a",), has_sets=False)
    row = {"file": "x", "prediction": [], "scores": {"a": 0.1}, "error": None}
    broken = {"file": "y", "prediction": None, "scores": {}, "error": "broken"}
    assert columns.cells(row) == (["x", "", None], [0.1])
    assert columns.cells(broken) == (["y", None, "broken"], [None])
    with Journal(tmp_path / "j", network="n", resume=False) as journal:
        for each in (row, broken):
            journal.append(each)
        write_table(tmp_path / "p.parquet", journal, columns, about={})
    assert pl.read_parquet(tmp_path / "p.parquet").rows() == [("x", "", 0.1, None), ("y", None, None, "broken")]


def test_a_long_table_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unfreeze.predicting.tables.CELLS_AT_ONCE", 12)
    columns = TableColumns(task="regression", outputs=("w",), has_sets=False)
    with Journal(tmp_path / "j", network="n", resume=False) as journal:
        for number in range(10):
            journal.append({"file": f"{number}", "prediction": 1.0, "scores": {"w": number / 2}, "error": None})
        write_table(tmp_path / "p.parquet", journal, columns, about={})
    frame = pl.read_parquet(tmp_path / "p.parquet")
    assert frame["file"].to_list() == [f"{number}" for number in range(10)]
    assert frame["prediction"].to_list() == [number / 2 for number in range(10)]
    assert left_in(tmp_path) == ["j", "p.parquet"]


def test_a_score_that_is_no_number_is_kept_as_such(tmp_path: Path) -> None:
    columns = TableColumns(task="regression", outputs=("w",), has_sets=False)
    with Journal(tmp_path / "j", network="n", resume=False) as journal:
        journal.append({"file": "x", "prediction": float("nan"), "scores": {"w": float("nan")}, "error": None})
        (row,) = journal.rows()
    assert columns.csv_cells(row) == ["x", "nan", ""]
