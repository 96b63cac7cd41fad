"""`unfreeze export`: a run's network as one file that needs no unfreeze, checked against the training network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import OUTPUT, JsonFlag, WholeNumber
from unfreeze.exporting.request import ExportRequest, FormatName
from unfreeze.records import to_builtins

if TYPE_CHECKING:
    from unfreeze.exporting import Agreement, Exported, ParityRecord

__all__ = ["export_command"]


def export_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    /,
    *,
    format: Annotated[FormatName, Parameter(group=OUTPUT, help="What to export to.")],  # noqa: A002 - the option's name
    out: Annotated[
        Path, Parameter(group=OUTPUT, help="The file to write: .onnx, .xml (OpenVINO) or .pt2 (torch.export).")
    ],
    fixed_input: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            help="Leave the resizing out: the file takes pictures of the network's own size.",
            show_default=False,
        ),
    ] = False,
    pictures: Annotated[
        WholeNumber, Parameter(group=OUTPUT, help="Compare on at most so many of the run's pictures.")
    ] = 100,
    json: JsonFlag = False,
) -> Answer:
    """Write a run's network as one file that needs no unfreeze.

    The file is compared with the network that was trained on real pictures, and left only if it agrees.
    """
    ExportRequest(format=format, out=out, fixed_input=fixed_input, n_pictures=pictures)  # before torch is loaded
    import unfreeze as uf
    from unfreeze.cli.progress import watching

    loaded = uf.load(run)
    with watching() as progress:
        exported = loaded.export(out, format=format, fixed_input=fixed_input, pictures=pictures, progress=progress)
    return Answer(
        as_json=json,
        payload={
            "run": str(run),
            "out": str(exported.path),
            "files": [str(file) for file in exported.files],
            "parity": to_builtins(exported.parity),
            "notes": list(exported.notes),
        },
        shown=[*_shown(exported)],
    )


def _shown(exported: "Exported") -> list[str]:
    parity = exported.parity
    speed = parity.speed
    n = parity.same_pixels.n_pictures
    lines = [
        f"Exported:  {exported.path} ({parity.input}; compared on {n} pictures, {parity.pictures})",
        f"Parity:    {_agreement_text(parity.same_pixels, parity)}, from the same pixels",
    ]
    if parity.file_to_file is not None:
        lines.append(f"           {_agreement_text(parity.file_to_file, parity)}, from file to file (read by Pillow)")
    lines.append(
        f"Speed:     {speed.export_ms:.1f} ms a picture ({speed.network_ms:.1f} in training's PyTorch), "
        f"{speed.export_batch_ms:.1f} in batches of {speed.n_in_batch}"
    )
    lines += [f"Beside it: {file}" for file in exported.files[1:]]
    lines += [f"note: {note}" for note in exported.notes]
    return lines


def _agreement_text(found: "Agreement", parity: "ParityRecord") -> str:
    """Return an agreement in words: its largest difference, and how many predictions are equal."""
    unit = "" if found.top1_agreement is not None else " standard deviations of the target"
    text = f"largest difference {found.largest_difference:.1e}{unit}"
    if found.top1_agreement is None:
        return text
    text += f", {100 * found.top1_agreement:.4g}% of predictions equal"
    if found.n_undecided:
        text += f" ({found.n_undecided} undecided within {parity.undecided_within:g})"
    return text
