"""What comparing an exported file with the training network found: F.parity.json. No torch."""

from __future__ import annotations

from typing import Literal

import msgspec

from unfreeze.records import FORMAT_VERSION

__all__ = ["PARITY_SUFFIX", "Agreement", "ParityRecord", "Speed"]

PARITY_SUFFIX = ".parity.json"


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the scores of an exported file are from those of the training network.

    Differences are of probabilities; of a regression they are in standard deviations of the target.
    """

    n_pictures: int
    largest_difference: float
    mean_difference: float
    top1_agreement: float | None  # share of equal predictions (multi-label: of equal answers); None: regression
    n_undecided: int  # predictions that the training network itself could as well have made otherwise
    n_contradictions: int  # predictions that differ although the training network was decided


class Speed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medians on the exporting machine's CPU, decoding left out."""

    network_ms: float  # the training network in PyTorch, one picture, resizing included
    export_ms: float  # the exported file, the same; where the resizing is left out of it, by training's own before it
    export_batch_ms: float  # the exported file, for each picture of a batch at the network's own size
    n_in_batch: int


class ParityRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of F.parity.json."""

    version: int = FORMAT_VERSION
    file: str  # the exported file beside it
    format: Literal["onnx", "openvino", "torch"]
    sha256: str  # of the exported file; of OpenVINO, of its .bin
    weights_sha256: str  # of the run's model.safetensors
    input: Literal["any size", "fixed size"]
    pictures: Literal["the run's own", "generated"]
    sizes: tuple[tuple[int, int], ...]  # the distinct (height, width), at most ten of them
    limit: float  # that the largest difference may have
    undecided_within: float  # probabilities that are nearer to one another decide nothing
    same_pixels: Agreement  # both were given the same decoded pixels, a picture at a time
    batch: Agreement  # the first of these at the network's own size, as one batch
    file_to_file: Agreement | None  # from the files on: decoded as in training, and by Pillow; None: by Pillow not one
    speed: Speed
    environment: dict[str, str]
    created: str
    notes: tuple[str, ...] = ()

    @property
    def problem(self) -> str | None:
        """Say what is too far off; None if nothing is. A difference that is no number is too large."""
        for found, where in ((self.same_pixels, ""), (self.batch, "in a batch ")):
            if not found.largest_difference <= self.limit:
                return (
                    f"{where}its scores differ by up to {found.largest_difference:.2g}, where at most {self.limit:g} "
                    "is allowed"
                )
            if found.n_contradictions:
                return f"{where}{found.n_contradictions} of its predictions for {found.n_pictures} pictures differ"
        return None
