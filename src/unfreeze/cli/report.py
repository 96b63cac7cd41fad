"""`unfreeze report`: writes report.html anew from what a run left behind."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import JsonFlag

__all__ = ["report_command"]


def report_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    /,
    *,
    json: JsonFlag = False,
) -> Answer:
    """Write a run's report.html and methods.txt anew, and say where they are."""
    import unfreeze as uf

    path = uf.load(run).report()
    methods = path.with_name("methods.txt")
    return Answer(
        as_json=json,
        payload={"run": str(run), "report": str(path), "methods": str(methods)},
        shown=[f"Report:  {path}", f"Methods: {methods}"],
    )
