"""Parity: an exported file beside the training network, on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from unfreeze.backbones import output_scores
from unfreeze.data import make_view
from unfreeze.data.views import least_size
from unfreeze.evaluation import Predictions
from unfreeze.exporting.parity_record import Agreement, Speed
from unfreeze.exporting.plain_decoding import fit_picture, read_picture

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.data import InputSpec
    from unfreeze.exporting.pictures import Sample
    from unfreeze.records import ModelRecord

__all__ = [
    "LIMIT",
    "UNDECIDED_WITHIN",
    "Answers",
    "Compared",
    "Program",
    "agreement",
    "compare_program",
    "reading_notes",
]

Program = Callable[[np.ndarray], tuple[np.ndarray, ...]]  # uint8 (B, 3, h, w) in, a deployment's outputs out

LIMIT = 1e-3  # of a probability, or in standard deviations of a target
UNDECIDED_WITHIN = 2 * LIMIT  # probabilities so near may change places without either moving further than LIMIT
N_IN_BATCH = 8
N_TIMED = 5  # batches
N_SIZES = 10


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network or a file says of pictures, a row for each.

    Attributes:
        scores: float (n, k) probabilities, or values in standard deviations of the targets.
        predicted: int (n,) classes, or (n, k) zeros and ones; None: values.
        undecided: bool, as `predicted`: what could as well have been predicted otherwise; None where it is not known.
    """

    scores: np.ndarray
    predicted: np.ndarray | None = None
    undecided: np.ndarray | None = None

    def rows(self, indices: Sequence[int]) -> Answers:
        """Return some of the rows."""
        taken = [*indices]
        return Answers(
            self.scores[taken],
            None if self.predicted is None else self.predicted[taken],
            None if self.undecided is None else self.undecided[taken],
        )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison found; see `ParityRecord`."""

    same_pixels: Agreement
    batch: Agreement
    file_to_file: Agreement | None
    speed: Speed
    sizes: tuple[tuple[int, int], ...]


def compare_program(program: Program, network: Network, pictures: Sequence[Sample], *, any_size: bool) -> Compared:
    """Run an exported file beside the training network.

    From the same decoded pixels the file is given each picture by itself, and the first few, at the network's own
    size, as one batch. From file to file it is given what Pillow decodes. The network goes through all pictures before
    the file does: threads of two runtimes that take turns wait for one another, which would tell in their times.

    Args:
        program: runs the file.
        network: the training network, on the CPU, in evaluation mode.
        pictures: at least one.
        any_size: whether the file resizes pictures itself.
    """
    spec, record = network.spec, network.record
    of_network, of_file, of_plain, together = _Timed(), _Timed(), _Timed(), _Timed()
    sizes: dict[tuple[int, int], None] = {}
    for sample in pictures:
        image = sample.image
        of_network.run(partial(_network_outputs, network, image))
        sizes[image.shape[0], image.shape[1]] = None
    as_input = _as_batch if any_size else partial(_view, spec=spec)
    for sample in pictures:
        of_file.run(partial(_file_outputs, program, sample.image, as_input))
    plain_indices = []
    for index, sample in enumerate(pictures):
        plain = _read_plainly(sample, spec, any_size=any_size)
        if plain is not None:
            of_plain.run(partial(program, _as_batch(plain)))
            plain_indices.append(index)
    batch = torch.stack([make_view(sample.image, spec) for sample in pictures[:N_IN_BATCH]]).numpy()
    for _ in range(N_TIMED):
        together.run(partial(program, batch))
    first = range(len(batch))
    expected = _expected(torch.from_numpy(of_network.column(0)), record)
    return Compared(
        same_pixels=agreement(_answers(of_file, record), expected),
        batch=agreement(_answers(together, record).rows(first), expected.rows(first)),
        file_to_file=agreement(_answers(of_plain, record), expected.rows(plain_indices)) if plain_indices else None,
        speed=Speed(
            network_ms=of_network.median_ms,
            export_ms=of_file.median_ms,
            export_batch_ms=together.median_ms / len(batch),
            n_in_batch=len(batch),
        ),
        sizes=tuple(sizes)[:N_SIZES],
    )


def agreement(got: Answers, expected: Answers) -> Agreement:
    """Return how far answers are from the training network's, which know what is undecided.

    >>> expected = Answers(np.array([[0.7, 0.3]]), np.array([0]), np.array([False]))
    >>> agreement(Answers(np.array([[0.4, 0.6]]), np.array([1])), expected).n_contradictions
    1
    """
    differences = np.abs(got.scores.astype(np.float64) - expected.scores)
    largest = float(differences.max()) if np.isfinite(differences).all() else np.inf
    equal, n_undecided, n_contradictions = None, 0, 0
    if got.predicted is not None and expected.predicted is not None and expected.undecided is not None:
        differs = got.predicted != expected.predicted
        equal = float(1 - differs.mean())
        n_undecided = int(expected.undecided.sum())
        n_contradictions = int((differs & ~expected.undecided).sum())
    return Agreement(
        n_pictures=len(got.scores),
        largest_difference=largest,
        mean_difference=float(differences.mean()),
        top1_agreement=equal,
        n_undecided=n_undecided,
        n_contradictions=n_contradictions,
    )


def reading_notes(same_pixels: Agreement, file_to_file: Agreement | None) -> Iterator[str]:
    """Tell where it matters that Pillow reads otherwise than training, and how many files it could not read so."""
    n, own = same_pixels.n_pictures, file_to_file
    n_read = 0 if own is None else own.n_pictures
    if n_read < n:
        yield (
            f"{n - n_read} of {n} pictures are not compared from file to file: Pillow cannot read them as training "
            "does (DICOM, 16-bit colour). Elsewhere they need a decoder of their own."
        )
    if own is None or not (own.n_contradictions or own.largest_difference > LIMIT):
        return
    unit = "" if own.top1_agreement is not None else " standard deviations of the target"
    otherwise = f", and {own.n_contradictions} of the predictions" if own.n_contradictions else ""
    yield (
        f"Read by Pillow, scores of {own.n_pictures} pictures differ by up to {own.largest_difference:.2g}{unit}"
        f"{otherwise}: training decodes them to other pixels (docs/reference/images.md)."
    )


class _Timed:
    """Outputs of one call after another, and the milliseconds that each took."""

    def __init__(self) -> None:
        self.outputs: list[tuple[np.ndarray, ...]] = []
        self._ms: list[float] = []

    def run(self, call: Callable[[], tuple[np.ndarray, ...]]) -> None:
        start = time.perf_counter()
        outputs = call()
        self._ms.append(1000 * (time.perf_counter() - start))
        self.outputs.append(outputs)

    @property
    def median_ms(self) -> float:
        return float(np.median(self._ms))

    def column(self, index: int) -> np.ndarray:
        """Return one of the outputs for all pictures."""
        return np.concatenate([outputs[index] for outputs in self.outputs])


def _network_outputs(network: Network, image: np.ndarray) -> tuple[np.ndarray, ...]:
    with torch.inference_mode():
        return (network(make_view(image, network.spec)[None]).numpy(),)


def _file_outputs(
    program: Program, image: np.ndarray, as_input: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Run a file on a decoded picture; bringing it to the file's input is timed, as it is of the network."""
    return program(as_input(image))


def _expected(outputs: torch.Tensor, record: ModelRecord) -> Answers:
    """Return what the training network says, as `predict` does, of raw outputs (n, k)."""
    scores = output_scores(outputs, record).numpy()
    if record.task == "regression":
        return Answers(_standardised(scores, record))
    decisions = output_scores(outputs, record, balanced=True).numpy()
    decided = Predictions.decide(
        scores,
        decisions=decisions,
        task=record.task,
        outputs=record.outputs,
        files=[str(i) for i in range(len(scores))],
    )
    if record.task == "classification":
        second, first = np.sort(decisions, axis=1)[:, -2:].T
        return Answers(scores, decided.predicted, first - second <= UNDECIDED_WITHIN)
    return Answers(scores, decided.predicted, np.abs(2 * decisions - 1) <= UNDECIDED_WITHIN)  # against its opposite


def _answers(rows: _Timed, record: ModelRecord) -> Answers:
    """Return what a file says."""
    if record.task == "regression":
        return Answers(_standardised(rows.column(0), record))
    return Answers(rows.column(0), rows.column(1))


def _standardised(values: np.ndarray, record: ModelRecord) -> np.ndarray:
    return np.asarray(values / np.array(record.target_std or (1.0,)))


def _read_plainly(sample: Sample, spec: InputSpec, *, any_size: bool) -> np.ndarray | None:
    """Return what Pillow makes of a file, as the program takes it; None without a file, or where Pillow fails."""
    if sample.file is None:
        return None
    try:
        plain = read_picture(sample.file, least_size(spec, "none"), spec.depth_range)
    except Exception:  # noqa: BLE001 - of DICOM, rare TIFFs and damaged EXIF blocks Pillow raises nearly anything
        return None
    return plain if any_size else fit_picture(plain, spec.size, spec.interpolation, spec.crop, spec.crop_pct)


def _as_batch(image: np.ndarray) -> np.ndarray:
    """Return a picture (h, w, 3) as a batch of one, (1, 3, h, w)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def _view(image: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return a picture (h, w, 3) as a batch of one at the network's size, (1, 3, height, width)."""
    view: np.ndarray = make_view(image, spec)[None].numpy()
    return view
