"""`unfreeze train`: trains, evaluates, and leaves a run directory."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import OUTPUT, DataArgument, JsonFlag, TrainFlags, options_from

__all__ = ["train_command"]


def train_command(
    data: DataArgument = None,
    /,
    *,
    flags: Annotated[TrainFlags | None, Parameter(name="*")] = None,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="The run directory. [default: runs/DATA-STRATEGY-N]")
    ] = None,
    resume: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            help="Continue the interrupted run in --out, with its own settings.",
            show_default=False,
        ),
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """Fine-tune a pretrained network on labelled pictures."""
    import unfreeze as uf
    from unfreeze.cli.outcome import outcome_payload, outcome_text
    from unfreeze.cli.progress import watching

    with watching() as progress:
        run = uf.train(data, out=out, resume=resume, progress=progress, **options_from(flags or {}))
    return Answer(as_json=json, payload=outcome_payload(run), shown=outcome_text(run))
