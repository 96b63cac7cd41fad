"""Where the cache lies, and how large it may become."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from unfreeze.errors import CacheError, ConfigError

__all__ = ["cache_directory", "cache_quota", "free_bytes", "parse_bytes"]

DIRECTORY_VARIABLE = "UNFREEZE_CACHE_DIR"
QUOTA_VARIABLE = "UNFREEZE_CACHE_QUOTA"
LARGEST_DEFAULT_QUOTA = 20 * 10**9  # bytes
DEFAULT_SHARE = 0.1  # of the disk that is free or already the cache's
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", flags=re.IGNORECASE)


def cache_directory(directory: Path | str | None = None) -> Path:
    """Return where activations are kept; nothing is made.

    Args:
        directory: None takes `UNFREEZE_CACHE_DIR`, else the user's cache directory of the system: on Linux
            `~/.cache/unfreeze`, or below `XDG_CACHE_HOME` if that is set.

    Raises:
        CacheError: there is a file in its place, or no home directory to keep it in.
    """
    import platformdirs

    named = directory if directory is not None else os.environ.get(DIRECTORY_VARIABLE) or None
    try:
        path = platformdirs.user_cache_path("unfreeze", appauthor=False) if named is None else Path(named).expanduser()
        path = path.absolute()
        is_other = path.exists() and not path.is_dir()
    except (RuntimeError, OSError) as error:  # no home directory, or no right to look there
        raise CacheError(
            f"There is no cache directory here ({error}); name one by --cache-dir, or use --no-cache."
        ) from error
    if is_other:
        raise CacheError(f'The cache directory "{path}" is a file; name a directory, or one that is still to be made.')
    return path


def cache_quota(directory: Path, *, n_bytes_used: int = 0) -> int:
    """Return how many bytes the cache may take unless told otherwise.

    `UNFREEZE_CACHE_QUOTA` ("50 GB", "800MB", or bytes) if it is set; else 20 GB, or a tenth of what is free on
    the disk (what the cache has counts as free) if that is less.

    Raises:
        ConfigError: the variable is not an amount.
    """
    told = os.environ.get(QUOTA_VARIABLE)
    if told:
        return parse_bytes(told, name=QUOTA_VARIABLE)
    return min(LARGEST_DEFAULT_QUOTA, int(DEFAULT_SHARE * (free_bytes(directory) + n_bytes_used)))


def parse_bytes(text: str, *, name: str) -> int:
    """Read an amount of memory: "50 GB" is 50,000,000,000.

    Raises:
        ConfigError: it is none; `name` says what it was for.
    """
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ConfigError(f'{name} must be an amount such as "20 GB", "800MB" or a number of bytes, but got "{text}".')
    return int(float(found[1]) * _UNITS[found[2].lower()])


def free_bytes(directory: Path) -> int:
    """Return how much is free where a directory is or would be; where that cannot be known, more than anybody has."""
    for place in (directory, *directory.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            break
    return sys.maxsize
