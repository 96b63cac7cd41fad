"""Weights from a file into a backbone: by name, else in order, else an error that says which tensors do not fit."""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from unfreeze.errors import WeightsError
from unfreeze.layers import strip_wrappers

__all__ = ["fit_tensors", "load_tensors", "read_tensors", "sha256_of"]

Tensors = Mapping[str, Tensor]

COUNTER = "num_batches_tracked"  # counts training steps; it changes no output
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model_state", "model", "net")
# First components of classifiers in timm, torchvision and the usual ports; VGG's pre_logits go with its classifier.
CLASSIFIERS = (
    "aux_classifier", "classifier", "_fc", "fc", "head", "heads", "head_dist", "last_linear", "linear", "pre_logits",
)  # fmt: skip
N_NAMED = 3  # tensors that an error names, of each sort


@dataclass(frozen=True)
class _Fit:
    """How the tensors of a file, under one reading of their names, fit those of a network."""

    tensors: dict[str, Tensor]
    missing: list[str] = field(default_factory=list)
    misshaped: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def n_wrong(self) -> int:
        return len(self.missing) + len(self.misshaped) + len(self.unexpected)


def load_tensors(backbone: nn.Module, tensors: Tensors, *, source: str) -> tuple[str, ...]:
    """Load the tensors of a file into a backbone and return notes on what was left out or assumed.

    Raises:
        WeightsError: the tensors do not fit.
    """
    fitted, notes = fit_tensors(backbone, tensors, source=source)
    backbone.load_state_dict(fitted, strict=False)
    return notes


def fit_tensors(backbone: nn.Module, tensors: Tensors, *, source: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Give every tensor of a backbone its counterpart from a file.

    By name first, wrapper prefixes stripped, the classifier left out, converted by timm where the names are those of
    the network's original release or the size differs (position tables are resampled). Else in order, if the last
    parts of all names and all shapes agree: ports keep PyTorch's order. Running counters are never needed.

    Returns:
        The tensors by the backbone's own names, and notes for the user.

    Raises:
        WeightsError: the tensors fit in neither way; some are named, all are counted.
    """
    wanted = {name: t for name, t in backbone.state_dict().items() if not name.endswith(COUNTER)}
    fits = []
    for reading in _readings(backbone, tensors):
        fit = _by_name(wanted, reading)
        fits.append(fit)
        if fit.n_wrong == 0:
            return fit.tensors, _ignored_note(fit.ignored, source)
    in_order = _in_order(wanted, tensors)
    if in_order is not None:
        note = (
            f"The tensors of {source} have other names than the network's; they were loaded in order, all shapes agree."
        )
        return in_order.tensors, (note, *_ignored_note(in_order.ignored, source))
    raise WeightsError(_misfit(min(fits, key=lambda fit: fit.n_wrong), type(backbone).__name__, source))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors, .pt, .pth or .bin file; nothing in it is ever executed.

    Raises:
        WeightsError: the file is missing, of another kind, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsError(f'The weights file "{path}" does not exist.')
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise WeightsError(f'"{path}" is not a whole safetensors file: {error}') from error
    if path.suffix not in {".pt", ".pth", ".bin"}:
        raise WeightsError(
            f'A weights file must end in .safetensors, .pt, .pth or .bin, but got "{path.name}". '
            "Save the network's state_dict() by safetensors.torch.save_file or torch.save."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'"{path}" holds Python objects besides tensors, or is damaged; it is not loaded, because it could '
            "run code. Save the network's state_dict() instead of the network."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise WeightsError(f'"{path}" cannot be read as PyTorch weights: {error}') from error
    return _tensors_in(content, path)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f'"{path}" cannot be read: {error.strerror or error}.') from error


def _tensors_in(content: object, path: Path) -> dict[str, Tensor]:
    """Find the state dict in a checkpoint, which may keep it under one of the usual keys."""
    for _ in range(2):
        if isinstance(content, dict):
            content = next((content[key] for key in NESTED if isinstance(content.get(key), dict)), content)
    found = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not found:
        raise WeightsError(f'"{path}" holds no named tensors. Save the network\'s state_dict() in it.')
    return found


def _readings(backbone: nn.Module, tensors: Tensors) -> Iterator[Tensors]:
    """Yield the tensors under each way of reading their names, the plainest first."""
    if any(name.startswith("backbone.") for name in tensors):  # our own run's, or a detector's: its backbone alone
        inner = {n: t for n, t in tensors.items() if n.startswith("head.")}  # so that leaving it out is said
        inner |= {n.removeprefix("backbone."): t for n, t in tensors.items() if n.startswith("backbone.")}
        yield inner
        yield from _converted(backbone, inner)
    stripped = {strip_wrappers(name): t for name, t in tensors.items()}
    yield stripped
    yield from _converted(backbone, stripped)
    for prefix in dict.fromkeys(name.partition(".")[0] + "." for name in stripped):
        inner = {n.removeprefix(prefix): t for n, t in stripped.items() if n.startswith(prefix)}
        if 2 * len(inner) > len(stripped):
            yield inner
            yield from _converted(backbone, inner)


def _converted(backbone: nn.Module, tensors: Tensors) -> Iterator[Tensors]:
    """Yield what timm's own conversion for this architecture makes of the tensors, if it has one that succeeds."""
    convert: Callable[..., object] | None
    convert = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return
    try:
        converted = convert(dict(tensors), backbone)
    except Exception:  # noqa: BLE001 - written for its own releases, it may fail on any other file in any way
        return
    if isinstance(converted, dict):
        yield converted


def _by_name(wanted: Tensors, tensors: Tensors) -> _Fit:
    fit = _Fit(tensors={})
    for name, tensor in wanted.items():
        if name not in tensors:
            fit.missing.append(name)
        elif tensors[name].shape != tensor.shape:
            fit.misshaped.append(f"{name}: got {tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}")
        else:
            fit.tensors[name] = tensors[name]
    for name in tensors:
        if name not in wanted and not name.endswith(COUNTER):
            (fit.ignored if name.split(".")[0] in CLASSIFIERS else fit.unexpected).append(name)
    return fit


def _in_order(wanted: Tensors, tensors: Tensors) -> _Fit | None:
    """Pair tensors by position; only a classifier's weight and bias may follow."""
    found = [(name, t) for name, t in tensors.items() if not name.endswith(COUNTER)]
    rest = found[len(wanted) :]
    pairs = list(zip(wanted.items(), found, strict=False))
    is_classifier = [re.split(r"\W", name)[-1] for name, _ in rest] in ([], ["weight"], ["weight", "bias"])
    if len(found) < len(wanted) or not is_classifier or any(t.ndim > 2 for _, t in rest):  # noqa: PLR2004 - a matrix
        return None
    for (name, tensor), (other, candidate) in pairs:
        if tensor.shape != candidate.shape or name.rpartition(".")[2] != other.rpartition(".")[2]:
            return None
    return _Fit({name: candidate for (name, _), (_, candidate) in pairs}, ignored=[name for name, _ in rest])


def _ignored_note(ignored: list[str], source: str) -> tuple[str, ...]:
    if not ignored:
        return ()
    return (f"The classifier of {source} was left out ({_some(ignored)}); the network gets a head of its own.",)


def _misfit(fit: _Fit, architecture: str, source: str) -> str:
    parts = [
        f"{len(names)} {what}: {_some(names)}"
        for what, names in (
            ("missing", fit.missing),
            ("of another shape", fit.misshaped),
            ("unexpected", fit.unexpected),
        )
        if names
    ]
    return (
        f"The tensors of {source} do not fit this {architecture}, neither by name ({len(fit.tensors)} do) "
        "nor in order; "
        f"{'; '.join(parts)}. Give weights of the same architecture, or the --model that these belong to."
    )


def _some(names: list[str]) -> str:
    more = len(names) - N_NAMED
    return ", ".join(names[:N_NAMED]) + (f" and {more} more" if more > 0 else "")
