"""Exporting: convert, compare with the training network, and only then put the files where they were asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from unfreeze.backbones.weights import sha256_of
from unfreeze.errors import FailedError, RunError, UnfreezeError
from unfreeze.exporting.deployment import deploy
from unfreeze.exporting.example_script import EXAMPLE_SUFFIX, example_script
from unfreeze.exporting.metadata import describe_network, describe_state_dict
from unfreeze.exporting.model_card import CARD_FILE, is_ours, model_card
from unfreeze.exporting.onnx_file import open_onnx, write_onnx
from unfreeze.exporting.openvino_file import open_openvino, write_openvino
from unfreeze.exporting.parity import LIMIT, UNDECIDED_WITHIN, compare_program, reading_notes
from unfreeze.exporting.parity_record import PARITY_SUFFIX, ParityRecord
from unfreeze.exporting.pictures import samples
from unfreeze.exporting.request import PACKAGES
from unfreeze.exporting.resizing import MatrixResize, NativeResize, can_resize_inside
from unfreeze.exporting.timm_weights import TIMM_SUFFIX, NotPlainError, timm_state_dict, write_timm
from unfreeze.exporting.torch_file import open_torch, write_torch
from unfreeze.records import RunRecord, read_json, write_json, write_text
from unfreeze.training.directory import environment, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from unfreeze.backbones import Network
    from unfreeze.exporting.request import ExportRequest

__all__ = ["Exported", "export_network"]

WRITERS = {"onnx": write_onnx, "openvino": write_openvino, "torch": write_torch}
RESIZES = {"onnx": MatrixResize, "openvino": MatrixResize, "torch": NativeResize}
OPENERS = {"onnx": open_onnx, "openvino": open_openvino, "torch": open_torch}
ALWAYS = ("unfreeze", "torch", "timm", "numpy", "pillow")  # packages that every comparison depends on

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export left.

    Attributes:
        path: the exported file.
        files: all files that were written, the exported one first.
        parity: how near it is to the training network.
        notes: what the user should know.
    """

    path: Path
    files: tuple[Path, ...]
    parity: ParityRecord
    notes: tuple[str, ...] = ()


def export_network(
    network: Network, run: Path, request: ExportRequest, *, stage: Callable[[str], None] = lambda _text: None
) -> Exported:
    """Export a finished run's network, compare the file with it on pictures, and write a model card.

    Everything is written to a folder beside the place asked for, and moved there when the file has passed; files of
    the same names are replaced. A model card that somebody has made their own stays.

    Args:
        network: the run's, on the CPU, in evaluation mode.
        run: its directory.
        request: what to export to.
        stage: told which part of the work begins.

    Returns:
        What was written, and how near it is.

    Raises:
        FailedError: it cannot be converted or written, or is too far from the training network; nothing is left.
    """
    any_size = can_resize_inside(network.spec) and not request.fixed_input
    notes = [] if any_size or request.fixed_input else [_why_fixed(network)]
    digest = sha256_of(run / "model.safetensors")
    described = describe_network(network.record, any_size=any_size, weights_sha256=digest)
    out = request.out
    with _place_beside(out) as place:
        _check_room(place, network, request)
        stage(f"Converting to {request.format}")
        file = place / out.name
        resize = RESIZES[request.format](network.spec) if any_size else None
        deployment = deploy(network, resize=resize)
        _converted(request, lambda: WRITERS[request.format](deployment, file, metadata=described))
        stage("Comparing with the training network")
        parity = _compared(network, file, run, request, any_size=any_size, weights_sha256=digest)
        _refuse_far(parity, request)
        notes += parity.notes
        write_json(place / (out.name + PARITY_SUFFIX), parity)
        script = example_script(out.name, request.format, network.spec, any_size=any_size)
        write_text(place / (out.name + EXAMPLE_SUFFIX), script)
        if request.format == "torch":
            notes += _write_timm(place / (out.stem + TIMM_SUFFIX), network, weights_sha256=digest)
        if is_ours(out.with_name(CARD_FILE)):
            earlier, unreadable = _earlier(out.parent, parity)
            notes += unreadable
            write_text(place / CARD_FILE, model_card(run, parities=(*earlier, parity)))
        else:
            notes.append(f'"{out.with_name(CARD_FILE)}" was edited by hand and is left as it is.')
        files = _moved(place, out)
    return Exported(path=out, files=files, parity=parity, notes=tuple(notes))


def _compared(
    network: Network, file: Path, run: Path, request: ExportRequest, *, any_size: bool, weights_sha256: str
) -> ParityRecord:
    """Run a file, as it was written, beside the training network."""
    record = read_json(run / "run.json", RunRecord)
    source, pictures = samples(record, network.spec, n=request.n_pictures)
    program = _converted(request, lambda: OPENERS[request.format](file))
    found = _converted(request, lambda: compare_program(program, network, pictures, any_size=any_size))
    notes = [_gone(record)] if source == "generated" else reading_notes(found.same_pixels, found.file_to_file)
    return ParityRecord(
        file=file.name,
        format=request.format,
        sha256=sha256_of(file.with_suffix(".bin") if request.format == "openvino" else file),
        weights_sha256=weights_sha256,
        input="any size" if any_size else "fixed size",
        pictures=source,
        sizes=found.sizes,
        limit=LIMIT,
        undecided_within=UNDECIDED_WITHIN,
        same_pixels=found.same_pixels,
        batch=found.batch,
        file_to_file=found.file_to_file,
        speed=found.speed,
        environment=environment((*ALWAYS, *PACKAGES[request.format])),
        created=now(),
        notes=tuple(notes),
    )


def _gone(record: RunRecord) -> str:
    return f'The run\'s pictures ("{record.data.path}") are gone: generated ones were compared.'


def _why_fixed(network: Network) -> str:
    spec = network.spec
    what = f'crop "{spec.crop}"' if spec.crop != "squash" else f'"{spec.interpolation}" interpolation'
    height, width = spec.size
    return (
        f"With {what} the resizing cannot be a part of the file: it takes pictures of {width}x{height} px. Its "
        "example script shows how they are made."
    )


@contextmanager
def _place_beside(out: Path) -> Iterator[Path]:
    """Yield a folder on the same disk that is gone afterwards, as are the folders made for it if nothing came of it."""
    missing = [folder for folder in out.absolute().parents if not folder.exists()]
    place: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield place
    except OSError as error:
        raise FailedError(
            f'"{out}" cannot be written: {error.strerror or error}. Make room or name another place by --out.'
        ) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        for folder in missing:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _check_room(place: Path, network: Network, request: ExportRequest) -> None:
    """Raise FailedError where the disk has no room for the weights: converters say it in riddles, if at all."""
    n_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    needed = n_bytes * (2 if request.format == "torch" else 1)  # the state dict for timm too
    free = shutil.disk_usage(place).free
    if free < needed:
        raise FailedError(
            f'"{request.out}" needs about {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free. Make room or name '
            "another place by --out."
        )


def _converted(request: ExportRequest, work: Callable[[], Result]) -> Result:
    """Do what foreign converters and runtimes do; whatever they raise becomes one error that says what to try."""
    try:
        return work()
    except (OSError, UnfreezeError):
        raise
    except Exception as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        others = " or ".join(name for name in WRITERS if name != request.format)
        advice = "" if request.fixed_input else "--fixed-input, which leaves the resizing out, or "
        raise FailedError(
            f"The network cannot be exported to {request.format} ({type(error).__name__}: {first}). Nothing was "
            f"written. Try {advice}--format {others}."
        ) from error


def _refuse_far(parity: ParityRecord, request: ExportRequest) -> None:
    """Raise FailedError if a file is too far from the training network."""
    if parity.problem is None:
        return
    advice = "" if request.fixed_input else " Try --fixed-input, which leaves the resizing to your own code."
    raise FailedError(
        f"The {request.format} file is not the network that was trained: {parity.problem}. Nothing was written.{advice}"
    )


def _write_timm(path: Path, network: Network, *, weights_sha256: str) -> list[str]:
    """Write the state dict for timm if there can be one; else say why not, and what to do instead."""
    described = describe_state_dict(network.record, weights_sha256=weights_sha256)
    try:
        write_timm(path, timm_state_dict(network), network, metadata=described)
    except NotPlainError as error:
        instead = "Load the .pt2 file with torch.export.load, or the run with unfreeze.load(RUN).model."
        return [f"No state dict for timm: {error}. {instead}"]
    return []


def _earlier(folder: Path, new: ParityRecord) -> tuple[list[ParityRecord], list[str]]:
    """Return the records of other exports of the same weights beside a new one, and notes on what cannot be read."""
    found, notes = [], []
    for path in sorted(folder.glob(f"*{PARITY_SUFFIX}")):
        if path.name == new.file + PARITY_SUFFIX:
            continue  # is replaced
        try:
            record = read_json(path, ParityRecord)
        except (RunError, OSError):
            notes.append(f'"{path}" cannot be read (of another version, or damaged): the model card leaves it out.')
            continue
        if record.weights_sha256 == new.weights_sha256 and (folder / record.file).is_file():
            found.append(record)
    return found, notes


def _moved(place: Path, out: Path) -> tuple[Path, ...]:
    """Move all files from where they were made, the exported one last, so that it never stands without the others."""
    made = sorted(place.iterdir(), key=lambda path: path.name == out.name)
    for path in made:
        os.replace(path, out.with_name(path.name))  # noqa: PTH105 - says that an existing file is replaced, in one step
    return tuple(out.with_name(path.name) for path in reversed(made))
