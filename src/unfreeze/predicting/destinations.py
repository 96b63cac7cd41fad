"""Where a prediction's results go: what cannot take them is said before a network loads."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from unfreeze.data.listing import escape_name, is_text
from unfreeze.errors import ConfigError
from unfreeze.predicting.tables import KINDS

if TYPE_CHECKING:
    from unfreeze.predicting.sources import PictureFiles

__all__ = ["check_heat_maps", "check_out"]


def check_out(out: Path) -> None:
    """Raise ConfigError if a table cannot be written there: by its name, or because of where that is."""
    if not is_text(str(out)):
        raise ConfigError(f'--out "{escape_name(str(out))}" is not valid UTF-8; name another file.')
    if out.suffix.lower() not in KINDS:
        raise ConfigError(f'--out must end in {", ".join(list(KINDS)[:-1])} or {list(KINDS)[-1]}, but got "{out}".')
    if out.is_dir():
        raise ConfigError(f'--out "{out}" is a directory; name a file in it.')
    _check_writable(out.parent, f'--out "{out}"')


def check_heat_maps(directory: Path, files: PictureFiles) -> None:
    """Raise ConfigError if heat maps cannot be drawn, or not there: they would be found as pictures, or not written."""
    if find_spec("captum") is None:
        from unfreeze.evaluation.attribution import MISSING

        raise ConfigError(MISSING)
    real, shown = directory.resolve(), f'--heatmaps "{escape_name(str(directory))}"'
    for folder in files.folders:
        if real.is_relative_to(folder.resolve()):
            raise ConfigError(
                f'{shown} lies in "{escape_name(str(folder))}", whose pictures are predicted: heat maps would be among '
                "them. Name a directory outside of it."
            )
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{shown} is a file; name a directory.")
    _check_writable(directory, shown)


def _check_writable(directory: Path, shown: str) -> None:
    """Try it, in the nearest directory that exists, and leave nothing: permissions alone do not tell."""
    above = (directory, *directory.absolute().parents)
    nearest = next(folder for folder in above if os.path.exists(folder))  # noqa: PTH110 - never raises
    try:
        with TemporaryFile(dir=nearest):
            return
    except OSError as error:
        raise ConfigError(
            f'{shown} cannot be written: "{escape_name(str(nearest))}" takes no files ({error.strerror}). Name another '
            "place."
        ) from None
