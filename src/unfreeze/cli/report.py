"""`unfreeze report`: writes report.html anew from what a run, a comparison or an advice left behind."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unfreeze.advice_records import ADVICE_FILE
from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import JsonFlag
from unfreeze.comparison_records import COMPARE_FILE

__all__ = ["report_command"]


def report_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run, of a comparison, or of an advice.")],
    /,
    *,
    json: JsonFlag = False,
) -> Answer:
    """Write the report.html of a run (with its methods.txt), a comparison or an advice anew, and say where it is."""
    import unfreeze as uf

    if (run / COMPARE_FILE).is_file():
        path = uf.Comparison(run).report()
        return Answer(as_json=json, payload={"comparison": str(run), "report": str(path)}, shown=[f"Report:  {path}"])
    if (run / ADVICE_FILE).is_file():
        path = uf.Advice(run).report()
        return Answer(as_json=json, payload={"advice": str(run), "report": str(path)}, shown=[f"Report:  {path}"])
    path = uf.load(run).report()
    methods = path.with_name("methods.txt")
    return Answer(
        as_json=json,
        payload={"run": str(run), "report": str(path), "methods": str(methods)},
        shown=[f"Report:  {path}", f"Methods: {methods}"],
    )
