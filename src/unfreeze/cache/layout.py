"""How rows lie in a shard: one record per row, in it one tensor after another, each in C order, little-endian."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from unfreeze.cache.keys import FORMAT_VERSION

__all__ = ["Manifest", "PassDescription", "Records", "TensorSpec", "pack", "record_dtype", "specs_of"]

Records = npt.NDArray[np.void]

ALIGNMENT = 16  # bytes; every tensor begins at a multiple of it within its record
KINDS = "biufc"  # bool, integers, floats: what can be written as bytes


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of the frontier: its name, its shape without the batch axis, and its NumPy dtype ("<f4")."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def n_bytes(self) -> int:
        """How many bytes one row of it takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class PassDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass is, for people; nothing is decided by it."""

    model: str
    frontier: str  # up to where: "features", "blocks.5"
    size: tuple[int, int]  # height, width in pixels
    views: str  # "evaluation", "light, seed 0"
    engine: str
    precision: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard holds. `sha256` is of its data file, `checksum` of everything else that is said here."""

    tensors: tuple[TensorSpec, ...]
    n_rows: int
    n_bytes: int
    sha256: str
    rows: tuple[str, ...]
    format: int = FORMAT_VERSION
    checksum: str = ""

    def sealed(self) -> Manifest:
        """Return it with its checksum."""
        return msgspec.structs.replace(self, checksum=self._own_checksum())

    def is_sound(self) -> bool:
        """Whether it is as it was sealed, and its numbers fit each other."""
        if self.checksum != self._own_checksum():
            return False
        n_bytes = record_dtype(self.tensors).itemsize * self.n_rows
        return self.n_rows == len(self.rows) > 0 and self.n_bytes == n_bytes

    def _own_checksum(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, checksum=""))).hexdigest()


def specs_of(tensors: Mapping[str, npt.NDArray[Any]]) -> tuple[TensorSpec, ...]:
    """Return the specs of a batch, (B, ...) each."""
    specs = []
    for name, values in tensors.items():
        assert values.dtype.kind in KINDS, f"{name} is {values.dtype}, which has no bytes of its own"
        specs.append(TensorSpec(name=name, shape=values.shape[1:], dtype=values.dtype.newbyteorder("<").str))
    return tuple(specs)


def record_dtype(specs: Sequence[TensorSpec]) -> np.dtype[np.void]:
    """Return the dtype of one row; field `name` of an array of it is that tensor, (n, ...).

    Raises:
        ValueError, TypeError: the specs were not written by this package.
    """
    offsets, end = [], 0
    for spec in specs:
        if np.dtype(spec.dtype).kind not in KINDS or any(side < 0 for side in spec.shape):
            raise ValueError(f"a tensor cannot be {spec}")
        offsets.append(end)
        end += -(-spec.n_bytes // ALIGNMENT) * ALIGNMENT
    formats = [(np.dtype(spec.dtype), spec.shape) for spec in specs]
    names = [spec.name for spec in specs]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": max(end, 1)})


def pack(tensors: Mapping[str, npt.NDArray[Any]], dtype: np.dtype[np.void]) -> Records:
    """Return a batch as records, gaps filled with zeros, so that equal rows are equal bytes."""
    n_rows = len(next(iter(tensors.values())))
    records = np.zeros(n_rows, dtype)
    for name, values in tensors.items():
        records[name] = values
    return records
