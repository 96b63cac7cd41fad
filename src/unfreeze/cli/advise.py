"""`unfreeze advise`: what to train, measured on the user's own pictures, and why."""

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import OUTPUT, AdviseFlags, FoundFlags, JsonFlag, options_from

__all__ = ["advise_command"]

MEASURED = Group("What is measured", sort_key=1)


def advise_command(
    data: Annotated[
        Path,
        Parameter(help="A folder with one folder of pictures per class, or a CSV or Parquet table with a file column."),
    ],
    /,
    *,
    models: Annotated[
        str | None,
        Parameter(group=MEASURED, help="Networks to choose from, with commas between. [default: that of --model]"),
    ] = None,
    budget: Annotated[
        str | None, Parameter(group=MEASURED, help="How long to measure, as 90s, 5m or 1h. [default: 5m]")
    ] = None,
    flags: Annotated[AdviseFlags | None, Parameter(name="*")] = None,
    refused: Annotated[FoundFlags | None, Parameter(name="*", show=False)] = None,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="The directory of the advice. [default: runs/DATA-advice-N]")
    ] = None,
    json: JsonFlag = False,
) -> Answer:
    """Measure which way to train suits the pictures, and write its plan, the command, and the reasons.

    Every depth of the frozen network is probed, and real trainings are tried. No test picture is looked at.
    """
    import unfreeze as uf
    from unfreeze.cli.advice import advice_payload, advice_text
    from unfreeze.cli.progress import watching

    options = options_from(flags or {}) | options_from(refused or {})
    with watching() as progress:
        found = uf.advise(
            data,
            models=models or (),
            budget=budget,
            out=out,
            progress=progress,
            **options,
        )
    return Answer(as_json=json, payload=advice_payload(found), shown=advice_text(found))
