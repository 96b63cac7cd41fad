"""`unfreeze demo`: the three classic ways on real pictures, side by side."""

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import OUTPUT, JsonFlag
from unfreeze.cli.wording import count_text, interval_text, time_text
from unfreeze.records import Interval, to_builtins

if TYPE_CHECKING:
    from unfreeze.api import Run

__all__ = ["Row", "demo_command", "reading_of"]

# Epochs that show each way at its best within five minutes on two cores, the fewer the more they compute.
EPOCHS = {"head": 8, "gradual": 9, "layerwise": 6}
DOES = {
    "head": "frozen network, new head",
    "gradual": "head first, then stage by stage",
    "layerwise": "all at once, a rate per layer group",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one way did on the test pictures."""

    strategy: str
    epochs: int
    metric: str
    value: Interval
    n_trained: int  # parameters, in the phase that trains most
    seconds: float
    run: str


def demo_command(
    *,
    out: Annotated[Path, Parameter(group=OUTPUT, help="Where pictures and runs are put.")] = Path("demo"),
    json: JsonFlag = False,
) -> Answer:
    """Fine-tune on 600 pictures of solar cells, good against defective, in the three classic ways.

    It takes a few minutes on two cores. The pictures come with `pip install 'unfreeze[demo]'`.
    """
    from unfreeze.data.samples import write_solar_cells

    began = time.monotonic()
    data = write_solar_cells(out / "solar-cells")
    rows = []
    for strategy, epochs in EPOCHS.items():
        print(f"\n{strategy}: {DOES[strategy]}", file=sys.stderr)
        rows.append(_row(_trained(data, strategy, epochs, out=_next_free(out, strategy))))
    reading, following = reading_of(rows), _next_commands(rows, data)
    return Answer(
        as_json=json,
        payload={
            "data": str(data),
            "seconds": round(time.monotonic() - began, 1),
            "rows": [_payload(row) for row in rows],
            "reading": reading,
            "next": following,
        },
        shown=[
            TableOf(columns=_COLUMNS, rows=[_cells(row) for row in rows]),
            f"{reading}\n",
            "Next:",
            *(f"  {command}" for command in following),
        ],
    )


def reading_of(rows: Sequence[Row]) -> str:
    """Say in plain words what a table of results tells; higher values are better.

    Two ways count as different only where their 95% intervals do not overlap, which is a careful reading.
    """
    known = [row for row in rows if row.value.value is not None]
    if not known:
        return "No way could be measured."
    best = max(known, key=lambda row: row.value.value or 0.0)
    tied = [row for row in known if row is best or (row.value.high or 0.0) >= (best.value.low or 0.0)]
    worse = [row.strategy for row in known if row not in tied]
    cheapest = min(tied, key=lambda row: row.n_trained)
    if len(tied) == 1:
        return f"{best.strategy} is best here: its interval lies above those of {' and '.join(worse)}."
    names = " and ".join(row.strategy for row in tied)
    behind = f" {' and '.join(worse)} {'is' if len(worse) == 1 else 'are'} behind." if worse else ""
    return (
        f"{best.strategy} measured highest, but the intervals of {names} overlap: so few test pictures cannot tell "
        f"them apart. Take the one that trains least, {cheapest.strategy}.{behind}"
    )


_COLUMNS = (
    Column(title="way", whole=True),
    Column(title="what it does"),
    Column(title="epochs", right=True),
    Column(title="balanced accuracy on test (95%)", whole=True),
    Column(title="parameters trained", right=True),
    Column(title="time", right=True),
)


def _trained(data: Path, strategy: str, epochs: int, *, out: Path) -> "Run":
    import unfreeze as uf
    from unfreeze.cli.progress import watching

    with watching() as progress:
        return uf.train(data, strategy=strategy, epochs=epochs, out=out, progress=progress)


def _next_free(out: Path, strategy: str) -> Path:
    return next(path for n in itertools.count(1) if not (path := out / f"{strategy}-{n}").exists())


def _row(run: "Run") -> Row:
    metric = run.record.primary_metric
    return Row(
        strategy=run.record.config.strategy,
        epochs=run.record.config.epochs,
        metric=metric,
        value=run.metrics.test[metric],
        n_trained=max(phase.n_trained for phase in run.record.phases),
        seconds=run.record.timing.total_seconds,
        run=str(run.path),
    )


def _cells(row: Row) -> list[str]:
    return [
        row.strategy,
        DOES[row.strategy],
        str(row.epochs),
        interval_text(row.value),
        count_text(row.n_trained),
        time_text(row.seconds),
    ]


def _payload(row: Row) -> dict[str, Any]:
    return {
        "strategy": row.strategy,
        "epochs": row.epochs,
        "metric": row.metric,
        **to_builtins(row.value),
        "n_trained": row.n_trained,
        "seconds": row.seconds,
        "run": row.run,
    }


def _next_commands(rows: Sequence[Row], data: Path) -> list[str]:
    return [
        *(f"unfreeze report {row.run}" for row in rows),
        f"unfreeze predict {rows[0].run} {data}/defective",
        "unfreeze check PICTURES/    # then train on your own: one folder per class",
    ]
