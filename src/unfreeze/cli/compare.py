"""`unfreeze compare`: several ways on the same pictures, and which of them can be told apart."""

from pathlib import Path
from typing import Annotated, Any, TypedDict

from cyclopts import Group, Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import OUTPUT, DataArgument, JsonFlag, TrainFlags, WholeNumber, options_from
from unfreeze.command_words import split_names
from unfreeze.errors import ConfigError

__all__ = ["compare_command"]

COMPARED = Group("What is compared", sort_key=1)


class GridFlags(TypedDict, total=False):
    """What is compared, judged on what, and for how long."""

    strategies: Annotated[
        str,
        Parameter(group=COMPARED, help="Names or selectors, with commas between. [default: head,gradual,layerwise]"),
    ]
    models: Annotated[str, Parameter(group=COMPARED, help="Networks, with commas between. [default: that of --model]")]
    sizes: Annotated[
        str,
        Parameter(
            group=COMPARED,
            help="Heights and widths of the input, px, with commas between. [default: each strategy's own]",
        ),
    ]
    seeds: Annotated[
        WholeNumber,
        Parameter(group=COMPARED, help="Trainings of each row, which differ in the new head's weights. [default: 1]"),
    ]
    folds: Annotated[
        WholeNumber,
        Parameter(
            group=COMPARED,
            help="Judge on that many folds of train and validation. [default: on validation alone]",
        ),
    ]
    budget: Annotated[
        str, Parameter(group=COMPARED, help="Stop after this time with what is known, as 90s, 10m or 1h30m.")
    ]


def compare_command(
    data: DataArgument = None,
    /,
    *,
    grid: Annotated[GridFlags | None, Parameter(name="*")] = None,
    flags: Annotated[TrainFlags | None, Parameter(name="*")] = None,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="The comparison's directory. [default: runs/DATA-compare-N]")
    ] = None,
    resume: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            help="Continue the comparison in --out, with its own settings.",
            show_default=False,
        ),
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """Train in several ways on the same pictures, and say which can be told apart and which one to take.

    Choices are made on validation pictures (or folds); the test figure is shown once, for what is recommended.
    """
    import unfreeze as uf
    from unfreeze.cli.grid_progress import watching_grid
    from unfreeze.cli.leaderboard import leaderboard_payload, leaderboard_text

    compared: dict[str, Any] = {**(grid or {}), **options_from(flags or {})}
    if "sizes" in compared:
        compared["sizes"] = _pixels(compared["sizes"])
    with watching_grid() as progress:
        found = uf.compare(data, out=out, resume=resume, progress=progress, **compared)
    return Answer(as_json=json, payload=leaderboard_payload(found), shown=leaderboard_text(found))


def _pixels(text: str) -> list[int]:
    try:
        return [int(part) for part in split_names(text)]
    except ValueError:
        raise ConfigError(f'--sizes must be whole numbers with commas between, as 224,320, but got "{text}".') from None
