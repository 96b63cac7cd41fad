"""Checkpoints: everything a training needs to go on bit for bit, in one file that is whole or absent.

A checkpoint is a safetensors file. Tensors are grouped in sections (the network now, the optimizer's state,
the best epochs, where the phase began); a tensor that equals one already written, as every frozen one does, is
kept once and named again in the header. The cursor, a small JSON record, lies in the header too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unfreeze.disk import replace_on_disk
from unfreeze.errors import RunError
from unfreeze.records import FeatureSelection, LayerRecord, PhaseRecord, RangeTest

__all__ = [
    "Best",
    "Cursor",
    "Sections",
    "load_checkpoint",
    "optimizer_tensors",
    "restore_network",
    "restore_optimizer",
    "save_checkpoint",
    "snapshot",
]

Sections = Mapping[str, Mapping[str, Tensor]]


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch that was the best on validation."""

    epoch: int  # over the whole training, from 0
    value: float
    val_loss: float


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where a training stands between two optimizer steps, and what it has recorded on the way."""

    phase: int = 0
    step: int = 0  # finished optimizer steps of this phase
    phase_epochs: tuple[int, ...] = ()  # epochs that the finished phases took
    best: Best | None = None  # of the whole training
    phase_best: Best | None = None
    n_bad_epochs: int = 0  # epochs of this phase since its best
    loss_sum: float = 0.0  # over the pictures of the epoch under way
    n_seen: int = 0  # pictures of the epoch under way
    seconds: float = 0.0  # of training so far
    phase_seconds: float = 0.0
    epoch_seconds: float = 0.0
    n_history_bytes: int = 0  # how much of history.jsonl belongs to this state
    hashes_before: dict[str, str] = {}
    range_test: RangeTest | None = None  # what found the rates of the plan that is followed
    selection: FeatureSelection | None = None  # of this phase's features
    phases: tuple[PhaseRecord, ...] = ()
    layers: tuple[LayerRecord, ...] = ()


def snapshot(network: nn.Module, *, without: Collection[str] = ()) -> dict[str, Tensor]:
    """Return a copy on the CPU of the parameters and persistent buffers, by name; those of `without` are left out."""
    held = network.state_dict().items()
    return {name: value.detach().to("cpu", copy=True) for name, value in held if name not in without}


def restore_network(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into the network in place, keeping each parameter's identity and memory format."""
    held = network.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, value in tensors.items():
            held[name].copy_(value)


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, Tensor]:
    """Return a copy on the CPU of the optimizer's state as `parameter/key`; `names` maps `id(parameter)`."""
    return {
        f"{names[id(parameter)]}/{key}": value.detach().to("cpu", copy=True)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> None:
    """Replace the optimizer's state by the given one, in each parameter's own memory format.

    Moments laid out in another memory format than their parameter's would change the last bits (channels-last).
    """
    optimizer.state.clear()
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition("/")
        parameter = parameters[name]
        if value.shape == parameter.shape and value.ndim:
            optimizer.state[parameter][key] = torch.empty_like(parameter, requires_grad=False).copy_(value)
        else:  # counters are on the CPU, but for those of fused optimizers
            place = parameter.device if optimizer.defaults.get("fused") else "cpu"
            optimizer.state[parameter][key] = value.to(place, copy=True)


def save_checkpoint(path: Path, cursor: Cursor, sections: Sections) -> None:
    """Write a checkpoint, replacing the one before only when the new one is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept, aliases = _without_repeats(sections)
    header = {
        "cursor": json.dumps(msgspec.to_builtins(cursor)),  # which keeps what is no number, unlike msgspec.json
        "aliases": msgspec.json.encode(aliases).decode(),
        "sections": msgspec.json.encode(list(sections)).decode(),
    }
    part = path.with_name(path.name + ".part")
    save_file(kept, part, metadata=header)
    replace_on_disk(part, path)


def load_checkpoint(path: Path) -> tuple[Cursor, dict[str, dict[str, Tensor]]]:
    """Read a checkpoint: its cursor, and its sections of tensors on the CPU.

    Raises:
        RunError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise RunError(f'"{path.parent.parent}" has no checkpoint to resume from; train again with another --out.')
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        cursor = msgspec.convert(json.loads(header["cursor"]), Cursor)
        aliases = msgspec.json.decode(header["aliases"], type=dict[str, str])
        names = msgspec.json.decode(header["sections"], type=list[str])
    except (SafetensorError, msgspec.DecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise RunError(f'The checkpoint "{path}" is damaged ({error}); train again with another --out.') from error
    sections: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for full_name in [*kept, *aliases]:
        section, _, name = full_name.partition(":")
        sections[section][name] = kept[aliases.get(full_name, full_name)]
    return cursor, sections


def _without_repeats(sections: Sections) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Split all tensors into those to write and those that equal one written under the same name."""
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    written: dict[str, list[str]] = {}
    for section, tensors in sections.items():
        for name, value in tensors.items():
            full_name = f"{section}:{name}"
            same = next((other for other in written.get(name, ()) if _same_bits(kept[other], value)), None)
            if same is None:
                kept[full_name] = value.contiguous()
                written.setdefault(name, []).append(full_name)
            else:
                aliases[full_name] = same
    return kept, aliases


def _same_bits(a: Tensor, b: Tensor) -> bool:
    if a is b:
        return True
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(_as_bytes(a), _as_bytes(b))  # as bytes: 0.0 and -0.0 are equal numbers, not equal bits


def _as_bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)
