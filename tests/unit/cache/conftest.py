"""Rows whose values tell which they are, so that a mix-up shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unfreeze.cache import ActivationCache, PassDescription, row_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from unfreeze.cache import PassWriter

DESCRIPTION = PassDescription(
    model="resnet18", frontier="layer4", size=(64, 48), views="evaluation", engine="eager", precision="fp32"
)


def key_of(number: int) -> str:
    return row_key(f"{number:064x}", augment="none", view=0, file="")


def tensors_of(numbers: Sequence[int]) -> dict[str, Any]:
    """A vector, a map and a flag for each number; 64 bytes in all with their gaps filled."""
    values = np.asarray(numbers)
    return {
        "pooled": (values[:, None] + np.arange(3) / 8).astype(np.float32),
        "map": np.broadcast_to(values[:, None, None], (len(values), 2, 3)).astype(np.float32),
        "odd": (values % 2).astype(np.int8),
    }


@pytest.fixture(scope="session")
def description() -> PassDescription:
    return DESCRIPTION


@pytest.fixture(scope="session")
def row_keys() -> Callable[[Sequence[int]], list[str]]:
    """`row_keys([3, 5])` → the keys of these rows."""
    return lambda numbers: [key_of(number) for number in numbers]


@pytest.fixture(scope="session")
def tensors() -> Callable[[Sequence[int]], dict[str, Any]]:
    """`tensors([3, 5])` → the tensors of these rows, by name."""
    return tensors_of


@pytest.fixture
def cache(tmp_path: Path) -> ActivationCache:
    return ActivationCache(tmp_path / "cache", quota_bytes=10**9)


@pytest.fixture(scope="session")
def write() -> Callable[..., None]:
    """`write(cache, pass_key, numbers, shards=1)` writes rows in so many shards."""

    def write_rows(cache: ActivationCache, pass_key: str, numbers: Sequence[int], *, shards: int = 1) -> None:
        with cache.writing(pass_key, description=DESCRIPTION, n_rows=len(numbers)) as writer:
            for some in np.array_split(np.asarray(numbers), shards):
                add(writer, some.tolist())
                writer.flush()

    return write_rows


def add(writer: PassWriter, numbers: Sequence[int]) -> None:
    writer.add([key_of(number) for number in numbers], tensors_of(numbers))
