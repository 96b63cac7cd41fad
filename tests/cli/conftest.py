"""Commands run as a user runs them: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from unfreeze.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

# A real timm network, small enough that a training of it takes a second or two.
TINY = ("--model", "test_efficientnet", "--no-pretrained", "--size", "32")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return stdout as the one JSON value that it must be."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options of `train` for a real network that trains in a second or two."""
    return TINY


@pytest.fixture
def unfreeze(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """`unfreeze("train", folder, "--json")` runs the command in a fresh working directory."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Outcome(code, shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def pets(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., np.ndarray]) -> Path:
    """A folder of two classes of fourteen pictures each; tests must not change it."""
    root = tmp_path_factory.mktemp("data") / "pets"
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for index in range(14):
            Image.fromarray(make_picture(label, seed=index)).save(root / name / f"{index:02d}.png")
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, pets: Path) -> Path:
    """The directory of a finished run on `pets`; tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert main(["train", str(pets), *TINY, "--epochs", "1", "--out", str(out)]) == 0
    return out
