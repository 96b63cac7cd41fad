"""What the advice is worth: against a whole grid on the same splits, judged on test pictures that chose nothing.

    python benchmarks/advice.py --data ../shared/data      # hours on two cores; stop, and go on as you like
    python benchmarks/advice.py --data ../shared/data --sets trashnet --splits 1 --max-train 120 --results try.jsonl
    python benchmarks/advice.py --show

For each data set and each of three splits: the grid of strategies and sizes by `uf.compare`, one seed a split, from an
empty cache; then advice from an empty cache of its own, with a budget that is a share of what the grid took, and the
training that it recommends. A split that is in the results is not repeated; a grid that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

from advice_sets import SETS, PictureSet, write_split
from advice_table import table_lines
from recording import RESULTS, record_missing

import unfreeze as uf
from unfreeze.evaluation import read_predictions

STRATEGIES = ("head", "head2toe", "stages:2", "gradual", "layerwise", "full", "lp-ft")
SIZES = (224, 320)
EPOCHS = 6
SHARE = 0.22  # of the grid's time: the budget of the advice, so that reading pictures fits into a quarter too
DIGITS = 5  # of what is kept for each picture
WORK = Path(__file__).parent / ".work" / "advice"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with a folder for each data set")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--splits", type=int, default=3, help="how many, at most 3")
    parser.add_argument("--max-train", type=int, default=400, help="the largest number of training pictures")
    parser.add_argument("--results", type=Path, default=RESULTS / "advice.jsonl")
    parser.add_argument("--work", type=Path, default=WORK, help="where pictures and runs are put meanwhile")
    parser.add_argument("--show", action="store_true", help="print the table of what is known, and measure nothing")
    given = parser.parse_args()
    if given.splits not in range(1, 4):
        parser.error(f"--splits must be 1, 2 or 3, but got {given.splits}")
    if given.show:
        text = given.results.read_text(encoding="utf-8") if given.results.exists() else ""
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        if given.data is None:
            parser.error("--data is missing: the folder with a folder for each data set")

        def measured(**key: Any) -> dict[str, Any]:
            return _measured(SETS[key["set"]], key["split"], key["max_train"], data=given.data, work=given.work)

        keys = (
            {"set": name, "split": number, "max_train": given.max_train}
            for number, name in product(range(given.splits), given.sets)  # a split of all sets, then the next
        )
        rows = record_missing(str(given.results.resolve()), keys, measured)
    shown = [row for row in rows if row["set"] in given.sets and row["max_train"] == given.max_train]
    print("\n".join(table_lines(shown)))


def _measured(wanted: PictureSet, number: int, max_train: int, *, data: Path, work: Path) -> dict[str, Any]:
    """Return what the grid and the advice came to on one split; what they left behind is deleted."""
    place = work / f"{wanted.name}-{number}-{max_train}"
    common: dict[str, Any] = {
        "task": wanted.task, "target": wanted.columns, "split": "side", "seed": number, "epochs": EPOCHS
    }  # fmt: skip
    table = write_split(data, work / "pictures", wanted, number=number, max_train=max_train)
    grid = _grid(table, place / "grid", common | {"cache_dir": place / "grid-cache"})
    budget = SHARE * grid.record.seconds
    settings = common | {"cache_dir": place / "advice-cache"}
    for left in ("advice", "advised", "advice-cache"):  # by an attempt that was stopped
        shutil.rmtree(place / left, ignore_errors=True)
    advice = uf.advise(table, budget=budget, out=place / "advice", **settings)
    run = advice.train(out=place / "advised")
    metric, record = grid.record.metric, advice.record
    predictions = read_predictions(run.path / "predictions.csv", task=wanted.task, outputs=run.record.classes)
    found = {
        "metric": metric,
        "n": grid.record.data.split_counts,
        "n_outputs": len(run.record.classes),
        "grid_seconds": grid.record.seconds,
        "budget_seconds": budget,
        "advice_seconds": record.seconds,
        "truth": _rounded(predictions.of("test").truth),
        "grid": [
            {
                "name": row.name, "strategy": row.strategy, "size": row.size, "val": row.val.mean,
                "test": row.test.mean, "seconds": row.seconds,
                "said": _said(grid.path / row.run, wanted, metric) if row.status == "done" else None,
            }
            for row in grid.rows
        ],
        "advice": {
            "name": record.way, "strategy": record.strategy, "size": record.size, "can_tell": record.can_tell,
            "status": record.status, "expected": record.expected.value, "val": run.metrics.val[metric].value,
            "test": run.metrics.test[metric].value, "seconds": run.record.timing.total_seconds,
            "said": _said(run.path, wanted, metric),
            "tried": [
                [way.name, way.size, way.epochs, way.val and way.val.value, way.why]
                for way in record.evidence.ways if not way.frozen
            ],
        },
    }  # fmt: skip
    shutil.rmtree(place)
    return found


def _grid(table: Path, out: Path, settings: dict[str, Any]) -> uf.Comparison:
    """Compare, or go on with a comparison that was stopped; one that is finished is read."""
    if not (out / "compare.json").is_file():
        shutil.rmtree(out, ignore_errors=True)
        return uf.compare(table, strategies=STRATEGIES, sizes=SIZES, out=out, **settings)
    found = uf.Comparison(out)
    return found if found.record.status == "done" else uf.compare(out=out, resume=True)


def _said(run: Path, wanted: PictureSet, metric: str) -> list[Any]:
    """Return what a run said of the test pictures, in the order of its table: decisions, probabilities or values."""
    outputs = uf.load(run).record.classes
    test = read_predictions(run / "predictions.csv", task=wanted.task, outputs=outputs).of("test")
    return _rounded(test.predicted if metric == "balanced_accuracy" else test.scores)


def _rounded(values: Any) -> list[Any]:
    found: list[Any] = values.tolist() if values.dtype.kind in "iu" else values.round(DIGITS).tolist()
    return found


if __name__ == "__main__":
    main()
