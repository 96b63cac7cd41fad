"""`unfreeze teach`: pictures are added to classes on a page, and a head learns them at once."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import JsonFlag, TeachFlags, WholeNumber, options_from

__all__ = ["teach_command"]

SERVICE = Group("Service", sort_key=2)
FOLDER = "lesson"


def teach_command(
    folder: Annotated[Path, Parameter(help="A folder with one folder of pictures per class, or a new one.")] = Path(
        FOLDER
    ),
    /,
    *,
    flags: Annotated[TeachFlags | None, Parameter(name="*")] = None,
    port: Annotated[WholeNumber, Parameter(group=SERVICE, help="Where to listen; 0 takes any that is free.")] = 8000,
    host: Annotated[
        str, Parameter(group=SERVICE, help="Who can reach it: 127.0.0.1 this machine only, 0.0.0.0 the network.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        Parameter(group=SERVICE, help="Ask for the token in this file. [default: that in UNFREEZE_TOKEN, else none]"),
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(group=SERVICE, help="A further name that it is called by, such as a proxy's; repeatable."),
    ] = (),
    json: JsonFlag = False,
) -> Answer:
    """Teach classes on a web page: add pictures, try the head that learns them at once, save it as a run.

    Ctrl-C or SIGTERM ends it, once what is in flight is answered.
    """
    import unfreeze as uf
    from unfreeze.serving.tokens import find_token

    url = uf.teach(
        folder,
        host=host,
        port=port,
        token=find_token(token_file),
        also_known_as=allow_host,
        said=lambda text: print(text, file=sys.stderr, flush=True),
        **options_from(flags or {}),
    )
    return Answer(as_json=json, payload={"folder": str(folder), "url": url}, shown=["Stopped."])
