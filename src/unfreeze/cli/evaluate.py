"""`unfreeze evaluate`: how good a run's network is on other labelled pictures."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import DATA, JsonFlag, SourceFlags, options_from
from unfreeze.cli.wording import metrics_text
from unfreeze.records import to_builtins

__all__ = ["evaluate_command"]


def evaluate_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    data: Annotated[Path, Parameter(help="Labelled pictures: a folder of class folders, or a table.")],
    /,
    *,
    flags: Annotated[SourceFlags | None, Parameter(name="*")] = None,
    skip_unreadable: Annotated[
        bool,
        Parameter(group=DATA, help="Go on without pictures that cannot be read.", show_default=False),
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """Evaluate a run's network on other labelled pictures.

    How the pictures are read is taken from the run unless it is said here.
    """
    import unfreeze as uf
    from unfreeze.cli.progress import watching

    loaded = uf.load(run)
    with watching() as progress:
        found = loaded.evaluate(data, progress=progress, skip_unreadable=skip_unreadable, **options_from(flags or {}))
    return Answer(
        as_json=json,
        payload={
            "run": str(run),
            "data": str(data),
            "n_images": found.n_images,
            "metrics": to_builtins(found.metrics),
            "notes": list(found.notes),
        },
        shown=[
            f"On {found.n_images} pictures, with 95% intervals:",
            *metrics_text(found.metrics, first=loaded.record.primary_metric),
            *(f"note: {note}" for note in found.notes),
        ],
    )
