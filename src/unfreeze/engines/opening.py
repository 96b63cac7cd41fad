"""An engine for a prefix: the fastest that is allowed, possible and right."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

import torch

from unfreeze.data.threads import one_thread
from unfreeze.engines.choosing import choose_engines
from unfreeze.engines.compiled import CompiledEngine
from unfreeze.engines.deviation import LARGEST_DEVIATION, deviation
from unfreeze.engines.eager import EagerEngine
from unfreeze.engines.engine import Engine, EngineName, Precision
from unfreeze.engines.openvino_engine import OpenVinoEngine, has_bf16, stored_path
from unfreeze.errors import ConfigError, did_you_mean, raise_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

__all__ = ["Opened", "open_engine", "possible_engines"]

N_CHECKED = 6  # pictures that an engine is checked on: not a whole request, so that filling up is checked as well


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An engine that was checked.

    Attributes:
        engine: it.
        check: max|engine − PyTorch in fp32| / max|PyTorch| on the pictures it was checked on; 0 for eager in fp32.
        notes: for the user, a sentence each: what was asked for and is not used, and why.
    """

    engine: Engine
    check: float
    notes: tuple[str, ...] = ()


def open_engine(
    prefix: nn.Module,
    pictures: Tensor,
    *,
    device: torch.device,
    engine: Literal["auto"] | EngineName = "auto",
    precision: Precision = "fp32",
    batch_size: int = 32,
    n_images: int | None = None,
    cache_dir: Path | None = None,
    key: str | None = None,
    part: str = "the frozen layers",
) -> Opened:
    """Open the fastest engine that is allowed and agrees with PyTorch on real pictures.

    An engine that cannot be had or deviates is left out with a note, also one that was asked for by name; `eager`
    always remains. May be called in a thread of its own while pictures are decoded: the prefix is not changed,
    and must not be changed, moved or run in another mode before this returns.

    Args:
        prefix: uint8 (B, 3, height, width) in, one tensor or several (B, …) out; on the device, in evaluation mode.
        pictures: uint8 (n, 3, height, width) on the CPU, real ones, at least one; the first six are used.
        device: where PyTorch computes. OpenVINO computes on the CPU in any case.
        engine: which to use; `auto` decides by `choose_engines`.
        precision: bf16 falls back to fp32, with a note, where the processor has none.
        batch_size: pictures in the batches to come; smaller and larger ones are possible.
        n_images: how many pictures are to be computed; None: not known, many.
        cache_dir: the folder where prepared engines are stored for other processes; None: nowhere.
        key: hexadecimal; must differ where the prefix's graph, weights or input size do. None: nothing is stored.
        part: what notes call that which is computed.

    Raises:
        ConfigError: an unknown engine or precision, a setting out of range, or OpenVINO asked for by name and absent.
    """
    _check(engine, precision, batch_size, key)
    notes: list[str] = []
    possible = _possible_precision(precision, device)
    if possible != precision:
        notes.append(f"This processor has no bf16: fp32 is used for {part}.")
    if engine == "openvino" and device.type != "cpu":
        notes.append(f"OpenVINO computes {part} on the CPU, not on {device.type}.")
    task = _Task(prefix, pictures[:N_CHECKED], device, possible, batch_size, cache_dir, key, part)
    for name in possible_engines(engine, device=device, n_images=n_images):
        for make in task.ways(name):
            opened = task.attempt(name, make, notes)
            if opened is not None:
                return opened
    return Opened(EagerEngine(prefix, device=device, batch_size=batch_size), 0.0, tuple(notes))  # bf16 was too far off


def possible_engines(
    engine: Literal["auto"] | EngineName, *, device: torch.device, n_images: int | None = None
) -> tuple[EngineName, ...]:
    """Return the engines that `open_engine` tries here, in its order; see `choose_engines`."""
    return choose_engines(engine, device=device.type, has_openvino=_has_openvino(), n_images=n_images)


@dataclass(frozen=True)
class _Task:
    """What an engine is wanted for, and what it is measured by."""

    prefix: nn.Module
    pictures: Tensor
    device: torch.device
    precision: Precision
    batch_size: int
    cache_dir: Path | None
    key: str | None
    part: str

    @cached_property
    def expected(self) -> tuple[Tensor, ...]:
        with one_thread():
            return next(
                EagerEngine(self.prefix, device=self.device, batch_size=len(self.pictures)).run([self.pictures])
            )

    @property
    def path(self) -> Path | None:
        if self.cache_dir is None or self.key is None:
            return None
        return stored_path(self.cache_dir, self.key, precision=self.precision, batch_size=self.batch_size)

    def ways(self, name: EngineName) -> Iterator[Callable[[], Engine | None]]:
        """Iterate over the ways to an engine, the cheapest first; None comes of one that does not exist."""
        if name == "eager":
            yield partial(
                EagerEngine,
                self.prefix,
                device=self.device,
                batch_size=self.batch_size,
                precision=self.precision,
            )
        elif name == "compile":
            compiled = partial(CompiledEngine, self.prefix, device=self.device, batch_size=self.batch_size)
            yield partial(compiled, precision=self.precision)
        else:
            yield self._stored_openvino
            yield self._converted_openvino

    def attempt(self, name: EngineName, make: Callable[[], Engine | None], notes: list[str]) -> Opened | None:
        """Make an engine and check it; None, and perhaps a note, if it is not to be used."""
        try:
            engine = make()
            if engine is None:
                return None
            check = self._measured(engine)
        except Exception as error:  # noqa: BLE001 - compilers raise anything; eager is still there
            if make == self._stored_openvino:  # it is made anew in a moment
                return None
            notes.append(f'The engine "{name}" is not used for {self.part}: {_first_line(error)}.')
            return None
        if check <= LARGEST_DEVIATION[engine.precision]:
            if make == self._converted_openvino and isinstance(engine, OpenVinoEngine):
                notes.extend(self._store(engine))
            return Opened(engine, check, tuple(notes))
        if make == self._stored_openvino:  # of another prefix, whatever its key says: replaced in a moment
            return None
        notes.append(
            f'The engine "{name}" is not used for {self.part}: on {len(self.pictures)} pictures it deviates '
            f"from PyTorch by {check:.1e} of the largest value; at most {LARGEST_DEVIATION[engine.precision]:.0e} "
            f"is allowed in {engine.precision}."
        )
        return None

    def _measured(self, engine: Engine) -> float:
        if engine.name == "eager" and engine.precision == "fp32":
            return 0.0
        return deviation(next(engine.run([self.pictures])), self.expected)

    def _stored_openvino(self) -> Engine | None:
        path = self.path
        if path is None:
            return None
        return OpenVinoEngine.stored(path, precision=self.precision, batch_size=self.batch_size)

    def _converted_openvino(self) -> Engine:
        height, width = self.pictures.shape[-2:]
        return OpenVinoEngine.converted(
            self.prefix, size=(height, width), precision=self.precision, batch_size=self.batch_size
        )

    def _store(self, engine: OpenVinoEngine) -> Iterator[str]:
        path = self.path
        if path is None:
            return
        try:
            engine.store(path)
        except Exception as error:  # noqa: BLE001 - whatever OpenVINO raises: the engine works all the same
            yield f'What the engine was prepared with could not be stored in "{path.parent}": {error}.'


def _check(engine: str, precision: str, batch_size: int, key: str | None) -> None:
    problems = []
    known = ("auto", *get_args(EngineName))
    if engine not in known:
        near = did_you_mean(engine, known)
        problems.append(f'The engine must be one of {", ".join(known)}, but got "{engine}".{near}')
    if engine == "openvino" and not _has_openvino():
        problems.append(
            'The engine "openvino" needs OpenVINO, which is not installed; install it with '
            'pip install "openvino>=2025.0", or use the engine "auto".'
        )
    if precision not in get_args(Precision):
        problems.append(f'The precision must be one of fp32, bf16, but got "{precision}".')
    if batch_size < 1:
        problems.append(f"batch_size must be at least 1, but got {batch_size}.")
    if key is not None and not (key and set(key) <= set(string.hexdigits)):
        problems.append(f'The key must be hexadecimal, but got "{key}".')
    raise_together(problems, ConfigError)


def _has_openvino() -> bool:
    return find_spec("openvino") is not None


def _possible_precision(precision: Precision, device: torch.device) -> Precision:
    if precision == "fp32":
        return "fp32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if _has_openvino() and has_bf16() else "fp32"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return said.removesuffix(".")
