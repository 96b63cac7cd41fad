"""What counts as the same network, and what does not."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from unfreeze.exporting.parity import LIMIT, Answers, agreement
from unfreeze.exporting.parity_record import Agreement, ParityRecord, Speed

EXPECTED = Answers(np.array([[0.7, 0.3], [0.5005, 0.4995]]), np.array([0, 0]), np.array([False, True]))


def record(same: Agreement, batch: Agreement | None = None) -> ParityRecord:
    return ParityRecord(
        file="m.onnx", format="onnx", sha256="", weights_sha256="", input="any size", pictures="generated", sizes=(),
        limit=LIMIT, undecided_within=2 * LIMIT, same_pixels=same, batch=batch or same, file_to_file=None,
        speed=Speed(network_ms=1, export_ms=1, export_batch_ms=1, n_in_batch=1), environment={}, created="",
    )  # fmt: skip


def test_equal_answers_agree_in_all() -> None:
    found = agreement(Answers(EXPECTED.scores, EXPECTED.predicted), EXPECTED)
    assert (found.largest_difference, found.top1_agreement, found.n_contradictions) == (0, 1, 0)
    assert record(found).problem is None


def test_another_prediction_counts_where_the_network_was_decided() -> None:
    found = agreement(Answers(EXPECTED.scores, np.array([1, 0])), EXPECTED)
    assert (found.top1_agreement, found.n_contradictions) == (0.5, 1)
    assert "1 of its predictions for 2 pictures differ" in (record(found).problem or "")


def test_another_prediction_is_forgiven_where_the_network_was_undecided() -> None:
    found = agreement(Answers(EXPECTED.scores, np.array([0, 1])), EXPECTED)
    assert (found.top1_agreement, found.n_undecided, found.n_contradictions) == (0.5, 1, 0)
    assert record(found).problem is None


@pytest.mark.parametrize("off", [2 * LIMIT, np.nan, np.inf])
def test_scores_that_are_too_far_off_or_no_numbers_are_a_problem(off: float) -> None:
    found = agreement(Answers(EXPECTED.scores + off, EXPECTED.predicted), EXPECTED)
    assert "differ by up to" in (record(found).problem or "")


def test_a_batch_counts_as_much_as_single_pictures() -> None:
    good = agreement(Answers(EXPECTED.scores, EXPECTED.predicted), EXPECTED)
    bad = msgspec.structs.replace(good, largest_difference=1.0)
    assert (record(good, bad).problem or "").startswith("in a batch")


def test_values_have_no_predictions_to_agree_on() -> None:
    found = agreement(Answers(np.array([[1.0]])), Answers(np.array([[1.0005]])))
    assert found.top1_agreement is None
    assert found.largest_difference == pytest.approx(5e-4)
