"""What an export is asked for, and all that can be wrong with that before anything heavy is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from unfreeze.errors import ConfigError, did_you_mean, raise_together

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FORMATS", "PACKAGES", "ExportRequest", "FormatName"]

FormatName = Literal["onnx", "openvino", "torch"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
SUFFIXES: dict[FormatName, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
PACKAGES: dict[FormatName, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
    "torch": (),
}


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export to, and how.

    Attributes:
        format: "onnx", "openvino" or "torch".
        out: the file to write: `.onnx`, `.xml` (its weights in a `.bin` beside it) or `.pt2`.
        fixed_input: leave the resizing out: the file then takes pictures of the network's own size.
        n_pictures: how many pictures the exported file is compared on with the training network, at most.

    Raises:
        ConfigError: something cannot be; all problems are named together.
    """

    format: FormatName
    out: Path
    fixed_input: bool = False
    n_pictures: int = 100

    def __post_init__(self) -> None:
        """Check all values, so that nothing is converted in vain."""
        raise_together([*self._problems()], ConfigError)

    def _problems(self) -> Iterator[str]:
        if self.n_pictures < 1:
            yield f"--pictures must be at least 1, but got {self.n_pictures}."
        if self.format not in FORMATS:
            near = did_you_mean(self.format, FORMATS)
            yield f'--format must be one of {", ".join(FORMATS)}, but got "{self.format}".{near}'
            return
        missing = [package for package in PACKAGES[self.format] if find_spec(package) is None]
        if missing:
            need = "pip install openvino" if self.format == "openvino" else "pip install 'unfreeze[export]'"
            yield f"--format {self.format} needs {', '.join(missing)}, which is not installed; install it with: {need}"
        yield from _place_problems(self.out, SUFFIXES[self.format], self.format)


def _place_problems(out: Path, suffix: str, format_name: FormatName) -> Iterator[str]:
    if out.is_dir():
        yield f'--out "{out}" is a directory; name a file in it, as "{out / ("model" + suffix)}".'
        return
    if out.suffix != suffix:
        yield f'--out must end in {suffix} for --format {format_name}, but got "{out}".'
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir():
        yield f'--out "{out}": "{parent}" is a file; name another place.'
    elif not os.access(parent, os.W_OK):
        yield f'--out "{out}": "{parent}" cannot be written to; name another place.'
