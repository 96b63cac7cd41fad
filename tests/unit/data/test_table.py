from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from unfreeze.data import Dataset, open_dataset
from unfreeze.errors import ConfigError, DataError

Maker = Callable[..., Path]


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., Path]:
    """`write_table("file,label\\n…", files=("1.png", …), name="t.csv")` → the path; pictures are written too."""

    def write(text: str, *, files: Sequence[str] = ("1.png", "2.png", "3.png"), name: str = "t.csv") -> Path:
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(tmp_path / file)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def labels_of(dataset: Dataset) -> list[str]:
    return [dataset.outputs[i] for i in dataset.targets]


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "file,label\n1.png,a\n2.png,b\n",
            "file;label\n1.png;a\n2.png;b\n",
            "file\tlabel\n1.png\ta\n2.png\tb\n",
            "\ufefffile,label\r\n1.png,a\r\n2.png,b\r\n",
            " file , label \n 1.png , a \n 2.png , b \n",
            "file,label\n1.png,a\n\n2.png,b\n\n",
            'label,file\n"a","1.png"\n"b","./2.png"\n',
        ],
    )
    def test_csv_as_programs_write_it(self, write_table: Maker, text: str) -> None:
        dataset = open_dataset(write_table(text))
        assert dataset.files == ("1.png", "2.png")
        assert labels_of(dataset) == ["a", "b"]

    def test_parquet_is_read_with_its_types(self, write_table: Maker, tmp_path: Path) -> None:
        write_table("")
        frame = pl.DataFrame(
            {"file": ["1.png", "2.png", "3.png"], "score": [0.5, 1.25, 1 / 3], "raw": [b"1", b"2", b"3"]}
        )
        frame.write_parquet(tmp_path / "t.parquet")
        dataset = open_dataset(tmp_path / "t.parquet", target=["score"])
        assert dataset.task == "regression"
        assert dataset.targets[:, 0].tolist() == pytest.approx([0.5, 1.25, 1 / 3])

    def test_parquet_and_csv_give_the_same_classes(self, write_table: Maker, tmp_path: Path) -> None:
        text = "file,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(6))
        table = write_table(text, files=[f"{i}.png" for i in range(6)])
        frame = pl.DataFrame({"file": [f"{i}.png" for i in range(6)], "label": [float(i % 2) for i in range(6)]})
        frame.write_parquet(tmp_path / "t.parquet")
        one, two = open_dataset(table), open_dataset(tmp_path / "t.parquet")
        assert one.outputs == two.outputs == ("0", "1")
        assert one.targets.tolist() == two.targets.tolist()

    def test_names_in_other_unicode_form_or_with_backslashes_are_found(self, write_table: Maker) -> None:
        decomposed = unicodedata.normalize("NFD", "été.png")
        table = write_table("file,label\nété.png,a\nsub\\2.png,b\n", files=[decomposed, "sub/2.png"])
        assert open_dataset(table).files == (decomposed, "sub/2.png")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "cannot be read"),
            ("file,label\n", "has no rows"),
            ("image,label\n1.png,a\n", r'no column "file".*Its columns: image, label'),
            ("file,label,label\n1.png,a,b\n", "several columns named label"),
            ("file,label\n1.png,a,b,c\n", "cannot be read"),
        ],
    )
    def test_tables_that_cannot_be_used(self, write_table: Maker, text: str, message: str) -> None:
        with pytest.raises(DataError, match=message):
            open_dataset(write_table(text))

    def test_a_table_in_another_encoding(self, write_table: Maker) -> None:
        table = write_table("")
        table.write_bytes("file,label\n1.png,Äpfel\n".encode("latin-1"))
        with pytest.raises(DataError, match="Expected a CSV file in UTF-8"):
            open_dataset(table)


class TestColumns:
    def test_the_column_label_is_the_target_unless_told(self, write_table: Maker) -> None:
        table = write_table("file,label,kind\n1.png,a,x\n2.png,b,y\n")
        assert open_dataset(table).outputs == ("a", "b")
        assert open_dataset(table, target=["kind"]).outputs == ("x", "y")

    def test_without_label_all_columns_of_0_and_1_are_labels(self, write_table: Maker) -> None:
        table = write_table("file,cat,dog,age,checked\n1.png,1,0,3,1\n2.png,0,true,4,1\n")
        dataset = open_dataset(table)
        assert dataset.task == "multilabel"
        assert dataset.outputs == ("cat", "dog")
        assert dataset.targets.tolist() == [[1, 0], [0, 1]]

    def test_without_either_the_columns_are_listed(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match=r"--target. Its columns: kind, age"):
            open_dataset(write_table("file,kind,age\n1.png,a,3\n"))

    def test_group_and_split_columns_are_no_labels(self, write_table: Maker) -> None:
        table = write_table("file,cat,eye,fold\n1.png,1,0,train\n2.png,0,1,test\n3.png,1,1,train\n")
        assert open_dataset(table, group="eye", split="fold").outputs == ("cat",)

    def test_unknown_columns_are_reported_together_with_the_nearest(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match=r'2 problems(.|\n)*Did you mean "kind"(.|\n)*--split "fold"'):
            open_dataset(write_table("file,kind\n1.png,a\n"), target=["kindd"], split="fold")

    def test_a_column_cannot_be_target_and_group(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match="kind cannot be target and group"):
            open_dataset(write_table("file,kind\n1.png,a\n"), target=["kind"], group="kind")

    def test_a_target_named_twice(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match="names a column twice"):
            open_dataset(write_table("file,kind\n1.png,a\n"), target=["kind", "kind"])

    def test_several_targets_with_commas_are_told_how_to_be_given(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match=r"Several targets are given one by one: --target A --target B"):
            open_dataset(write_table("file,x,y\n1.png,0,1\n"), target=["x,y"])


class TestRows:
    def test_all_kinds_of_bad_rows_are_counted_and_named_together(self, write_table: Maker, tmp_path: Path) -> None:
        text = "file,age\n1.png,3.5\n1.png,4\nnone.png,5\n../out.png,nan\n/abs.png,old\n,6\n2.png,\nno2.png,7\n"
        with pytest.raises(DataError) as caught:
            open_dataset(write_table(text), target=["age"], task="regression")
        message = str(caught.value)
        assert message.startswith("6 problems:")
        assert '1 rows have no name in the column "file": line 7.' in message
        assert "2 files lie outside the table's folder" in message
        assert '"../out.png" (line 5), "/abs.png" (line 6)' in message
        assert f'2 files are missing below "{tmp_path}": "none.png" (line 4), "no2.png" (line 9).' in message
        assert '1 rows name a picture that another row has named already: "1.png" (line 2 and line 3).' in message
        assert '2 values of "age" are missing or NaN: line 5, line 8.' in message
        assert '1 values of "age" are not a number: "old" (line 6).' in message

    @pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png", ".."])
    def test_names_that_lead_out_of_the_folder_are_refused(self, write_table: Maker, tmp_path: Path, name: str) -> None:
        Image.new("RGB", (4, 4)).save(tmp_path.parent / "x.png")
        with pytest.raises(DataError, match=r"outside|missing"):
            open_dataset(write_table(f"file,label\n1.png,a\n{name},b\n"))

    def test_a_name_may_wind_inside_the_folder(self, write_table: Maker) -> None:
        table = write_table("file,label\na/../1.png,a\n./2.png,b\n")
        assert open_dataset(table).files == ("1.png", "2.png")

    def test_one_file_under_two_names_is_a_duplicate(self, write_table: Maker) -> None:
        with pytest.raises(DataError, match="line 2 and line 3"):
            open_dataset(write_table("file,label\n1.png,a\n./1.png,b\n"))

    def test_many_bad_rows_are_counted_and_only_the_first_named(self, write_table: Maker) -> None:
        text = "file,label\n" + "".join(f"gone{i}.png,a\n" for i in range(50))
        with pytest.raises(DataError, match=r"50 files are missing .*gone2.png.* and 47 more"):
            open_dataset(write_table(text))

    def test_rows_of_parquet_are_counted_from_one(self, write_table: Maker, tmp_path: Path) -> None:
        write_table("")
        pl.DataFrame({"file": ["1.png", "no.png"], "label": ["a", "b"]}).write_parquet(tmp_path / "t.parquet")
        with pytest.raises(DataError, match=r'"no.png" \(row 2\)'):
            open_dataset(tmp_path / "t.parquet")

    def test_blank_lines_do_not_shift_the_line_numbers(self, write_table: Maker) -> None:
        with pytest.raises(DataError, match="line 4"):
            open_dataset(write_table("file,label\n1.png,a\n\nno.png,b\n"))

    @pytest.mark.parametrize("cell", ["", "nan", "NaN"])
    def test_missing_labels_are_errors(self, write_table: Maker, cell: str) -> None:
        with pytest.raises(DataError, match='1 values of "label" are missing or NaN: line 3'):
            open_dataset(write_table(f"file,label\n1.png,a\n2.png,{cell}\n3.png,b\n"))

    def test_labels_other_than_0_and_1_are_errors(self, write_table: Maker) -> None:
        table = write_table("file,x,y\n1.png,1,2\n2.png,0,1\n")
        with pytest.raises(DataError, match=r'1 values of "y" are not 0 or 1: "2" \(line 2\)'):
            open_dataset(table, task="multilabel", target=["x", "y"])


class TestSplitColumn:
    TEXT = "file,label,{name}\n1.png,a,train\n2.png,b,Valid\n3.png,a,TEST\n"

    @pytest.mark.parametrize("split", [None, "split"])
    def test_its_values_are_sides(self, write_table: Maker, split: str | None) -> None:
        dataset = open_dataset(write_table(self.TEXT.format(name="split")), split=split)
        assert dataset.splits == ("train", "val", "test")
        assert 'Split by the column "split".' in dataset.notes

    def test_any_column_may_be_named(self, write_table: Maker) -> None:
        assert open_dataset(write_table(self.TEXT.format(name="fold"))).splits is None
        assert open_dataset(write_table(self.TEXT.format(name="fold")), split="fold").splits is not None

    def test_other_values_are_errors_when_it_was_named(self, write_table: Maker) -> None:
        table = write_table("file,label,split\n1.png,a,train\n2.png,b,dev\n3.png,a,\n")
        with pytest.raises(DataError, match=r'2 values of "split" are not one of train.*"dev" \(line 3\)'):
            open_dataset(table, split="split")
        assert any("holds other values" in note for note in open_dataset(table).notes)

    def test_without_a_column_the_folders_train_val_test_are_sides(self, write_table: Maker) -> None:
        files = ["train/1.png", "val/2.png", "test/3.png"]
        table = write_table("file,label\ntrain/1.png,a\nval/2.png,b\ntest/3.png,a\n", files=files)
        dataset = open_dataset(table.parent)
        assert dataset.splits == ("train", "val", "test")
        assert any("Split by folders" in note for note in dataset.notes)


class TestGroups:
    def test_a_column(self, write_table: Maker) -> None:
        dataset = open_dataset(write_table("file,label,id\n1.png,a,7\n2.png,b,7\n3.png,a,8\n"), group="id")
        assert dataset.groups == ("7", "7", "8")
        assert any("2 groups" in note for note in dataset.notes)

    def test_a_column_with_holes_is_an_error(self, write_table: Maker) -> None:
        with pytest.raises(DataError, match='1 values of the group "id" are missing: line 3'):
            open_dataset(write_table("file,label,id\n1.png,a,7\n2.png,b,\n"), group="id")

    def test_neither_column_nor_pattern(self, write_table: Maker) -> None:
        with pytest.raises(ConfigError, match=r'Did you mean "patient".*not a column either'):
            open_dataset(write_table("file,label,patient\n1.png,a,7\n2.png,b,8\n"), group="patinet")

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            (["a/p1/1.png", "b/p1/2.png"], None),
            (["x/p1/1.png", "x/p2/2.png"], ("x/p1", "x/p2")),
            (["a/p1/1.png", "b/p2/2.png"], ("p1", "p2")),
            (["train/a/p1/1.png", "test/b/p2/2.png"], ("p1", "p2")),
        ],
    )
    def test_parent_is_the_folder_below_the_class(
        self, write_table: Maker, files: list[str], expected: tuple[str, ...] | None
    ) -> None:
        table = write_table(f"file,label\n{files[0]},a\n{files[1]},b\n", files=files)
        if expected is None:
            with pytest.raises(ConfigError, match="all 2 pictures into one group"):
                open_dataset(table, group="parent")
        else:
            assert open_dataset(table, group="parent").groups == expected

    def test_a_pattern(self, write_table: Maker) -> None:
        files = ["p1_a.png", "p1_b.png", "p2_a.png"]
        table = write_table("file,label\n" + "".join(f"{f},{f[3]}\n" for f in files), files=files)
        assert open_dataset(table, group=r"^p\d").groups == ("p1", "p1", "p2")


def test_notes_say_how_auto_decided(write_table: Maker) -> None:
    options: dict[str, Any] = {"target": ["age"]}
    notes = open_dataset(write_table("file,age\n1.png,1.5\n2.png,2.5\n"), **options).notes
    assert notes == ('Task: regression, as "age" holds numbers with fractions.',)
