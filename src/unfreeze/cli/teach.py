"""`unfreeze teach`: pictures are added to classes on a page, and a head learns them at once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import JsonFlag, TeachFlags, options_from
from unfreeze.cli.service_flags import ServiceFlags, service_options

__all__ = ["teach_command"]

FOLDER = "lesson"


def teach_command(
    folder: Annotated[Path, Parameter(help="A folder with one folder of pictures per class, or a new one.")] = Path(
        FOLDER
    ),
    /,
    *,
    flags: Annotated[TeachFlags | None, Parameter(name="*")] = None,
    service: Annotated[ServiceFlags | None, Parameter(name="*")] = None,
    json: JsonFlag = False,
) -> Answer:
    """Teach classes on a web page: add pictures, try the head that learns them at once, save it as a run.

    Ctrl-C or SIGTERM ends it, once what is in flight is answered.
    """
    import unfreeze as uf

    url = uf.teach(folder, **service_options(service or {}), **options_from(flags or {}))
    return Answer(as_json=json, payload={"folder": str(folder), "url": url}, shown=["Stopped."])
