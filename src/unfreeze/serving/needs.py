"""The packages that a service needs, which come with an extra."""

from __future__ import annotations

from importlib.util import find_spec

from unfreeze.errors import ConfigError

__all__ = ["check_extra"]

PACKAGES = ("fastapi", "uvicorn", "python_multipart")


def check_extra() -> None:
    """Raise ConfigError where a package of the extra `serve` is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"A service needs {', '.join(missing)}: pip install 'unfreeze[serve]'")
