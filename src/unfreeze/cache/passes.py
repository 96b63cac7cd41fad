"""A pass on disk: the directory of its shards, where each row lies, and what becomes of damaged ones."""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from unfreeze.cache.layout import PassDescription, TensorSpec
from unfreeze.cache.quota import PassSize
from unfreeze.cache.shards import PART, DamagedShardError, Shard, count_rows, open_shard

__all__ = [
    "PassEntry",
    "PassIndex",
    "delete_folder",
    "describe",
    "entry_of",
    "index_pass",
    "mark_used",
    "pass_folders",
    "size_of",
    "sweep",
]

DESCRIPTION, USED = "description.json", "used"
DROPPED = ".dropped-"
STALE_SECONDS = 3600  # an unfinished shard that nobody wrote to for so long was left by a process that died
_KEY = re.compile(r"[0-9a-f]{64}")


class PassEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A pass as `unfreeze cache list` shows it; `description` is None where it cannot be read."""

    key: str
    description: PassDescription | None
    n_rows: int
    n_bytes: int
    used: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class PassIndex:
    """The shards of a pass that can be used together, all with the same tensors."""

    shards: tuple[Shard, ...]

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """The tensors of every row; empty if there are no shards."""
        return self.shards[0].manifest.tensors if self.shards else ()

    def locate(self, row_keys: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return for each row the number of its shard, -1 if it is nowhere, and its place in it; (n,) each."""
        places: dict[str, int] = {}
        starts = np.cumsum([0, *(shard.manifest.n_rows for shard in self.shards)])
        for shard, start in zip(self.shards, starts[:-1].tolist(), strict=True):
            for number, key in enumerate(shard.manifest.rows, start):
                places.setdefault(key, number)
        found = np.fromiter((places.get(key, -1) for key in row_keys), np.int64, len(row_keys))
        shard_of = np.searchsorted(starts, found, side="right") - 1
        return shard_of, np.where(found < 0, -1, found - starts[shard_of])


def index_pass(folder: Path) -> PassIndex:
    """Read the manifests of a pass; a damaged shard is deleted, what is not a shard is passed over."""
    shards = []
    for each in sorted(_subfolders(folder)):
        if each.name.startswith("."):
            continue
        try:
            shard = open_shard(each)
        except DamagedShardError:
            delete_folder(each)
            continue
        except OSError:
            continue
        if shard is not None:
            shards.append(shard)
    n_rows = Counter[tuple[TensorSpec, ...]]()
    for shard in shards:
        n_rows[shard.manifest.tensors] += shard.manifest.n_rows
    specs = n_rows.most_common(1)[0][0] if shards else ()
    return PassIndex(tuple(shard for shard in shards if shard.manifest.tensors == specs))


def pass_folders(root: Path) -> Iterator[Path]:
    """Iterate over the directories that are passes by their names."""
    return (each for each in _subfolders(root) if _KEY.fullmatch(each.name))


def entry_of(folder: Path) -> PassEntry:
    """Return what there is to say of a pass."""
    try:
        description = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=PassDescription)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        description = None
    size = size_of(folder)
    n_rows = sum(count_rows(each) for each in _subfolders(folder))
    return PassEntry(key=folder.name, description=description, n_rows=n_rows, n_bytes=size.n_bytes, used=size.used)


def size_of(folder: Path) -> PassSize:
    """Return how many bytes the files of a pass take, and when it was last used."""
    n_bytes = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            n_bytes += path.stat().st_size if path.is_file() else 0
    return PassSize(folder.name, n_bytes, _last_used(folder))


def describe(folder: Path, description: PassDescription) -> None:
    """Write what a pass is into it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{PART}{uuid.uuid4().hex}"
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
        part.replace(folder / DESCRIPTION)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    (folder / USED).touch()


def mark_used(folder: Path) -> None:
    """Note that a pass is used now; where nothing can be written, nothing is noted."""
    with suppress(OSError):
        if folder.is_dir():
            (folder / USED).touch()


def delete_folder(folder: Path) -> bool:
    """Delete a pass or a shard, so that no reader meets half of it; return whether it is gone.

    Another process that has it mapped keeps what it has. Where the system forbids to move what is open
    (Windows), it stays.
    """
    aside = folder.with_name(f"{DROPPED}{uuid.uuid4().hex}")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def sweep(root: Path) -> None:
    """Delete what processes left that died: unfinished shards, half-deleted passes."""
    for folder in (root, *pass_folders(root)):
        for each in _subfolders(folder):
            if each.name.startswith(DROPPED) or (each.name.startswith(PART) and _is_stale(each)):
                shutil.rmtree(each, ignore_errors=True)


def _last_used(folder: Path) -> float:
    """Return when a pass was last used, in seconds since 1970; 0 if it is not there."""
    for path in (folder / USED, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _is_stale(part: Path) -> bool:
    """Whether nobody wrote to an unfinished shard for long; one that vanishes meanwhile is no longer ours."""
    try:
        newest = max(path.stat().st_mtime for path in (part, *part.iterdir()))
    except OSError:
        return False
    return time.time() - newest > STALE_SECONDS


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:
        return []
