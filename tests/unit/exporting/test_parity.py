"""What counts as the same network, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
import torch

from unfreeze.exporting import parity
from unfreeze.exporting.parity import LIMIT, Answers, agreement, compare_program, reading_notes
from unfreeze.exporting.parity_record import Agreement, ParityRecord, Speed
from unfreeze.exporting.pictures import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.backbones import Network

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


def agreed(n: int, **changes: object) -> Agreement:
    known = Agreement(
        n_pictures=n, largest_difference=0, mean_difference=0, top1_agreement=1, n_undecided=0, n_contradictions=0
    )
    return msgspec.structs.replace(known, **changes)


def test_nothing_is_noted_where_pillow_reads_all_pictures_as_training_does() -> None:
    assert list(reading_notes(agreed(5), agreed(5))) == []


def test_pictures_that_pillow_cannot_read_are_counted() -> None:
    (note,) = reading_notes(agreed(5), agreed(3))
    assert "2 of 5 pictures are not compared from file to file" in note
    (note,) = reading_notes(agreed(5), None)
    assert "5 of 5 pictures" in note


def test_values_that_another_decoder_moves_are_noted() -> None:
    (note,) = reading_notes(agreed(5), agreed(5, largest_difference=2 * LIMIT, top1_agreement=None))
    assert "differ by up to 0.002 standard deviations of the target: training decodes" in note


def test_scores_and_predictions_that_another_decoder_moves_are_noted() -> None:
    (note,) = reading_notes(agreed(5), agreed(5, largest_difference=0.2, top1_agreement=0.8, n_contradictions=1))
    assert "differ by up to 0.2, and 1 of the predictions" in note
    assert list(reading_notes(agreed(5), agreed(5, largest_difference=LIMIT / 2))) == []


def test_a_file_that_pillow_cannot_read_drops_out_of_file_to_file_only(
    make_network: Callable[..., Network], make_picture: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "scan.dcm").write_bytes(b"\0" * 128 + b"DICM")
    network = make_network("test_efficientnet", size=32)
    image = make_picture(0, seed=0)
    found = compare_program(
        as_program(network), network, [Sample(lambda: image, tmp_path / "scan.dcm")], any_size=False
    )
    assert (found.same_pixels.n_pictures, found.file_to_file) == (1, None)


@pytest.mark.parametrize("any_size", [False, True])
def test_the_same_work_is_timed_of_the_network_and_of_the_file(
    make_network: Callable[..., Network],
    make_picture: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    any_size: bool,
) -> None:
    seconds = 0.0

    def resized(*arguments: object) -> torch.Tensor:
        nonlocal seconds
        seconds += 1
        return parity_make_view(*arguments)  # type: ignore[arg-type]

    parity_make_view = parity.make_view
    monkeypatch.setattr(parity, "make_view", resized)
    monkeypatch.setattr(parity.time, "perf_counter", lambda: seconds)
    network = make_network("test_efficientnet", size=32)
    image = make_picture(0, seed=0, size=(32, 32))
    speed = compare_program(as_program(network), network, [Sample(lambda: image)], any_size=any_size).speed
    assert speed.network_ms == 1000
    assert speed.export_ms == (0 if any_size else 1000)  # a file of any size resizes by itself
    assert speed.export_batch_ms == 0


def as_program(network: Network) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            outputs = network(torch.from_numpy(images))
        return outputs.softmax(1).numpy(), outputs.argmax(1).numpy()

    return run
