"""The prefix through OpenVINO: the fastest on processors."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unfreeze.backbones import keep_freed_memory
from unfreeze.data.threads import one_thread
from unfreeze.engines.converting import convert
from unfreeze.engines.engine import N_BATCHES_IN_FLIGHT, Engine, Precision, split_rows
from unfreeze.engines.openvino_core import openvino_core
from unfreeze.engines.storing import read_stored, store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

__all__ = ["OpenVinoEngine", "has_bf16", "stored_path"]

PICTURES_A_REQUEST = 2  # few enough for the activations to stay near the core, and little to fill up at the end
REQUESTS_A_STREAM = 2  # one computes, one waits
HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(Engine):
    """Runs a prefix converted for OpenVINO, on the CPU; made by `converted` or `stored`.

    It holds the weights as they were when it was made.

    Args:
        compiled: an `openvino.CompiledModel` for a fixed number of pictures.
        precision: in what it computes.
        batch_size: pictures in the batches to come, about; says how many may be in flight.
    """

    name = "openvino"

    def __init__(self, compiled: Any, *, precision: Precision, batch_size: int) -> None:
        self.precision = precision
        self.compiled = compiled
        self._n_pictures: int = compiled.input(0).shape[0]
        n_streams: int = compiled.get_property("NUM_STREAMS")
        n_parts = -(-batch_size // self._n_pictures)
        self.n_threads = n_streams
        self._n_requests = max(REQUESTS_A_STREAM * n_streams, N_BATCHES_IN_FLIGHT * n_parts)

    @classmethod
    def converted(
        cls, prefix: nn.Module, *, size: tuple[int, int], precision: Precision = "fp32", batch_size: int = 32
    ) -> OpenVinoEngine:
        """Convert and compile a prefix.

        Args:
            prefix: uint8 pictures in, one tensor or several out.
            size: (height, width) of the pictures.
            precision: in what to compute, asked for by name: OpenVINO's own choice is bf16 on some processors.
            batch_size: pictures in the batches to come.

        Raises:
            Exception: whatever PyTorch or OpenVINO raise about a network that they cannot trace or convert.
        """
        keep_freed_memory()  # tracing runs the prefix once
        with one_thread():
            model = convert(prefix, (min(batch_size, PICTURES_A_REQUEST), 3, *size))
        compiled = openvino_core().compile_model(model, "CPU", _config(precision))
        return cls(compiled, precision=precision, batch_size=batch_size)

    @classmethod
    def stored(cls, path: Path, *, precision: Precision = "fp32", batch_size: int = 32) -> OpenVinoEngine | None:
        """Return the engine that `store` left in a file; None if it is absent, damaged or unreadable here."""
        payload = read_stored(path)
        if payload is None:
            return None
        try:
            compiled = openvino_core().import_model(payload, "CPU", _config(precision))
        except RuntimeError:  # of another build of OpenVINO
            return None
        return cls(compiled, precision=precision, batch_size=batch_size)

    def store(self, path: Path) -> None:
        """Leave the compiled network in a file, for other processes on such a machine.

        Raises:
            OSError: the file cannot be written; nothing is left of it.
        """
        store(path, self.compiled.export_model().getvalue())

    def run(self, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over what the prefix makes of each batch; see `Engine.run`."""
        flight = _Flight(self.compiled, n_requests=self._n_requests, n_pictures=self._n_pictures)
        try:
            for images in batches:
                flight.start(images)
                yield from flight.landed()
            while flight.busy:
                flight.land()
                yield from flight.landed()
        finally:
            flight.abandon()


def stored_path(cache_dir: Path, key: str, *, precision: Precision, batch_size: int) -> Path:
    """Return where a compiled prefix is stored.

    Args:
        cache_dir: the folder of all that can be computed again.
        key: stands for the graph, the weights and the size; OpenVINO's version and the processor are added here.
        precision: in what it computes.
        batch_size: pictures in a batch.
    """
    import openvino

    made_for = (
        openvino.get_version(),
        str(openvino_core().get_property("CPU", "FULL_DEVICE_NAME")),
        str(sorted(openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))),
        str(min(batch_size, PICTURES_A_REQUEST)),
    )
    machine = hashlib.sha256("\n".join(made_for).encode()).hexdigest()[:16]
    return cache_dir / "openvino" / f"{key}-{precision}-{machine}.blob"


def has_bf16() -> bool:
    """Say whether this processor computes in bf16 itself."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _config(precision: Precision) -> dict[str, str]:
    return {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}


@dataclass(slots=True, eq=False)
class _Gathering:
    """A batch whose parts are being computed; its outputs are filled from the front."""

    outputs: tuple[Tensor, ...]
    n_missing: int
    n_filled: int = 0

    def fill(self, parts: list[np.ndarray], n_real: int) -> None:
        for output, part in zip(self.outputs, parts, strict=True):
            output[self.n_filled : self.n_filled + n_real] = torch.from_numpy(part[:n_real])
        self.n_filled += n_real
        self.n_missing -= n_real


class _Flight:
    """The requests of one run, first in, first out, so that order needs no bookkeeping."""

    def __init__(self, compiled: Any, *, n_requests: int, n_pictures: int) -> None:
        self._compiled, self._n_unmade = compiled, n_requests  # made as they are needed: each has memory of its own
        self._idle: list[Any] = []
        self._n_pictures = n_pictures
        # The pictures are kept with their request: OpenVINO reads them where they are.
        self.busy: deque[tuple[Any, Tensor, _Gathering, int]] = deque()
        self._gathering: deque[_Gathering] = deque()
        self._empty = [np.empty((0, *each.shape[1:]), each.element_type.to_dtype()) for each in compiled.outputs]

    def start(self, images: Tensor) -> None:
        """Start on a batch, waiting for earlier ones where all requests are busy."""
        n = len(images)
        batch = _Gathering(tuple(torch.from_numpy(each).new_empty((n, *each.shape[1:])) for each in self._empty), n)
        self._gathering.append(batch)
        for whole, n_real in split_rows(images, self._n_pictures):
            request = self._request()
            self.busy.append((request, whole, batch, n_real))
            request.start_async([whole.numpy()], share_inputs=True)

    def _request(self) -> Any:
        if not self._idle and self._n_unmade:
            self._n_unmade -= 1
            return self._compiled.create_infer_request()
        if not self._idle:
            self.land()
        return self._idle.pop()

    def land(self) -> None:
        """Wait for the oldest request and take what it computed."""
        request, _, batch, n_real = self.busy[0]
        request.wait()
        batch.fill([each.data for each in request.output_tensors], n_real)
        self.busy.popleft()
        self._idle.append(request)

    def landed(self) -> Iterator[tuple[Tensor, ...]]:
        """Take the batches that are complete, oldest first."""
        while self._gathering and not self._gathering[0].n_missing:
            yield self._gathering.popleft().outputs

    def abandon(self) -> None:
        """Wait until nothing is computed any more, whatever becomes of it: the pictures' memory is in use till then."""
        while self.busy:
            request, *_ = self.busy.popleft()
            request.cancel()
            with contextlib.suppress(RuntimeError):  # that it was cancelled, or why the run ends anyway
                request.wait()
