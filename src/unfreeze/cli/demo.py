"""`unfreeze demo`: the three classic ways on real pictures, compared as `unfreeze compare` compares them."""

import itertools
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, TableOf
from unfreeze.cli.flags import OUTPUT, JsonFlag
from unfreeze.comparison_records import RowRecord, ranked_rows
from unfreeze.records import to_builtins

if TYPE_CHECKING:
    from unfreeze.comparing import Comparison

__all__ = ["demo_answer", "demo_command"]

N_IMAGES = 600
EPOCHS = 8  # enough for each of the three phases of gradual, and done within five minutes on two cores
DOES = {
    "head": "frozen network, new head",
    "gradual": "head first, then stage by stage",
    "layerwise": "all at once, a rate per layer group",
}


def demo_command(
    *,
    out: Annotated[Path, Parameter(group=OUTPUT, help="Where pictures and the comparison are put.")] = Path("demo"),
    json: JsonFlag = False,
) -> Answer:
    """Fine-tune on 600 pictures of solar cells, good against defective, in the three classic ways, and compare them.

    It takes a few minutes on two cores. The pictures come with `pip install 'unfreeze[demo]'`.
    """
    import unfreeze as uf
    from unfreeze.cli.grid_progress import watching_grid
    from unfreeze.data.samples import write_solar_cells

    began = time.monotonic()
    data = write_solar_cells(out / "solar-cells", n_images=N_IMAGES)
    print(f"{N_IMAGES} pictures of solar cells, good against defective, in three ways:", file=sys.stderr)
    for name, does in DOES.items():
        print(f"  {name:<9}  {does}", file=sys.stderr)
    with watching_grid() as progress:
        found = uf.compare(data, strategies=list(DOES), epochs=EPOCHS, out=_next_free(out), progress=progress)
    return demo_answer(found, data=data, seconds=time.monotonic() - began, as_json=json)


def demo_answer(found: "Comparison", *, data: Path, seconds: float, as_json: bool) -> Answer:
    """Return what the demo says at its end: the comparison's leaderboard and verdict, and what to do next."""
    from unfreeze.cli.leaderboard import figures_text
    from unfreeze.reporting.comparison_verdict import reading

    record, report, following = found.record, found.path / "report.html", _next_commands(found, data)
    shown: list[str | TableOf] = [
        *figures_text(record),
        "",
        f"Report:     {report}",
        "",
        "Next:",
        *(f"  {command}" for command in following),
    ]
    return Answer(
        as_json=as_json,
        payload={
            "data": str(data),
            "seconds": round(seconds, 1),
            "comparison": str(found.path),
            "report": str(report),
            "rows": [_payload(found, row) for row in ranked_rows(record)],
            "recommended": record.recommended,
            "reading": " ".join(reading(record)),
            "next": following,
        },
        shown=shown,
    )


def _next_free(out: Path) -> Path:
    return next(path for n in itertools.count(1) if not (path := out / f"compare-{n}").exists())


def _payload(found: "Comparison", row: RowRecord) -> dict[str, Any]:
    """Return a row of compare.json; its test figure also as `value`, `low` and `high`, and its run from here."""
    return {
        **to_builtins(row),
        "epochs": found.record.config.epochs,
        "value": row.test.mean,
        "low": row.test.low,
        "high": row.test.high,
        "run": str(found.path / row.run),
    }


def _next_commands(found: "Comparison", data: Path) -> list[str]:
    opening = f"python -m webbrowser {shlex.quote((found.path / 'report.html').resolve().as_uri())}"
    own = "unfreeze train PICTURES/    # your own: one folder per class"
    if found.record.best is None:
        return [opening, own]
    best = str(found.path / found.record.best)
    return [opening, shlex.join(["unfreeze", "predict", best, str(data / "defective")]), own]
