from __future__ import annotations

import numpy as np
import pytest

from unfreeze.data.targets import MAX_WHOLE_NUMBER_CLASSES, Column, decide_task, encode
from unfreeze.errors import ConfigError


def column(*values: object, name: str = "y") -> Column:
    return Column(name, tuple(None if value is None else str(value) for value in values))


def row(index: int) -> str:
    return f"line {index + 2}"


class TestTrap30:
    def test_trap_30_text_is_classes(self) -> None:
        assert decide_task([column("a", "b", "a")])[0] == "classification"

    def test_trap_30_few_whole_numbers_are_classes(self) -> None:
        task, why = decide_task([column(*([0, 1, 2] * 10))])
        assert task == "classification"
        assert "3 different whole numbers" in why
        assert "--task regression" in why

    def test_trap_30_whole_numbers_with_many_values_are_no_classes(self) -> None:
        task, why = decide_task([column(*(list(range(MAX_WHOLE_NUMBER_CLASSES + 1)) * 50))])
        assert task == "regression"
        assert "21 different whole numbers" in why
        assert "--task classification" in why

    def test_trap_30_at_most_twenty_values_are_classes(self) -> None:
        assert decide_task([column(*(list(range(MAX_WHOLE_NUMBER_CLASSES)) * 3))])[0] == "classification"

    def test_trap_30_whole_numbers_with_too_few_pictures_each_are_no_classes(self) -> None:
        assert decide_task([column(*range(10), *range(10))])[0] == "regression"

    def test_trap_30_fractions_are_regressed(self) -> None:
        assert decide_task([column(*([0, 0.5, 1] * 30))])[0] == "regression"

    def test_trap_30_a_few_words_among_numbers_do_not_make_classes(self) -> None:
        numbers = column(*range(100), "unknown")
        assert decide_task([numbers])[0] == "regression"
        assert encode([numbers], task="regression", where=row).problems == (
            '1 values of "y" are not a number: "unknown" (line 102). Correct them, or remove the rows.',
        )

    def test_trap_30_mostly_numbers_that_are_read_as_text_are_pointed_out(self) -> None:
        task, why = decide_task([column(*range(60), *["abc"] * 12)])
        assert task == "classification"
        assert '60 of 72 values are numbers; if it is a quantity, mend others as "abc".' in why

    def test_trap_30_asked_for_wins(self) -> None:
        assert decide_task([column(*range(100))], task="classification")[0] == "classification"
        assert decide_task([column(0, 1, 0)], task="regression")[0] == "regression"


class TestSeveralColumns:
    def test_zeros_and_ones_are_labels(self) -> None:
        task, why = decide_task([column(0, 1, name="a"), column("true", "False", name="b")])
        assert task == "multilabel"
        assert "a, b hold only 0 and 1" in why

    def test_numbers_are_regressed(self) -> None:
        assert decide_task([column(0, 1), column(2, 3)])[0] == "regression"

    def test_text_among_them_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="hold text: b"):
            decide_task([column(0, 1, name="a"), column("x", "y", name="b")])

    def test_classification_takes_one(self) -> None:
        with pytest.raises(ConfigError, match="takes one column, but got 2"):
            decide_task([column(0, 1), column(0, 1)], task="classification")


class TestEncode:
    def test_numbered_classes_are_ordered_by_size(self) -> None:
        encoded = encode([column(10, 9, 10, 1)], task="classification", where=row)
        assert encoded.outputs == ("1", "9", "10")
        assert encoded.targets.tolist() == [2, 1, 2, 0]

    def test_whole_numbers_written_as_floats_are_the_same_class(self) -> None:
        assert encode([column("1.0", "2", "1")], task="classification", where=row).outputs == ("1", "2")

    def test_leading_zeros_are_kept(self) -> None:
        assert encode([column("007", "010")], task="classification", where=row).outputs == ("007", "010")

    def test_none_is_a_class_among_words_and_a_hole_among_numbers(self) -> None:
        assert encode([column("none", "mild")], task="classification", where=row).outputs == ("mild", "none")
        holes = encode([column("1", "2", "n/a")], task="classification", where=row)
        assert holes.problems == ('1 values of "y" are missing or NaN: line 4. Fill them in, or remove the rows.',)

    def test_classes_that_differ_in_case_only_are_noted(self) -> None:
        encoded = encode([column("Cat", "cat", "dog")], task="classification", where=row)
        assert encoded.notes == ("Classes that differ in upper and lower case only: Cat, cat.",)

    def test_units_are_kept_as_they_are(self) -> None:
        encoded = encode([column("1e3", "-2.5"), column("3", "4")], task="regression", where=row)
        assert encoded.targets.dtype == np.float32
        assert encoded.targets.tolist() == [[1000.0, 3.0], [-2.5, 4.0]]

    @pytest.mark.parametrize("cell", ["inf", "-inf", "12px"])
    def test_what_is_no_finite_number_is_an_error(self, cell: str) -> None:
        problems = encode([column(1.5, cell)], task="regression", where=row).problems
        assert problems == (f'1 values of "y" are not a number: "{cell}" (line 3). Correct them, or remove the rows.',)

    def test_decimal_commas_are_explained(self) -> None:
        assert "with a point" in encode([column("1,5", "2")], task="regression", where=row).problems[0]
